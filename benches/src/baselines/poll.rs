//! poll(2): the kernel is told of every descriptor in every wait.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use conformance::adapter::{Capability, Failure, Mode};

use super::Poller;

/// The descriptors, as poll(2) wants them.
#[derive(Default)]
pub struct Poll {
    descriptors: Vec<libc::pollfd>,
    /// Of each descriptor.
    keys: Vec<u64>,
}

impl Poll {
    #[allow(
        unsafe_code,
        reason = "rustix wants a list of borrowed descriptors, made anew each time"
    )]
    #[inline]
    fn call(&mut self, timeout_ms: libc::c_int) -> Result<impl Iterator<Item = u64>, Failure> {
        let count = self.descriptors.len() as libc::nfds_t;
        // SAFETY: the kernel reads and writes `count` entries, and so many there are.
        let ready = unsafe { libc::poll(self.descriptors.as_mut_ptr(), count, timeout_ms) };
        if ready < 0 {
            return Err(io::Error::last_os_error().into());
        }
        let keys = self.descriptors.iter().zip(&self.keys);
        let keys = keys.filter(|(descriptor, _)| descriptor.revents != 0).map(|(_, key)| *key);
        // Those behind the last need not be looked at.
        Ok(keys.take(ready as usize))
    }

    fn position(&self, fd: impl AsFd) -> Result<usize, Failure> {
        let fd = fd.as_fd().as_raw_fd();
        let is_it = |descriptor: &libc::pollfd| descriptor.fd == fd;
        let position = self.descriptors.iter().position(is_it);
        position.ok_or_else(|| Failure::Io(io::ErrorKind::NotFound.into()))
    }
}

impl Poller for Poll {
    const NAME: &'static str = "poll";
    const LACKS: &'static [Capability] =
        &[Capability::Edge, Capability::OneShot, Capability::SubMillisecondTimers];

    fn new() -> Result<Self, Failure> {
        Ok(Poll::default())
    }

    #[inline]
    fn add_as(&mut self, fd: impl AsFd, key: u64, mode: Mode) -> Result<(), Failure> {
        let fd = fd.as_fd().as_raw_fd();
        self.descriptors.push(libc::pollfd { fd, events: events(Some(mode))?, revents: 0 });
        self.keys.push(key);
        Ok(())
    }

    #[inline]
    fn modify(&mut self, fd: impl AsFd, key: u64, mode: Option<Mode>) -> Result<(), Failure> {
        let position = self.position(fd)?;
        self.descriptors[position].events = events(mode)?;
        self.keys[position] = key;
        Ok(())
    }

    #[inline]
    fn remove(&mut self, fd: impl AsFd) -> Result<(), Failure> {
        let position = self.position(fd)?;
        self.descriptors.swap_remove(position);
        self.keys.swap_remove(position);
        Ok(())
    }

    #[inline]
    fn poll(&mut self) -> Result<impl Iterator<Item = u64>, Failure> {
        self.call(0)
    }

    #[inline]
    fn wait(&mut self) -> Result<impl Iterator<Item = u64>, Failure> {
        self.call(-1)
    }

    #[inline]
    fn wait_for(&mut self, timeout: Duration) -> Result<impl Iterator<Item = u64>, Failure> {
        // Never early.
        let timeout_ms = timeout.as_nanos().div_ceil(1_000_000);
        self.call(timeout_ms.try_into().unwrap_or(libc::c_int::MAX))
    }
}

fn events(mode: Option<Mode>) -> Result<libc::c_short, Failure> {
    match mode {
        None => Ok(0),
        Some(Mode::Level) => Ok(libc::POLLIN),
        Some(Mode::Edge | Mode::OneShot) => Err(Failure::Unsupported),
    }
}

impl fmt::Debug for Poll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poll").field("keys", &self.keys).finish_non_exhaustive()
    }
}
