//! Descriptors, of sources and in futures.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::unix::AsyncFd;

use crate::adapter::{self, Failure, Interest, Readiness};

pub(super) fn interest(interest: Interest) -> Result<tokio::io::Interest, Failure> {
    match interest {
        Interest::None => Err(Failure::Unsupported),
        Interest::Read => Ok(tokio::io::Interest::READABLE),
        Interest::Write => Ok(tokio::io::Interest::WRITABLE),
        Interest::Both => Ok(tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE),
    }
}

/// What poll(2) says of it. Its end, or an error, is to be read and to be written into.
fn look(fd: BorrowedFd<'_>, asked: tokio::io::Interest) -> io::Result<Readiness> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, asked.is_readable());
    flags.set(PollFlags::OUT, asked.is_writable());
    let mut fds = [PollFd::new(&fd, flags)];
    poll(&mut fds, Some(&Timespec::default()))?;
    let is = |flag| fds[0].revents().intersects(flag | PollFlags::HUP | PollFlags::ERR);
    Ok(Readiness {
        readable: asked.is_readable() && is(PollFlags::IN),
        writable: asked.is_writable() && is(PollFlags::OUT),
    })
}

/// Waits until it is ready, by tokio's word, which is taken back if poll(2) finds otherwise.
pub(super) async fn ready(
    fd: &AsyncFd<OwnedFd>,
    asked: tokio::io::Interest,
) -> Result<Readiness, io::Error> {
    loop {
        let mut guard = fd.ready(asked).await?;
        let tried = guard.try_io(|fd| {
            let found = look(fd.get_ref().as_fd(), asked)?;
            let is_ready = found.readable || found.writable;
            is_ready.then_some(found).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        });
        if let Ok(outcome) = tried {
            return outcome;
        }
    }
}

#[derive(Debug)]
pub(super) struct Io(pub(super) AsyncFd<OwnedFd>);

impl adapter::AsyncFd for Io {
    async fn readable(&mut self) {
        // It fails once the runtime is gone, and nobody is left to be told.
        let _ = ready(&self.0, tokio::io::Interest::READABLE).await;
    }

    async fn writable(&mut self) {
        let _ = ready(&self.0, tokio::io::Interest::WRITABLE).await;
    }

    fn fd(&mut self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }

    fn into_fd(self) -> OwnedFd {
        self.0.into_inner()
    }
}
