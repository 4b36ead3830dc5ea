//! kqueue: macOS and the BSDs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::kqueue::{Event, EventFilter, EventFlags, kevent, kqueue};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use super::EVENTS_PER_WAIT_MAX;
use crate::interest::{Interest, Mode, Readiness};
use crate::token::KernelKey;

/// A kqueue (kqueue(2)), with what it watches.
///
/// The kernel knows filters, not descriptors: reading and writing are two of them. The table makes
/// one registration of both, tells a second one apart from the first, and carries the 64-bit key
/// that a 32-bit system has no room for in a filter.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Shared with the notifier, where that is an event of the kqueue itself.
    pub(super) kqueue: Arc<OwnedFd>,
    table: Mutex<Table>,
}

/// Registrations by descriptor.
#[derive(Debug, Default)]
struct Table {
    by_fd: Vec<Option<Registration>>,
    /// Counts the waits, to find the two filters of one descriptor in one of them.
    waits: u64,
}

#[derive(Copy, Clone, Debug)]
struct Registration {
    key: KernelKey,
    mode: Mode,
    interest: Interest,
    /// The wait that reported it last, and where in its events.
    reported: (u64, usize),
}

impl Backend {
    pub(crate) fn new() -> io::Result<Self> {
        let kqueue = kqueue()?;
        fcntl_setfd(&kqueue, FdFlags::CLOEXEC)?;
        Ok(Backend { kqueue: Arc::new(kqueue), table: Mutex::default() })
    }

    pub(crate) fn add(
        &self,
        fd: impl AsFd,
        key: KernelKey,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        let fd = fd.as_fd().as_raw_fd();
        let mut table = self.table();
        if table.get(fd).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.watch(fd, interest, mode)?;
        table.set(fd, Some(Registration { key, mode, interest, reported: (0, 0) }));
        Ok(())
    }

    pub(crate) fn modify(
        &self,
        fd: impl AsFd,
        key: KernelKey,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        let fd = fd.as_fd().as_raw_fd();
        let mut table = self.table();
        table.get(fd).ok_or(io::ErrorKind::NotFound)?;
        // A filter keeps the flags it was added with; only a new one takes the new mode, and
        // reports at once if the condition holds.
        self.forget(fd)?;
        self.watch(fd, interest, mode)?;
        table.set(fd, Some(Registration { key, mode, interest, reported: (0, 0) }));
        Ok(())
    }

    pub(crate) fn delete(&self, fd: impl AsFd) -> io::Result<()> {
        let fd = fd.as_fd().as_raw_fd();
        let mut table = self.table();
        table.get(fd).ok_or(io::ErrorKind::NotFound)?;
        table.set(fd, None);
        self.forget(fd)
    }

    /// Waits until something is ready or `timeout` is over; `None` waits without limit.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        // SAFETY: no change is submitted, so that no descriptor is named.
        unsafe { kevent(&*self.kqueue, &[], spare_capacity(&mut events.raw), timeout)? };
        let mut table = self.table();
        table.waits += 1;
        let mut spent = Vec::new();
        for event in events.raw.drain(..) {
            match event.filter() {
                EventFilter::Read(fd) | EventFilter::Write(fd) => {
                    table.translate(fd, readiness(&event), &mut events.ready, &mut spent);
                }
                EventFilter::Timer { .. } => {
                    events.ready.push((KernelKey::ALARM, Readiness::EMPTY));
                }
                // The only filter left that this module or `user_event` adds.
                _ => events.ready.push((KernelKey::NOTIFIER, Readiness::EMPTY)),
            }
        }
        drop(table);
        for fd in spent {
            self.forget(fd)?;
        }
        Ok(())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, fd: RawFd, interest: Interest, mode: Mode) -> io::Result<()> {
        let flags = EventFlags::ADD
            | match mode {
                Mode::Level => EventFlags::empty(),
                Mode::Edge => EventFlags::CLEAR,
                Mode::OneShot => EventFlags::ONESHOT,
            };
        let mut changes = Vec::with_capacity(2);
        if interest.readable {
            changes.push(change(EventFilter::Read(fd), flags));
        }
        if interest.writable {
            changes.push(change(EventFilter::Write(fd), flags));
        }
        // macOS answers EPIPE for a pipe whose reader is gone and watches it all the same.
        let outcome = submit(&self.kqueue, &changes, Errno::PIPE);
        if outcome.is_err() {
            let _ = self.forget(fd);
        }
        outcome
    }

    fn forget(&self, fd: RawFd) -> io::Result<()> {
        let changes = [
            change(EventFilter::Read(fd), EventFlags::DELETE),
            change(EventFilter::Write(fd), EventFlags::DELETE),
        ];
        submit(&self.kqueue, &changes, Errno::NOENT)
    }
}

