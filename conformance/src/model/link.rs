//! The two ends of a descriptor: one for the loop, the other for the program.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::spec::Outcome;
use crate::adapter::AsyncFd;
use crate::system;

/// Two sockets, of which the first does not block.
///
/// # Errors
///
/// What socketpair(2) answers.
pub fn pair() -> io::Result<(OwnedFd, File)> {
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    Ok((near.into(), OwnedFd::from(far).into()))
}

/// A pipe, which does not block.
///
/// # Errors
///
/// What pipe(2) answers.
pub fn pipe() -> io::Result<(OwnedFd, File)> {
    let (near, far) = system::pipe()?;
    Ok((near, far.into()))
}

/// Writes to the other end of a descriptor.
pub(super) fn write(mut far: &File, count: u8) -> Outcome {
    match far.write_all(&vec![0; count.into()]) {
        Ok(()) => Outcome::Done,
        Err(_) => Outcome::Failed,
    }
}

/// Writes as much to a socket as there is room for.
pub fn fill(near: impl AsFd) {
    for size in [4096, 1] {
        while send(&near, &[0; 4096][..size], SendFlags::DONTWAIT).is_ok() {}
    }
}

/// Reads all that there is in a socket.
pub fn drain(far: impl AsFd) {
    let read = || recv(&far, &mut [0; 4096][..], RecvFlags::DONTWAIT);
    while read().is_ok_and(|(read, _)| read > 0) {}
}

/// Reads or writes a byte when that does not block any more, and takes the descriptor out.
pub async fn transfer(mut io: impl AsyncFd, is_writing: bool) -> OwnedFd {
    loop {
        let done = if is_writing {
            send(io.fd(), &[0], SendFlags::DONTWAIT)
        } else {
            recv(io.fd(), &mut [0][..], RecvFlags::DONTWAIT).map(|(read, _)| read)
        };
        match done {
            Err(Errno::AGAIN) if is_writing => io.writable().await,
            Err(Errno::AGAIN) => io.readable().await,
            _ => return io.into_fd(),
        }
    }
}
