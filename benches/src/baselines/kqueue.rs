//! kqueue(2): macOS and the BSDs.

#![allow(unsafe_code, reason = "a change names a descriptor by its number")]

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use conformance::adapter::{Capability, Failure, Mode};
use rustix::buffer::spare_capacity;
use rustix::event::kqueue::{Event, EventFilter, EventFlags, kevent, kqueue};

use super::{EVENTS_PER_WAIT_MAX, Poller};

/// A kqueue.
pub struct Kqueue {
    kqueue: OwnedFd,
    events: Vec<Event>,
}

impl Kqueue {
    #[inline]
    fn change(&self, fd: impl AsFd, key: u64, flags: EventFlags) -> Result<(), Failure> {
        let filter = EventFilter::Read(fd.as_fd().as_raw_fd());
        let change = Event::new(filter, flags, ptr::without_provenance_mut(key as usize));
        let mut none: [Event; 0] = [];
        // SAFETY: the descriptor that the change names is open.
        unsafe { kevent(&self.kqueue, &[change], &mut none, Some(Duration::ZERO))? };
        Ok(())
    }

    #[inline]
    fn call(&mut self, timeout: Option<Duration>) -> Result<impl Iterator<Item = u64>, Failure> {
        self.events.clear();
        // SAFETY: no change is submitted, so that no descriptor is named.
        unsafe { kevent(&self.kqueue, &[], spare_capacity(&mut self.events), timeout)? };
        Ok(self.events.iter().map(|event| event.udata().addr() as u64))
    }
}

impl Poller for Kqueue {
    const NAME: &'static str = "kqueue";
    const LACKS: &'static [Capability] = &[];

    fn new() -> Result<Self, Failure> {
        Ok(Kqueue { kqueue: kqueue()?, events: Vec::with_capacity(EVENTS_PER_WAIT_MAX) })
    }

    #[inline]
    fn add_as(&mut self, fd: impl AsFd, key: u64, mode: Mode) -> Result<(), Failure> {
        self.change(fd, key, EventFlags::ADD | flags(mode))
    }

    /// A filter that is there keeps the mode that it was added with.
    #[inline]
    fn modify(&mut self, fd: impl AsFd, key: u64, mode: Option<Mode>) -> Result<(), Failure> {
        let change = match mode {
            None => EventFlags::DISABLE,
            // A one-shot that was reported is gone, and added anew.
            Some(mode) => EventFlags::ADD | EventFlags::ENABLE | flags(mode),
        };
        self.change(fd, key, change)
    }

    #[inline]
    fn remove(&mut self, fd: impl AsFd) -> Result<(), Failure> {
        self.change(fd, 0, EventFlags::DELETE)
    }

    #[inline]
    fn poll(&mut self) -> Result<impl Iterator<Item = u64>, Failure> {
        self.call(Some(Duration::ZERO))
    }

    #[inline]
    fn wait(&mut self) -> Result<impl Iterator<Item = u64>, Failure> {
        self.call(None)
    }

    #[inline]
    fn wait_for(&mut self, timeout: Duration) -> Result<impl Iterator<Item = u64>, Failure> {
        self.call(Some(timeout))
    }
}

#[inline]
fn flags(mode: Mode) -> EventFlags {
    match mode {
        Mode::Level => EventFlags::empty(),
        Mode::Edge => EventFlags::CLEAR,
        Mode::OneShot => EventFlags::ONESHOT,
    }
}

impl fmt::Debug for Kqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kqueue").field("kqueue", &self.kqueue).finish_non_exhaustive()
    }
}
