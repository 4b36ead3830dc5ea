//! Any file descriptor as a source.
//!
//! [`Generic`] watches what it owns and hands its readiness to the callback, together with the
//! descriptor itself.
//!
//! ```
//! use calloop_ref::generic::Generic;
//! use calloop_ref::{EventLoop, Interest, Mode, PostAction};
//! use std::io::{Read, Write};
//! use std::os::unix::net::UnixStream;
//!
//! let mut event_loop: EventLoop<'_, String> = EventLoop::try_new()?;
//! let (mut far, near) = UnixStream::pair()?;
//! event_loop.handle().insert_source(
//!     Generic::new(near, Interest::READ, Mode::Level),
//!     |_readiness, near, received| {
//!         let mut buffer = [0; 64];
//!         let count = (&**near).read(&mut buffer)?;
//!         received.push_str(&String::from_utf8_lossy(&buffer[..count]));
//!         Ok(if count == 0 { PostAction::Remove } else { PostAction::Continue })
//!     },
//! )?;
//!
//! far.write_all(b"hello")?;
//! let mut received = String::new();
//! event_loop.dispatch(None, &mut received)?;
//! assert_eq!(received, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![allow(unsafe_code, reason = "the contract of I/O safety is kept here, see NoIoDrop")]

use std::borrow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use crate::interest::{Interest, Mode, Readiness};
use crate::poll::Poll;
use crate::source::{EventSource, PostAction};
use crate::sys::Backend;
use crate::token::{Token, TokenFactory};

/// Gives something that has only a raw descriptor ([`AsRawFd`]) the safe kind ([`AsFd`]), so that a
/// [`Generic`] can hold it.
#[derive(Debug)]
pub struct FdWrapper<T: AsRawFd>(T);

impl<T: AsRawFd> FdWrapper<T> {
    /// Wraps `inner`.
    ///
    /// # Safety
    ///
    /// The raw descriptor of `inner` has to be open, and the same, for as long as the wrapper
    /// lives.
    pub unsafe fn new(inner: T) -> Self {
        Self(inner)
    }
}

impl<T: AsRawFd> ops::Deref for FdWrapper<T> {
    type Target = T;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: AsRawFd> ops::DerefMut for FdWrapper<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T: AsRawFd> AsFd for FdWrapper<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: `new` was promised that the descriptor is open while `self` lives.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }
    }
}

/// Lends a descriptor that must not be closed or replaced: by shared reference only.
///
/// A descriptor that a loop watches has to stay open until it is unregistered. So the callback of a
/// [`Generic`] gets this and not the descriptor itself; types such as `UnixStream` can be read and
/// written by shared reference, `(&**stream).read(..)`.
#[derive(Debug)]
pub struct NoIoDrop<T>(T);

impl<T> NoIoDrop<T> {
    /// The descriptor, to change.
    ///
    /// # Safety
    ///
    /// The descriptor must be neither closed nor replaced, for instance by
    /// [`mem::replace`](std::mem::replace).
    pub unsafe fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> AsRef<T> for NoIoDrop<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<T> borrow::Borrow<T> for NoIoDrop<T> {
    fn borrow(&self) -> &T {
        &self.0
    }
}

impl<T> ops::Deref for NoIoDrop<T> {
    type Target = T;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: AsFd> AsFd for NoIoDrop<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A file descriptor as an event source.
///
/// It owns what it watches and takes care of the registration: it ends before the descriptor is
/// closed, also when the source is dropped or the loop is gone. To change
/// [`interest`](Self::interest) or [`mode`](Self::mode) later, keep the source in a
/// [`Dispatcher`](crate::Dispatcher) and call [`LoopHandle::update`](crate::LoopHandle::update).
pub struct Generic<F: AsFd, E = io::Error> {
    /// The readiness to report.
    pub interest: Interest,
    /// How to report it.
    pub mode: Mode,
    /// `None` once taken out.
    file: Option<NoIoDrop<F>>,
    /// Where it is registered, and under which token.
    registration: Option<(Arc<Backend>, Token)>,
    // A function that returns `E`: the source holds none, so that what `E` is does not matter.
    error: PhantomData<fn() -> E>,
}

impl<F: AsFd> Generic<F, io::Error> {
    /// A source that reports the readiness of `file`; its callback fails with [`io::Error`].
    pub fn new(file: F, interest: Interest, mode: Mode) -> Generic<F, io::Error> {
        Generic::new_with_error(file, interest, mode)
    }

