//! A TCP echo server: every connection is a source of its own.
//!
//! `cargo run -p calloop-ref --example echo` serves a client of its own and ends; with `-- --serve`
//! it goes on, at the address that it prints.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use calloop_ref::generic::Generic;
use calloop_ref::{EventLoop, Interest, LoopHandle, Mode, PostAction, channel};

struct Server {
    handle: LoopHandle<'static, Server>,
}

/// Serves, if only a client of its own.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut event_loop = EventLoop::try_new()?;
    let mut server = Server { handle: event_loop.handle() };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    println!("echo on {address}");
    let listener = Generic::new(listener, Interest::READ, Mode::Level);
    server.handle.insert_source(listener, |_, listener, server: &mut Server| {
        let (stream, peer) = listener.accept()?;
        println!("{peer} came");
        stream.set_nonblocking(true)?;
        let mut unsent = Vec::new();
        let connection = Generic::new(stream, Interest::BOTH, Mode::Edge);
        let inserted = server.handle.insert_source(connection, move |_, stream, _| {
            Ok(match echo(stream, &mut unsent) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => PostAction::Continue,
                // It ended, or broke: no reason for the server to end.
                Ok(()) | Err(_) => PostAction::Remove,
            })
        });
        inserted.map_err(|refused| refused.error)?;
        Ok(PostAction::Continue)
    })?;

    if std::env::args().any(|argument| argument == "--serve") {
        return Ok(event_loop.run(None, &mut server, |_| {})?);
    }
    // The channel closes when the client ends, whichever way.
    let (guard, end) = channel::channel::<()>();
    let signal = event_loop.get_signal();
    server.handle.insert_source(end, move |_, _, _| signal.stop())?;
    let client = std::thread::spawn(move || (talk(address), drop(guard)).0);
    event_loop.run(None, &mut server, |_| {})?;
    Ok(client.join().expect("the client does not panic")?)
}

/// Until nothing is left to read or no room to write: an edge is reported only once.
fn echo(mut stream: &TcpStream, unsent: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        while !unsent.is_empty() {
            let count = stream.write(unsent)?;
            unsent.drain(..count);
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        unsent.extend_from_slice(&buffer[..count]);
    }
}

fn talk(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"hello")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    println!("the answer is {answer}");
    Ok(())
}
