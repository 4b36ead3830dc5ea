//! Descriptors, of sources and in futures.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::Poll;

use ::async_io::Async;

use crate::adapter::{AsyncFd, Interest, Readiness};

fn is_ready(poll: Poll<io::Result<()>>) -> io::Result<bool> {
    match poll {
        Poll::Ready(outcome) => outcome.map(|()| true),
        Poll::Pending => Ok(false),
    }
}

/// Waits until a descriptor is ready for what is asked.
pub(super) async fn ready(fd: &Async<OwnedFd>, asked: Interest) -> io::Result<Readiness> {
    let read = matches!(asked, Interest::Read | Interest::Both);
    let write = matches!(asked, Interest::Write | Interest::Both);
    poll_fn(|context| {
        let mut found = Readiness::default();
        if read {
            found.readable = is_ready(fd.poll_readable(context))?;
        }
        if write {
            found.writable = is_ready(fd.poll_writable(context))?;
        }
        let is_either = found.readable || found.writable;
        if is_either { Poll::Ready(Ok(found)) } else { Poll::Pending }
    })
    .await
}

#[derive(Debug)]
pub(super) struct Io(pub(super) Async<OwnedFd>);

impl AsyncFd for Io {
    async fn readable(&mut self) {
        // No descriptor of this kind fails to be waited for.
        let _ = self.0.readable().await;
    }

    async fn writable(&mut self) {
        let _ = self.0.writable().await;
    }

    fn fd(&mut self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }

    fn into_fd(self) -> OwnedFd {
        self.0.into_inner().expect("a descriptor that is registered can be taken out")
    }
}
