//! What a source registers with.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use crate::error::Result;
use crate::interest::{Interest, Mode};
use crate::reactor::Reactor;
use crate::token::{KernelKey, Token};

/// The loop as a source sees it when it registers: the set of watched file descriptors.
///
/// An [`EventSource`](crate::EventSource) is lent one in its `register`, `reregister` and
/// `unregister`. A source that has no descriptor of its own passes it on to its sub-sources.
pub struct Poll {
    reactor: Rc<Reactor>,
}

impl Poll {
    #[inline]
    pub(crate) fn new(reactor: Rc<Reactor>) -> Self {
        Poll { reactor }
    }

    #[inline]
    pub(crate) fn reactor(&self) -> &Rc<Reactor> {
        &self.reactor
    }

    /// Starts watching a file descriptor; its events carry `token`.
    ///
    /// # Safety
    ///
    /// The descriptor has to be [unregistered](Self::unregister) before it is closed. Otherwise,
    /// when it was duplicated, the kernel goes on reporting it and nobody can make it stop
    /// (epoll(7), question 6). [`Generic`](crate::generic::Generic) takes care of that.
    ///
    /// # Errors
    ///
    /// Of kind `AlreadyExists` if the descriptor is watched by this loop already, which goes on
    /// undisturbed; `PermissionDenied` for what cannot be watched, such as a regular file; and
    /// whatever else epoll_ctl(2) or kevent(2) answers, for instance for a closed descriptor.
    #[expect(unsafe_code, reason = "it cannot check what its contract asks for")]
    pub unsafe fn register(
        &self,
        fd: impl AsFd,
        interest: Interest,
        mode: Mode,
        token: Token,
    ) -> Result<()> {
        Ok(self.reactor.backend().add(fd, kernel_key(token)?, interest, mode)?)
    }

    /// Changes how a watched file descriptor is watched, and arms it anew.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` if the descriptor is not watched, and whatever else epoll_ctl(2) or
    /// kevent(2) answers.
    pub fn reregister(
        &self,
        fd: impl AsFd,
        interest: Interest,
        mode: Mode,
        token: Token,
    ) -> Result<()> {
        Ok(self.reactor.backend().modify(fd, kernel_key(token)?, interest, mode)?)
    }

    /// Stops watching a file descriptor.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` if the descriptor is not watched, and whatever else epoll_ctl(2) or
    /// kevent(2) answers.
    pub fn unregister(&self, fd: impl AsFd) -> Result<()> {
        Ok(self.reactor.backend().delete(fd)?)
    }
}

/// How the kernel shall name the registration in its events.
fn kernel_key(token: Token) -> io::Result<KernelKey> {
    if token.index() >= KernelKey::INDEX_END {
        return Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            "the event loop holds too many sources to watch another file descriptor",
        ));
    }
    Ok(KernelKey::source(token))
}

impl fmt::Debug for Poll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poll").finish_non_exhaustive()
    }
}
