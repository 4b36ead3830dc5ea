//! A server on loopback that sends back what it gets: the cost of a request.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use conformance::adapter::{Adapter, Capability, Failure, Interest, Next};

use super::partner::await_until;
use super::{WRONG, drain, reading_mode};
use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

/// As long as a short message of most protocols.
const LENGTH: usize = 64;

#[derive(Copy, Clone)]
pub(super) struct Echo {
    pub(super) connections: u64,
}

/// Both ends of a connection.
struct Connection {
    client: TcpStream,
    /// The server's end once more, to see that the request has come there.
    arrival: TcpStream,
}

impl Echo {
    /// The connections, and the server's end of each.
    fn connect(self) -> Result<(Vec<Connection>, Vec<OwnedFd>), Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut connections = Vec::new();
        let mut servers = Vec::new();
        for _ in 0..self.connections {
            let client = TcpStream::connect(listener.local_addr()?)?;
            client.set_nodelay(true)?;
            let (server, _) = listener.accept()?;
            server.set_nodelay(true)?;
            server.set_nonblocking(true)?;
            connections.push(Connection { client, arrival: server.try_clone()? });
            servers.push(server.into());
        }
        Ok((connections, servers))
    }
}

impl Connection {
    fn request(number: u64) -> [u8; LENGTH] {
        [number as u8; LENGTH]
    }

    /// Sends a request and waits until it has arrived.
    fn ask(&mut self, number: u64) -> Result<(), Failure> {
        self.client.write_all(&Connection::request(number))?;
        await_until("a request did not arrive", || match self.arrival.peek(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            peeked => Ok(peeked? > 0),
        })
    }

    /// Waits for the answer.
    fn hear(&mut self, number: u64) -> Result<(), Failure> {
        let mut answer = [0; LENGTH];
        self.client.read_exact(&mut answer)?;
        match answer == Connection::request(number) {
            true => Ok(()),
            false => Err(Failure::Other("an answer is not the request".to_string())),
        }
    }
}

/// The server's work: sends back what there is to read.
fn answer(fd: impl AsFd) -> io::Result<()> {
    let mut request = [0; LENGTH];
    let length = rustix::io::read(&fd, &mut request)?;
    let sent = rustix::io::write(&fd, &request[..length])?;
    if sent == LENGTH { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

impl Workload for Echo {
    fn spec(self) -> Spec {
        Spec {
            name: "echo",
            parameters: format!("connections={}", self.connections),
            about: "a request on each connection to a server on loopback, then dispatches until all \
                    were sent back; the time is that of both ends",
            per: "request",
            units: self.connections,
            events: self.connections,
            needs: &[Capability::Descriptors],
            is_extra: true,
            // The clients' part, whose system calls have other names.
            uncounted: vec![
                ("sendto", u64::MAX),
                ("recvfrom", u64::MAX),
                ("sched_yield", u64::MAX),
            ],
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let (mut connections, servers) = self.connect()?;
        let mode = reading_mode::<A>();
        for (server, number) in servers.into_iter().zip(0..) {
            let tally = tally.clone();
            A::insert_fd(&handle, server, Interest::Read, mode, move |_, fd, _| {
                tally.saw(if answer(fd).is_ok() { number } else { WRONG });
                Next::Continue
            })?;
        }
        Ok(Run::new(tally.clone(), move || {
            for (connection, number) in connections.iter_mut().zip(0..) {
                connection.ask(number)?;
            }
            drain(&mut event_loop, &tally)?;
            if tally.awaited() == 0 {
                for (connection, number) in connections.iter_mut().zip(0..) {
                    connection.hear(number)?;
                }
            }
            Ok(())
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let (mut connections, servers) = self.connect()?;
        for (server, number) in servers.iter().zip(0..) {
            poller.add(server, number)?;
        }
        Ok(Run::new(tally.clone(), move || {
            for (connection, number) in connections.iter_mut().zip(0..) {
                connection.ask(number)?;
            }
            while tally.awaited() > 0 {
                for number in poller.wait()? {
                    answer(&servers[number as usize])?;
                    tally.saw(number);
                }
            }
            for (connection, number) in connections.iter_mut().zip(0..) {
                connection.hear(number)?;
            }
            Ok(())
        }))
    }
}