impl AsFd for Backend {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kqueue.as_fd()
    }
}

impl Table {
    fn get(&self, fd: RawFd) -> Option<&Registration> {
        self.by_fd.get(usize::try_from(fd).ok()?)?.as_ref()
    }

    fn set(&mut self, fd: RawFd, registration: Option<Registration>) {
        let Ok(index) = usize::try_from(fd) else { return };
        if self.by_fd.len() <= index {
            self.by_fd.resize(index + 1, None);
        }
        self.by_fd[index] = registration;
    }

    /// Turns one filter's event into one of its registration, joined with the other filter's.
    fn translate(
        &mut self,
        fd: RawFd,
        readiness: Readiness,
        ready: &mut Vec<(KernelKey, Readiness)>,
        spent: &mut Vec<RawFd>,
    ) {
        let waits = self.waits;
        let registration = usize::try_from(fd).ok().and_then(|fd| self.by_fd.get_mut(fd)?.as_mut());
        let Some(registration) = registration else { return };
        if registration.reported.0 == waits {
            let (_, joined) = &mut ready[registration.reported.1];
            joined.readable |= readiness.readable;
            joined.writable |= readiness.writable;
            joined.error |= readiness.error;
            return;
        }
        registration.reported = (waits, ready.len());
        ready.push((registration.key, readiness));
        // The kernel took the filter that fired; the other one would make it two shots.
        let both = registration.interest.readable && registration.interest.writable;
        if both && matches!(registration.mode, Mode::OneShot) {
            spent.push(fd);
        }
    }
}

fn change(filter: EventFilter, flags: EventFlags) -> Event {
    // A receipt each, so that one refusal does not keep the others from being made.
    Event::new(filter, flags | EventFlags::RECEIPT, std::ptr::null_mut())
}

/// Makes the changes; the first refusal other than `harmless` is the answer.
fn submit(kqueue: &OwnedFd, changes: &[Event], harmless: Errno) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut receipts = Vec::with_capacity(changes.len());
    // SAFETY: the kernel refuses a descriptor that is not open, and forgets one when it is closed.
    unsafe { kevent(kqueue, changes, spare_capacity(&mut receipts), Some(Duration::ZERO))? };
    for receipt in receipts {
        let code = receipt.data() as i32;
        if receipt.flags().contains(EventFlags::ERROR)
            && code != 0
            && code != harmless.raw_os_error()
        {
            return Err(io::Error::from_raw_os_error(code));
        }
    }
    Ok(())
}

fn readiness(event: &Event) -> Readiness {
    let reading = matches!(event.filter(), EventFilter::Read(_));
    let gone = event.flags().contains(EventFlags::EOF);
    Readiness {
        // A writer that lost its reader is told both ways, and as an error, as by EPOLLERR.
        readable: reading || gone,
        writable: !reading,
        error: event.flags().contains(EventFlags::ERROR) || (gone && !reading),
    }
}

/// What a wait reported.
pub(crate) struct Events {
    raw: Vec<Event>,
    ready: Vec<(KernelKey, Readiness)>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Events {
            raw: Vec::with_capacity(EVENTS_PER_WAIT_MAX),
            ready: Vec::with_capacity(EVENTS_PER_WAIT_MAX),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ready.len()
    }

    pub(crate) fn get(&self, position: usize) -> (KernelKey, Readiness) {
        self.ready[position]
    }

    pub(crate) fn clear(&mut self) {
        self.raw.clear();
        self.ready.clear();
    }
}

/// A timer filter.
#[derive(Debug)]
pub(crate) struct Alarm;

impl Alarm {
    pub(crate) fn new(_backend: &Backend) -> io::Result<Self> {
        Ok(Alarm)
    }

    /// Goes off after `delay`; `None`: not at all.
    pub(crate) fn set(&self, backend: &Backend, delay: Option<Duration>) -> io::Result<()> {
        // rustix passes a duration of no whole millisecond as seconds; one more is never early.
        let delay = delay.map(|delay| match delay.subsec_millis() {
            0 => delay + Duration::from_millis(1),
            _ => delay,
        });
        let (flags, harmless) = match delay {
            Some(_) => (EventFlags::ADD | EventFlags::ONESHOT, Errno::EXIST),
            None => (EventFlags::DELETE, Errno::NOENT),
        };
        let timer = EventFilter::Timer { ident: 0, timer: delay };
        submit(&backend.kqueue, &[change(timer, flags)], harmless)
    }
}
