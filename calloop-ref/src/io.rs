//! File descriptors in futures.
//!
//! [`LoopHandle::adapt_io`](crate::LoopHandle::adapt_io) makes an [`Async`] of a file descriptor:
//! its readiness can be awaited, and with the feature `futures-io` it implements `AsyncRead` and
//! `AsyncWrite`. The futures may be polled by any executor on the loop's thread.
//!
#![cfg_attr(feature = "block_on", doc = "```")]
#![cfg_attr(not(feature = "block_on"), doc = "```ignore")]
//! use calloop_ref::EventLoop;
//! use std::io::{Read, Write};
//! use std::os::unix::net::UnixStream;
//!
//! let (mut far, near) = UnixStream::pair()?;
//! let mut event_loop: EventLoop<'_, ()> = EventLoop::try_new()?;
//! let mut near = event_loop.handle().adapt_io(near)?;
//! far.write_all(b"hello")?;
//!
//! let greeting = async {
//!     near.readable().await;
//!     let mut buffer = [0; 5];
//!     near.get_mut().read_exact(&mut buffer).map(|()| buffer)
//! };
//! let greeting = event_loop.block_on(greeting, &mut (), |()| {})?.expect("nobody stops it")?;
//! assert_eq!(&greeting, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use crate::error::Result;
use crate::interest::{Interest, Mode};
use crate::reactor::{IoEntry, Reactor};
use crate::sys::Backend;

/// A file descriptor whose readiness futures can wait for.
///
/// It was set non-blocking; when the adapter is dropped or taken apart that is undone, and the loop
/// watches the descriptor no longer. Each direction has a place for one waiting task, so that a
/// reader and a writer may wait at the same time.
///
/// It does not keep the loop alive. When the loop is gone, what waits here waits for ever.
pub struct Async<'l, F: AsFd> {
    /// `None` once taken out.
    fd: Option<F>,
    /// The place of the wakers in the reactor.
    index: u32,
    reactor: Weak<Reactor>,
    backend: Arc<Backend>,
    was_nonblocking: bool,
    lifetime: PhantomData<&'l ()>,
}

/// One of the two things to wait for.
#[derive(Copy, Clone)]
enum Direction {
    Read,
    Write,
}

impl<'l, F: AsFd> Async<'l, F> {
    pub(crate) fn new(reactor: &Rc<Reactor>, fd: F) -> Result<Self> {
        let flags = fcntl_getfl(&fd).map_err(std::io::Error::from)?;
        let (index, key) = reactor.insert_io();
        // Edge-triggered for both directions, once and for all: the operation is tried first, so
        // that only what happens after it would have blocked matters.
        let registered = reactor.backend().add(&fd, key, Interest::BOTH, Mode::Edge);
        if let Err(error) = registered {
            reactor.remove_io(index);
            return Err(error.into());
        }
        let adapter = Async {
            fd: Some(fd),
            index,
            reactor: Rc::downgrade(reactor),
            backend: reactor.backend().clone(),
            was_nonblocking: flags.contains(OFlags::NONBLOCK),
            lifetime: PhantomData,
        };
        if !adapter.was_nonblocking {
            fcntl_setfl(adapter.fd(), flags | OFlags::NONBLOCK).map_err(std::io::Error::from)?;
        }
        Ok(adapter)
    }

