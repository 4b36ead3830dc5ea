//! Waking a wait through EVFILT_USER (macOS, FreeBSD, DragonFly).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::kqueue::{Event, EventFilter, EventFlags, UserDefinedFlags, UserFlags, kevent};

use super::{Backend, Notify};

/// An event that a program triggers itself (kqueue(2)): no descriptor, nothing to read back.
#[derive(Debug)]
pub(crate) struct Notifier {
    kqueue: Arc<OwnedFd>,
}

impl Notifier {
    pub(crate) fn new(backend: &Backend) -> io::Result<Self> {
        let notifier = Notifier { kqueue: backend.kqueue.clone() };
        // Cleared when reported: edge-triggered.
        notifier.submit(EventFlags::ADD | EventFlags::CLEAR, UserFlags::NOINPUT)?;
        Ok(notifier)
    }

    /// Nothing to do: the event was cleared when it was reported.
    pub(crate) fn clear(&self) {}

    fn submit(&self, flags: EventFlags, user: UserFlags) -> io::Result<()> {
        let filter =
            EventFilter::User { ident: 0, flags: user, user_flags: UserDefinedFlags::new(0) };
        let change = Event::new(filter, flags, std::ptr::null_mut());
        let no_events: &mut [Event] = &mut [];
        // SAFETY: the change names no descriptor.
        unsafe { kevent(&*self.kqueue, &[change], no_events, Some(Duration::ZERO))? };
        Ok(())
    }
}

impl Notify for Notifier {
    fn notify(&self) {
        // The one way to fail is a lack of kernel memory; the next wake-up tries again.
        let _ = self.submit(EventFlags::empty(), UserFlags::TRIGGER);
    }
}
