//! The same work by hand: the kernel's own ways to wait for descriptors, with nothing around them.
//!
//! A workload's floor is written once, over [`Poller`]. On [`Kernel`] it is what every other engine
//! is divided by; the other pollers show what a loop may gain or lose by its choice of one.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(not(target_os = "linux"))]
mod kqueue;
mod poll;

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use conformance::adapter::{Capability, Failure, Mode};
use reports::record::Subject;

#[cfg(target_os = "linux")]
pub use self::epoll::{Edge, Epoll, Level, Pwait2, Way};
#[cfg(not(target_os = "linux"))]
pub use self::kqueue::Kqueue;
pub use self::poll::Poll;
use crate::raw;

/// What the floors are made of.
#[cfg(target_os = "linux")]
pub type Kernel = Epoll<Level>;

/// What the floors are made of.
#[cfg(not(target_os = "linux"))]
pub type Kernel = Kqueue;

/// As many events a wait as calloop and calloop-ref ask for.
const EVENTS_PER_WAIT_MAX: usize = 1024;

/// A way to wait for several descriptors: a system call a method, or none.
///
/// Every error is the kernel's answer.
pub trait Poller: Sized + 'static {
    /// Its name in reports.
    const NAME: &'static str;

    /// What it cannot do: workloads that need it are not for it.
    const LACKS: &'static [Capability];

    /// How it watches unless told otherwise.
    const MODE: Mode = Mode::Level;

    /// Makes one.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn new() -> Result<Self, Failure>;

    /// Watches a descriptor for reading.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn add_as(&mut self, fd: impl AsFd, key: u64, mode: Mode) -> Result<(), Failure>;

    /// Watches it otherwise, or asks for nothing any more.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn modify(&mut self, fd: impl AsFd, key: u64, mode: Option<Mode>) -> Result<(), Failure>;

    /// Watches it no more.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn remove(&mut self, fd: impl AsFd) -> Result<(), Failure>;

    /// Returns the keys of what is ready, without waiting.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn poll(&mut self) -> Result<impl Iterator<Item = u64>, Failure>;

    /// Waits until something is ready.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn wait(&mut self) -> Result<impl Iterator<Item = u64>, Failure>;

    /// Waits so long at most; in whole milliseconds without [`Capability::SubMillisecondTimers`].
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn wait_for(&mut self, timeout: Duration) -> Result<impl Iterator<Item = u64>, Failure>;

    /// Watches a descriptor for reading, in its own mode.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    #[inline]
    fn add(&mut self, fd: impl AsFd, key: u64) -> Result<(), Failure> {
        self.add_as(fd, key, Self::MODE)
    }

    /// Has an eventfd that was reported silent until it is raised again: reads it, unless only news
    /// is reported.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    #[inline]
    fn acknowledge(eventfd: &OwnedFd) -> Result<(), Failure> {
        match Self::MODE {
            Mode::Edge => Ok(()),
            _ => raw::clear(eventfd),
        }
    }
}

/// A poller as an engine: its version is the kernel's.
pub(crate) fn subject<P: Poller>() -> Subject {
    let version = rustix::system::uname().release().to_string_lossy().into_owned();
    Subject { name: P::NAME.to_string(), version }
}
