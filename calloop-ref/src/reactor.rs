//! What a loop waits on: the kernel, the wake-ups, the timers. It knows neither sources nor the
//! loop's `Data`, so that timers, futures and I/O adapters can hold it.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::interest::Readiness;
use crate::sys::sync::Arc;
use crate::sys::{Alarm, Backend, Notifier, Notify};
use crate::timer_heap::{TimerHeap, TimerKey};
use crate::token::{KernelKey, Token};
use crate::wake::{WakeNode, WakeQueue};

/// Who is to be told that a deadline has passed.
#[derive(Debug)]
pub(crate) enum Expiry {
    /// A timer source.
    Source(Token),
    /// A future that waits for it, through the waker it left.
    Future(Rc<RefCell<Option<Waker>>>),
}

/// The wakers of one asynchronous adapter, a place for each direction.
#[derive(Debug)]
pub(crate) struct IoEntry {
    guard: u16,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

pub(crate) struct Reactor {
    backend: std::sync::Arc<Backend>,
    queue: Arc<WakeQueue>,
    /// Woken by [`LoopSignal`](crate::LoopSignal): it ends a wait and belongs to no source.
    wakeup: WakeNode,
    timers: RefCell<TimerHeap<Expiry>>,
    scale: Scale,
    ios: RefCell<Slab<IoEntry>>,
    /// Tells an adapter from an earlier one in the same place.
    next_guard: Cell<u16>,
    embedding: Embedding,
}

/// What it takes to be watched by another poller.
///
/// A loop that dispatches itself keeps wake-ups, deadlines and idles in memory and looks at them
/// when it dispatches. A poller that watches the loop's descriptor sees only the kernel, so that
/// from the moment the descriptor was handed out they have to be made visible there.
#[derive(Default)]
struct Embedding {
    embedded: Cell<bool>,
    dispatching: Cell<bool>,
    alarm: OnceCell<Alarm>,
    /// What the alarm is set to.
    alarm_at: Cell<Option<u64>>,
}

/// Instants as numbers, which compare in one instruction and take half the room.
#[derive(Debug)]
struct Scale {
    origin: Instant,
}

impl Scale {
    /// So far back that no program has a deadline before, and with as much and more to come: 64 bits
    /// of nanoseconds are 584 years.
    const BACK: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

    fn new() -> Self {
        let now = Instant::now();
        Scale { origin: now.checked_sub(Self::BACK).unwrap_or(now) }
    }

    /// What is beyond the scale is at its end.
    #[inline]
    fn nanoseconds(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.origin);
        let whole = since.as_secs().saturating_mul(1_000_000_000);
        whole.saturating_add(since.subsec_nanos().into())
    }
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Rc<Self>> {
        let backend = Backend::new()?;
        let queue = WakeQueue::new(Notifier::new(&backend)?);
        let wakeup = WakeNode::new();
        wakeup.bind(&queue, Token::new(u32::MAX, 0, u64::MAX))?;
        Ok(Rc::new(Reactor {
            backend: std::sync::Arc::new(backend),
            queue,
            wakeup,
            timers: RefCell::new(TimerHeap::new()),
            scale: Scale::new(),
            ios: RefCell::new(Slab::new()),
            next_guard: Cell::new(0),
            embedding: Embedding::default(),
        }))
    }

    pub(crate) fn backend(&self) -> &std::sync::Arc<Backend> {
        &self.backend
    }

    pub(crate) fn queue(&self) -> &Arc<WakeQueue> {
        &self.queue
    }

    pub(crate) fn wakeup(&self) -> &WakeNode {
        &self.wakeup
    }

    // Timers.

    #[inline]
    pub(crate) fn insert_timer(&self, deadline: Instant, expiry: Expiry) -> TimerKey {
        let key = self.timers.borrow_mut().insert(self.scale.nanoseconds(deadline), expiry);
        self.show_deadline();
        key
    }

    #[inline]
    pub(crate) fn cancel_timer(&self, key: TimerKey) {
        // Dropped after the borrow has ended: a waker may run code of its own.
        let cancelled = self.timers.borrow_mut().cancel(key);
        drop(cancelled);
        self.show_deadline();
    }