    /// A future that is ready when reading would not block.
    pub fn readable<'s>(&'s mut self) -> Readable<'s, 'l, F> {
        Readable { io: self }
    }

    /// A future that is ready when writing would not block.
    pub fn writable<'s>(&'s mut self) -> Writable<'s, 'l, F> {
        Writable { io: self }
    }

    /// The descriptor, to read or write.
    ///
    /// It must not be replaced by another (as by [`mem::replace`](std::mem::replace)) and must stay
    /// non-blocking: the futures would wait for the wrong thing, or the loop would block.
    pub fn get_mut(&mut self) -> &mut F {
        self.fd.as_mut().expect(PRESENT)
    }

    /// The descriptor, as it was before it was adapted.
    pub fn into_inner(mut self) -> F {
        self.release().expect(PRESENT)
    }

    fn fd(&self) -> &F {
        self.fd.as_ref().expect(PRESENT)
    }

    fn release(&mut self) -> Option<F> {
        let fd = self.fd.take()?;
        let _ = self.backend.delete(&fd);
        if !self.was_nonblocking {
            if let Ok(flags) = fcntl_getfl(&fd) {
                let _ = fcntl_setfl(&fd, flags - OFlags::NONBLOCK);
            }
        }
        if let Some(reactor) = self.reactor.upgrade() {
            reactor.remove_io(self.index);
        }
        Some(fd)
    }

    /// Has the task woken when the kernel reports news of a direction.
    fn wait_for(&self, direction: Direction, context: &Context<'_>) {
        let Some(reactor) = self.reactor.upgrade() else { return };
        let waker = context.waker();
        // The waker that was there is dropped after the borrow of the table has ended.
        let _replaced = reactor.with_io(self.index, |entry| {
            let place = entry.place(direction);
            match place {
                Some(present) if present.will_wake(waker) => None,
                _ => place.replace(waker.clone()),
            }
        });
    }

    fn poll_ready(&self, direction: Direction, context: &Context<'_>) -> Poll<()> {
        // First the waker, then the look: news in between wakes once too often, never too rarely.
        self.wait_for(direction, context);
        let flags = match direction {
            Direction::Read => PollFlags::IN,
            Direction::Write => PollFlags::OUT,
        };
        if is_ready(self.fd(), flags) { Poll::Ready(()) } else { Poll::Pending }
    }
}

const PRESENT: &str = "the descriptor is there until the adapter is taken apart";

impl IoEntry {
    fn place(&mut self, direction: Direction) -> &mut Option<std::task::Waker> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }
}

/// Asks the kernel at once (poll(2)). A descriptor that fails is ready: the operation will tell.
fn is_ready(fd: &impl AsFd, flags: PollFlags) -> bool {
    const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        match rustix::event::poll(&mut [PollFd::new(fd, flags)], Some(&NO_TIME)) {
            Err(Errno::INTR) => {}
            Ok(0) => return false,
            Ok(_) | Err(_) => return true,
        }
    }
}

impl<F: AsFd> Drop for Async<'_, F> {
    fn drop(&mut self) {
        drop(self.release());
    }
}

impl<F: AsFd> Unpin for Async<'_, F> {}

impl<F: AsFd + fmt::Debug> fmt::Debug for Async<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Async").field("fd", &self.fd).finish_non_exhaustive()
    }
}

/// The future of [`Async::readable`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Readable<'s, 'l, F: AsFd> {
    io: &'s mut Async<'l, F>,
}

impl<F: AsFd> Future for Readable<'_, '_, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_ready(Direction::Read, cx)
    }
}

/// The future of [`Async::writable`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Writable<'s, 'l, F: AsFd> {
    io: &'s mut Async<'l, F>,
}

impl<F: AsFd> Future for Writable<'_, '_, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_ready(Direction::Write, cx)
    }
}

#[cfg(feature = "futures-io")]
mod futures {
    use std::io::{self, IoSlice, IoSliceMut, Read, Write};

    use super::*;
    use futures_io::{AsyncRead, AsyncWrite};

    impl<F: AsFd> Async<'_, F> {
        /// Tries; if that would block, has the task woken when it may be worth another try.
        fn poll_with<R>(
            &mut self,
            direction: Direction,
            context: &Context<'_>,
            mut operation: impl FnMut(&mut F) -> io::Result<R>,
        ) -> Poll<io::Result<R>> {
            loop {
                match operation(self.get_mut()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.wait_for(direction, context);
                        return Poll::Pending;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    outcome => return Poll::Ready(outcome),
                }
            }
        }
    }

    impl<F: AsFd + Read> AsyncRead for Async<'_, F> {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.get_mut().poll_with(Direction::Read, cx, |fd| fd.read(buf))
        }

        fn poll_read_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &mut [IoSliceMut<'_>],
        ) -> Poll<io::Result<usize>> {
            self.get_mut().poll_with(Direction::Read, cx, |fd| fd.read_vectored(bufs))
        }
    }

    impl<F: AsFd + Write> AsyncWrite for Async<'_, F> {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.get_mut().poll_with(Direction::Write, cx, |fd| fd.write(buf))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.get_mut().poll_with(Direction::Write, cx, |fd| fd.write_vectored(bufs))
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.get_mut().poll_with(Direction::Write, cx, Write::flush)
        }

        /// Flushes. The descriptor is closed when it is dropped, as any other.
        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_flush(cx)
        }
    }
}
