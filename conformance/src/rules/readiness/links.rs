//! Pairs of connected descriptors, of every kind that programs watch.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{Mode, OFlags};
use rustix::net::sockopt;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::system;

/// Two descriptors, neither of which blocks: what is written to one is read from the other.
pub(super) struct Link {
    pub(super) kind: &'static str,
    pub(super) reader: OwnedFd,
    pub(super) writer: OwnedFd,
}

/// What every kind of descriptor takes as a whole: a line for terminals, a number for counters.
pub(super) const PAYLOAD: &[u8; 8] = b"payload\n";

impl Link {
    fn new(kind: &'static str, reader: impl Into<OwnedFd>, writer: impl Into<OwnedFd>) -> Self {
        Link { kind, reader: reader.into(), writer: writer.into() }
    }

    pub(super) fn socket_pair() -> io::Result<Link> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Link::new("socket pair", reader, writer))
    }

    pub(super) fn pipe() -> io::Result<Link> {
        let (reader, writer) = system::pipe()?;
        Ok(Link::new("pipe", reader, writer))
    }

    pub(super) fn tcp() -> io::Result<Link> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let writer = TcpStream::connect(listener.local_addr()?)?;
        let (reader, _) = listener.accept()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        writer.set_nodelay(true)?;
        Ok(Link::new("TCP stream", reader, writer))
    }

    fn udp() -> io::Result<Link> {
        let (reader, writer) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        reader.connect(writer.local_addr()?)?;
        writer.connect(reader.local_addr()?)?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Link::new("UDP socket", reader, writer))
    }

    fn terminal() -> io::Result<Link> {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&controller)?;
        unlockpt(&controller)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let user = rustix::fs::open(ptsname(&controller, Vec::new())?, flags, Mode::empty())?;
        rustix::io::ioctl_fionbio(&controller, true)?;
        Ok(Link::new("terminal", user, controller))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn counter() -> io::Result<Link> {
        use rustix::event::{EventfdFlags, eventfd};
        let reader = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let writer = reader.try_clone()?;
        Ok(Link::new("eventfd", reader, writer))
    }

    /// One of each kind.
    pub(super) fn of_each_kind() -> io::Result<Vec<Link>> {
        Ok(vec![
            Link::socket_pair()?,
            Link::pipe()?,
            Link::tcp()?,
            Link::udp()?,
            Link::terminal()?,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Link::counter()?,
        ])
    }

    /// One of each kind that holds back its writer when it is full, with little room.
    pub(super) fn with_little_room() -> io::Result<Vec<Link>> {
        const ROOM: usize = 128 << 10;
        let links = vec![Link::socket_pair()?, Link::tcp()?, Link::pipe()?];
        for link in links.iter().filter(|link| link.kind != "pipe") {
            sockopt::set_socket_send_buffer_size(&link.writer, ROOM)?;
            sockopt::set_socket_recv_buffer_size(&link.reader, ROOM)?;
        }
        Ok(links)
    }
}

/// Writes the payload, which makes the other end readable.
pub(super) fn send(writer: impl AsFd) -> io::Result<()> {
    rustix::io::write(writer, PAYLOAD)?;
    Ok(())
}