    /// The earliest deadline, on the scale of [`now`](Self::now).
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.timers.borrow().next_deadline()
    }

    /// Reads the clock: nanoseconds since some time long ago.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.scale.nanoseconds(Instant::now())
    }

    #[inline]
    pub(crate) fn has_timers(&self) -> bool {
        !self.timers.borrow().is_empty()
    }

    /// Moves every timer that is due to the end of `expired`, in the order they are due.
    pub(crate) fn take_expired(&self, expired: &mut std::collections::VecDeque<Expiry>) {
        let now = self.now();
        let mut timers = self.timers.borrow_mut();
        timers.take_due(now, |expiry| expired.push_back(expiry));
    }

    // Asynchronous adapters.

    /// Makes room for an adapter; returns its index and how the kernel shall call it.
    pub(crate) fn insert_io(&self) -> (u32, KernelKey) {
        let guard = self.next_guard.get();
        self.next_guard.set(guard.wrapping_add(1));
        let index = self.ios.borrow_mut().insert(IoEntry { guard, reader: None, writer: None });
        let index = u32::try_from(index).expect("fewer adapters than file descriptors");
        (index, KernelKey::io(index, guard))
    }

    pub(crate) fn remove_io(&self, index: u32) {
        let entry = self.ios.borrow_mut().remove(index as usize);
        // Dropped after the borrow has ended, as above.
        drop(entry);
    }

    /// Lets `set` place a waker; the one it replaces is dropped outside of any borrow.
    pub(crate) fn with_io<R>(&self, index: u32, set: impl FnOnce(&mut IoEntry) -> R) -> R {
        set(&mut self.ios.borrow_mut()[index as usize])
    }

    /// Wakes whoever waits for this readiness of an adapter.
    pub(crate) fn wake_io(&self, index: u32, guard: u16, readiness: Readiness) {
        let (reader, writer) = {
            let mut ios = self.ios.borrow_mut();
            let Some(entry) = ios.get_mut(index as usize).filter(|entry| entry.guard == guard)
            else {
                return;
            };
            let reader = if readiness.readable { entry.reader.take() } else { None };
            let writer = if readiness.writable { entry.writer.take() } else { None };
            (reader, writer)
        };
        for waker in [reader, writer].into_iter().flatten() {
            waker.wake();
        }
    }

    // Embedding.

    /// Takes note that the backend's descriptor was handed out, and shows on it what is due.
    pub(crate) fn embed(&self, work_is_due: bool) {
        self.embedding.embedded.set(true);
        if self.embedding.alarm.get().is_none() {
            match Alarm::new(&self.backend) {
                Ok(alarm) => drop(self.embedding.alarm.set(alarm)),
                Err(error) => {
                    tracing::warn!(%error, "timers cannot make the event loop's fd readable");
                }
            }
        }
        if !self.embedding.dispatching.get() {
            self.show(work_is_due);
        }
    }

    /// To be held while dispatching: what changes meanwhile is shown at the end, at once.
    pub(crate) fn begin_dispatch(&self) {
        self.embedding.dispatching.set(true);
    }

    /// Ends what [`begin_dispatch`](Self::begin_dispatch) began.
    #[inline]
    pub(crate) fn end_dispatch(&self, work_is_due: impl FnOnce() -> bool) {
        self.embedding.dispatching.set(false);
        if self.embedding.embedded.get() {
            self.show(work_is_due());
        }
    }

    /// Makes the descriptor readable because something became due that the kernel cannot see.
    #[inline]
    pub(crate) fn show_work(&self) {
        if self.embedding.embedded.get() && !self.embedding.dispatching.get() {
            self.queue.notifier().notify();
        }
    }

    fn show(&self, work_is_due: bool) {
        // From here on a wake-up makes the descriptor readable, as for a loop that sleeps.
        if !self.queue.fall_asleep() || work_is_due {
            self.queue.notifier().notify();
        }
        self.show_deadline();
    }

    #[inline]
    fn show_deadline(&self) {
        if self.embedding.embedded.get() && !self.embedding.dispatching.get() {
            self.set_alarm();
        }
    }

    fn set_alarm(&self) {
        let deadline = self.next_deadline();
        if deadline == self.embedding.alarm_at.get() {
            return;
        }
        let Some(alarm) = self.embedding.alarm.get() else { return };
        let delay =
            deadline.map(|deadline| Duration::from_nanos(deadline.saturating_sub(self.now())));
        match alarm.set(&self.backend, delay) {
            Ok(()) => self.embedding.alarm_at.set(deadline),
            Err(error) => tracing::warn!(%error, "cannot set the alarm of an embedded event loop"),
        }
    }

    /// The alarm went off: whatever comes next has to be set anew.
    pub(crate) fn alarm_went_off(&self) {
        self.embedding.alarm_at.set(None);
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.queue.close();
        // Else a signal handle that is kept would keep the notifier's descriptor open.
        let _ = self.wakeup.unbind();
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("backend", &self.backend)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_keep_their_order_and_distance() {
        let scale = Scale::new();
        let now = Instant::now();
        let year = Duration::from_secs(365 * 24 * 3600);
        for apart in [Duration::ZERO, Duration::from_nanos(1), year, 300 * year] {
            let [before, after] = [now - 50 * year, now - 50 * year + apart];
            let distance = scale.nanoseconds(after) - scale.nanoseconds(before);
            assert_eq!(Duration::from_nanos(distance), apart);
        }
        let ordered = [now - year, now, now + Duration::from_nanos(1), now + year];
        assert!(ordered.map(|instant| scale.nanoseconds(instant)).is_sorted_by(|a, b| a < b));
        // Beyond either end.
        assert_eq!(scale.nanoseconds(scale.origin - year), 0);
        assert_eq!(scale.nanoseconds(now + 600 * year), u64::MAX);
    }
}
