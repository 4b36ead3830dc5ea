//! Waking a wait through an eventfd (Linux, Android).

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

use super::{Backend, Notify};
use crate::interest::{Interest, Mode};
use crate::token::KernelKey;

/// An eventfd that the backend watches edge-triggered, so that a wake-up costs one write and no
/// read ever: each write is an edge of its own (eventfd(2), epoll(7)).
#[derive(Debug)]
pub(crate) struct Notifier {
    eventfd: OwnedFd,
}

impl Notifier {
    pub(crate) fn new(backend: &Backend) -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        backend.add(&eventfd, KernelKey::NOTIFIER, Interest::READ, Mode::Edge)?;
        Ok(Notifier { eventfd })
    }

    /// Nothing to do: the edge was consumed by the wait.
    pub(crate) fn clear(&self) {}

    fn write(&self) -> rustix::io::Result<usize> {
        rustix::io::write(&self.eventfd, &1u64.to_ne_bytes())
    }
}

impl Notify for Notifier {
    fn notify(&self) {
        if self.write() == Err(rustix::io::Errno::AGAIN) {
            // The counter is full, after 2⁶⁴ − 2 wake-ups. A read empties it; then the write is an
            // edge again.
            let _ = rustix::io::read(&self.eventfd, &mut [0; 8]);
            let _ = self.write();
        }
    }
}