    /// The same whose callback fails with an error of another type.
    pub fn new_with_error<E>(file: F, interest: Interest, mode: Mode) -> Generic<F, E> {
        Generic {
            interest,
            mode,
            file: Some(NoIoDrop(file)),
            registration: None,
            error: PhantomData,
        }
    }
}

const PRESENT: &str = "the descriptor is there until the source is unwrapped";

impl<F: AsFd, E> Generic<F, E> {
    /// Takes the descriptor out, open. If it is still registered, that ends.
    pub fn unwrap(mut self) -> F {
        self.release();
        self.file.take().expect(PRESENT).0
    }

    /// The descriptor.
    pub fn get_ref(&self) -> &F {
        self.file().as_ref()
    }

    /// The descriptor, to change.
    ///
    /// # Safety
    ///
    /// The descriptor must be neither closed nor replaced, for instance by
    /// [`mem::replace`](std::mem::replace).
    pub unsafe fn get_mut(&mut self) -> &mut F {
        &mut self.file.as_mut().expect(PRESENT).0
    }

    fn file(&self) -> &NoIoDrop<F> {
        self.file.as_ref().expect(PRESENT)
    }

    /// Ends the registration, if there is one, whatever comes of it.
    fn release(&mut self) {
        if let (Some((backend, _)), Some(file)) = (self.registration.take(), &self.file) {
            let _ = backend.delete(file);
        }
    }
}

impl<F: AsFd, E> Drop for Generic<F, E> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<F: fmt::Debug + AsFd, E: fmt::Debug> fmt::Debug for Generic<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generic")
            .field("file", &self.file)
            .field("interest", &self.interest)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl<F, E> EventSource for Generic<F, E>
where
    F: AsFd,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    type Event = Readiness;
    type Metadata = NoIoDrop<F>;
    type Ret = Result<PostAction, E>;
    type Error = E;

    #[inline]
    fn process_events<C>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: C,
    ) -> Result<PostAction, Self::Error>
    where
        C: FnMut(Self::Event, &mut Self::Metadata) -> Self::Ret,
    {
        match &self.registration {
            Some((_, own)) if *own == token => {
                callback(readiness, self.file.as_mut().expect(PRESENT))
            }
            _ => Ok(PostAction::Continue),
        }
    }

    fn register(&mut self, poll: &mut Poll, token_factory: &mut TokenFactory) -> crate::Result<()> {
        let backend = poll.reactor().backend();
        if self.registration.as_ref().is_some_and(|(other, _)| !Arc::ptr_eq(other, backend)) {
            // From a loop that is gone, or else the source would be in two loops at once.
            self.release();
        }
        let token = token_factory.token();
        // SAFETY: the descriptor cannot be closed or replaced while `self` owns it in a
        // `NoIoDrop`, and `drop` and `unwrap` unregister it first.
        unsafe { poll.register(self.file(), self.interest, self.mode, token)? };
        self.registration = Some((backend.clone(), token));
        Ok(())
    }

    fn reregister(
        &mut self,
        poll: &mut Poll,
        token_factory: &mut TokenFactory,
    ) -> crate::Result<()> {
        let token = token_factory.token();
        poll.reregister(self.file(), self.interest, self.mode, token)?;
        self.registration = Some((poll.reactor().backend().clone(), token));
        Ok(())
    }

    fn unregister(&mut self, poll: &mut Poll) -> crate::Result<()> {
        poll.unregister(self.file())?;
        self.registration = None;
        Ok(())
    }
}
