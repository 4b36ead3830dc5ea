//! The loop itself: one dispatch, phase by phase, and what repeats it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use crate::batch::{Batch, Ready};
use crate::error::Result;
use crate::handle::{LoopHandle, Shared};
use crate::interest::Readiness;
use crate::reactor::{Expiry, Reactor};
use crate::registry::Target;
use crate::signal::LoopSignal;
use crate::slots::Key;
use crate::source::EventIterator;
use crate::token::{Addressee, KernelKey, Token};
use crate::wake::WakeNode;

/// An event loop: it waits for its sources to be ready and calls their callbacks.
///
/// `Data` is what all callbacks share: [`dispatch`](Self::dispatch) and [`run`](Self::run) lend it
/// to each in turn. Sources and callbacks may borrow from whatever outlives `'l`.
///
/// The loop stays on the thread that made it. Other threads reach it through
/// [`LoopSignal`], [`Ping`](crate::ping::Ping), the senders of [channels](crate::channel) and
/// wakers, which may all be cloned and sent.
///
/// # The phases of a dispatch
///
/// 1. The [`before_sleep`](crate::EventSource::before_sleep) hooks, in the order of registration.
/// 2. One wait, of at most the timeout and at most until the next timer is due. It returns at once
///    if a hook asked for it or an event is left from a dispatch that failed.
/// 3. The [`before_handle_events`](crate::EventSource::before_handle_events) hooks of the same
///    sources, in the same order.
/// 4. The events that hooks asked for.
/// 5. What was woken (pings, channels, executors, streams), in the order of waking; then what the
///    kernel reported, in the kernel's order, at most 1024 descriptors, the others next time.
/// 6. The timers that are due, by deadline; equal deadlines first in, first out.
/// 7. The idle callbacks, in the order of insertion.
///
/// What phases 4 to 6 deliver is settled when the wait returns: a source that is inserted, enabled
/// or armed by a callback has its turn in the next dispatch. A source that is removed, disabled or
/// updated by a callback is not called for anything that was gathered before.
///
/// If a callback fails or panics, the dispatch ends there. The events behind it are not lost: they
/// come first in the next dispatch, each in its phase.
///
/// # Inside another poller
///
/// The loop's own descriptor ([`AsFd`]) becomes readable when a dispatch would find something to
/// do: a descriptor is ready, something was woken, a timer is due, an idle callback waits. Watch it
/// and call `dispatch` with a timeout of zero.
pub struct EventLoop<'l, Data> {
    shared: Rc<Shared<'l, Data>>,
    signal: LoopSignal,
    batch: Batch,
    /// Memory of the phases, kept from one dispatch to the next.
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    nodes: VecDeque<WakeNode>,
    /// The sources whose `before_sleep` was called for the present wait.
    hooked: Vec<Key>,
    events: Vec<(Readiness, Token)>,
}

impl<'l, Data> EventLoop<'l, Data> {
    /// Creates a loop. It opens two file descriptors (one where the kernel can wake a wait by
    /// itself); sources without a descriptor of their own open none.
    ///
    /// # Errors
    ///
    /// What the operating system answers, for instance when the limit of open files is reached.
    pub fn try_new() -> Result<Self> {
        let reactor = Reactor::new()?;
        Ok(EventLoop {
            signal: LoopSignal::new(reactor.wakeup().clone()),
            shared: Rc::new(Shared::new(reactor)),
            batch: Batch::new(),
            scratch: Scratch::default(),
        })
    }

    /// A handle to insert, change and remove sources.
    pub fn handle(&self) -> LoopHandle<'l, Data> {
        LoopHandle::new(self.shared.clone())
    }

    /// A handle to stop or wake up the loop from any thread.
    pub fn get_signal(&self) -> LoopSignal {
        self.signal.clone()
    }

    /// Waits for events once and delivers them, in the [phases](EventLoop#the-phases-of-a-dispatch)
    /// described above.
    ///
    /// The wait is over when something is ready, a timer is due or [`LoopSignal::wakeup`] was
    /// called; else when `timeout` is over, never before: `None` or a time beyond what the clock can
    /// express waits without limit, [`Duration::ZERO`] does not wait. A signal handler that runs
    /// meanwhile neither ends nor prolongs it.
    ///
    /// # Errors
    ///
    /// The first error of a source, as [`Error::OtherError`](crate::Error::OtherError), or of a
    /// registration that a source asked for, or of the wait. The source stays in the loop, the
    /// events behind it come with the next dispatch, and the idle callbacks wait for it.
    pub fn dispatch<D: Into<Option<Duration>>>(
        &mut self,
        timeout: D,
        data: &mut Data,
    ) -> Result<()> {
        self.dispatch_once(timeout.into(), data)
    }

    fn dispatch_once(&mut self, timeout: Option<Duration>, data: &mut Data) -> Result<()> {
        let dispatching = Dispatching::begin(self);
        let event_loop = &mut *dispatching.event_loop;
        event_loop.shared.retire_late();
        event_loop.run_before_sleep()?;
        let waited = event_loop.wait(timeout);
        event_loop.run_before_handle_events();
        waited?;
        event_loop.deliver_synthetic(data)?;
        event_loop.deliver_woken(data)?;
        event_loop.deliver_ready(data)?;
        event_loop.deliver_expired(data)?;
        event_loop.shared.idles.run(data);
        Ok(())
    }

    /// Dispatches, then calls `cb`, again and again until [`LoopSignal::stop`] was called.
    ///
    /// `cb` is called after every dispatch, also the last and those that found nothing. `timeout`
    /// is that of each dispatch.
    ///
    /// # Errors
    ///
    /// Those of [`dispatch`](Self::dispatch), at once, without a call of `cb`.
    pub fn run<F, D: Into<Option<Duration>>>(
        &mut self,
        timeout: D,
        data: &mut Data,
        mut cb: F,
    ) -> Result<()>
    where
        F: FnMut(&mut Data),
    {
        let timeout = timeout.into();
        self.signal.clear_stop();
        while !self.signal.is_stopped() {
            self.dispatch_once(timeout, data)?;
            cb(data);
        }
        Ok(())
    }

    /// Phase 1.
    #[inline]
    fn run_before_sleep(&mut self) -> Result<()> {
        self.scratch.hooked.clear();
        self.scratch.hooked.extend_from_slice(self.shared.registry.borrow().hooked());
        for position in 0..self.scratch.hooked.len() {
            let key = self.scratch.hooked[position];
            match self.shared.call_hook(key, |source| source.before_sleep()) {
                Some(Ok(Some(event))) => self.add_synthetic(event),
                Some(Ok(None)) | None => {}
                Some(Err(error)) => {
                    // Those before it are told that there is no wait to come.
                    self.scratch.hooked.truncate(position);
                    self.run_before_handle_events();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// A source that asked in a dispatch that then failed, and asks again, is called once.
    fn add_synthetic(&mut self, event: (Readiness, Token)) {
        let synthetic = &mut self.batch.synthetic;
        match synthetic.iter_mut().find(|(_, token)| *token == event.1) {
            Some(same) => *same = event,
            None => synthetic.push_back(event),
        }
    }

    /// Phase 3.
    #[inline]
    fn run_before_handle_events(&mut self) {
        if !self.scratch.hooked.is_empty() {
            self.tell_hooked();
        }
    }

    fn tell_hooked(&mut self) {
        for key in self.scratch.hooked.drain(..) {
            let events = &mut self.scratch.events;
            events.clear();
            let registry = self.shared.registry.borrow();
            self.batch.events_of(key.index, |target| registry.resolve(target, key), events);
            drop(registry);
            let told = self.shared.call_hook(key, |source| {
                source.before_handle_events(EventIterator::new(events));
                Ok(())
            });
            if let Some(Err(error)) = told {
                tracing::warn!(%error, "a change that a hook asked for failed");
            }
        }
    }

    /// Phase 2.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<()> {
        // What is left from a dispatch that failed, or asked for by a hook, does not wait.
        let timeout = if self.batch.is_empty() { timeout } else { Some(Duration::ZERO) };
        self.readdress_woken();
        let mut limit = Limit::new(timeout);
        loop {
            let timeout = self.time_to_wait(&mut limit);
            self.batch.make_room();
            match self.shared.reactor.backend().wait(&mut self.batch.events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            if self.collect() || limit.is_reached(|| self.shared.reactor.now()) {
                return Ok(());
            }
        }
    }

    /// What was woken before a dispatch that failed is owed to the present registration of its
    /// source: one that was enabled or updated since must not wait for one dispatch more.
    #[inline]
    fn readdress_woken(&mut self) {
        for _ in 0..self.batch.woken.len() {
            let Some((node, _)) = self.batch.woken.pop_front() else { return };
            match node.token() {
                Some(token) => self.batch.woken.push_back((node, token)),
                None => node.put_back(),
            }
        }
    }

    /// How long the wait may block: until the limit or the next timer, and not at all if something
    /// was woken meanwhile.
    #[inline]
    fn time_to_wait(&mut self, limit: &mut Limit) -> Option<Duration> {
        let reactor = &self.shared.reactor;
        if limit.is_zero() || !reactor.queue().fall_asleep() {
            return Some(Duration::ZERO);
        }
        limit.remaining(reactor.next_deadline(), || reactor.now())
    }

    /// Adds to the batch what a wait has brought; `false` if that is nothing.
    #[inline]
    fn collect(&mut self) -> bool {
        let reactor = &self.shared.reactor;
        let epoch = self.shared.registry.borrow().latest_epoch();
        self.batch.filled(epoch);
        reactor.queue().wake_up(&mut self.scratch.nodes);
        let mut woken_up = false;
        // Not a drain, which costs more than all the rest where there is no node.
        while let Some(node) = self.scratch.nodes.pop_front() {
            if node.is(reactor.wakeup()) {
                node.answer();
                woken_up = true;
            } else if let Some(token) = node.token() {
                self.batch.woken.push_back((node, token));
            } else {
                node.put_back();
            }
        }
        if reactor.has_timers() {
            reactor.take_expired(&mut self.batch.expired);
        }
        if self.batch.is_spurious() {
            self.settle_own_events();
        }
        woken_up || !self.batch.is_empty()
    }

    /// Takes the loop's own events off a batch that holds no other from the kernel.
    fn settle_own_events(&mut self) {
        for position in 0..self.batch.events.len() {
            match self.batch.events.get(position).0 {
                KernelKey::ALARM => self.shared.reactor.alarm_went_off(),
                _ => self.shared.reactor.queue().notifier().clear(),
            }
        }
        self.batch.events.clear();
    }

    /// Phase 4.
    fn deliver_synthetic(&mut self, data: &mut Data) -> Result<()> {
        while let Some((readiness, token)) = self.batch.synthetic.pop_front() {
            self.shared.deliver(Target::of(token), readiness, data).unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// Phase 5, what was woken.
    fn deliver_woken(&mut self, data: &mut Data) -> Result<()> {
        while let Some((node, token)) = self.batch.woken.pop_front() {
            let delivery = Delivery::begin(node);
            match self.shared.deliver(Target::of(token), Readiness::EMPTY, data) {
                Some(outcome) => {
                    drop(delivery);
                    outcome?;
                }
                // Stale: end of delivery hands the wake-up to the present registration, if any.
                None => drop(delivery),
            }
        }
        Ok(())
    }

    /// Phase 5, what the kernel reported.
    fn deliver_ready(&mut self, data: &mut Data) -> Result<()> {
        if self.batch.has_overdue() {
            self.deliver_overdue(data)?;
        }
        while let Some(ready) = self.batch.next_ready() {
            self.deliver_reported(ready, data)?;
        }
        Ok(())
    }

    // Apart, because there seldom are any.
    #[cold]
    fn deliver_overdue(&mut self, data: &mut Data) -> Result<()> {
        while let Some(ready) = self.batch.next_overdue() {
            self.deliver_reported(ready, data)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn deliver_reported(&self, ready: Ready, data: &mut Data) -> Result<()> {
        match ready.target() {
            Some(target) => self.shared.deliver(target, ready.readiness, data).unwrap_or(Ok(())),
            None => {
                self.settle(ready.key, ready.readiness);
                Ok(())
            }
        }
    }

    /// Does what is to do for an event that is not for a source.
    #[inline(never)]
    fn settle(&self, key: KernelKey, readiness: Readiness) {
        let reactor = &self.shared.reactor;
        match key.addressee() {
            Addressee::Source { .. } => {}
            Addressee::Io { index, guard } => reactor.wake_io(index, guard, readiness),
            // It has done its work by ending the wait.
            Addressee::Notifier => reactor.queue().notifier().clear(),
            Addressee::Alarm => reactor.alarm_went_off(),
        }
    }

    /// Phase 6.
    fn deliver_expired(&mut self, data: &mut Data) -> Result<()> {
        while let Some(expiry) = self.batch.expired.pop_front() {
            match expiry {
                Expiry::Source(token) => {
                    let delivered = self.shared.deliver(Target::of(token), Readiness::EMPTY, data);
                    delivered.unwrap_or(Ok(()))?;
                }
                Expiry::Future(waker) => {
                    let waker = waker.take();
                    waker.into_iter().for_each(std::task::Waker::wake);
                }
            }
        }
        Ok(())
    }

    fn has_work(&self) -> bool {
        !self.batch.is_empty() || !self.shared.idles.is_empty()
    }

    /// The parts that `block_on` needs.
    #[cfg(feature = "block_on")]
    pub(crate) fn signal(&self) -> &LoopSignal {
        &self.signal
    }
}

/// A dispatch that goes on; its end shows to an outer poller what is left to do.
struct Dispatching<'a, 'l, Data> {
    event_loop: &'a mut EventLoop<'l, Data>,
}

impl<'a, 'l, Data> Dispatching<'a, 'l, Data> {
    #[inline]
    fn begin(event_loop: &'a mut EventLoop<'l, Data>) -> Self {
        event_loop.shared.reactor.begin_dispatch();
        Dispatching { event_loop }
    }
}

impl<Data> Drop for Dispatching<'_, '_, Data> {
    #[inline]
    fn drop(&mut self) {
        let event_loop = &*self.event_loop;
        event_loop.shared.reactor.end_dispatch(|| event_loop.has_work());
    }
}

/// A woken node whose source is being called; ends that however the call ends.
struct Delivery(WakeNode);

impl Delivery {
    #[inline]
    fn begin(node: WakeNode) -> Self {
        node.begin_delivery();
        Delivery(node)
    }
}

impl Drop for Delivery {
    #[inline]
    fn drop(&mut self) {
        self.0.end_delivery();
    }
}

/// When a wait is over though it brought nothing.
enum Limit {
    Never,
    /// At this time, as the reactor reads the clock.
    At(u64),
    /// After this time, from a moment that is still to be read off the clock.
    After(Duration),
}

impl Limit {
    #[inline]
    fn new(timeout: Option<Duration>) -> Self {
        timeout.map_or(Limit::Never, Limit::After)
    }

    #[inline]
    fn is_zero(&self) -> bool {
        matches!(self, Limit::After(Duration::ZERO))
    }

    /// The time until the limit or `deadline`, whichever is first; `None`: for ever.
    ///
    /// Reads the clock only if there is one of them.
    fn remaining(&mut self, deadline: Option<u64>, now: impl FnOnce() -> u64) -> Option<Duration> {
        if let (Limit::Never, None) = (&*self, deadline) {
            return None;
        }
        let now = now();
        if let Limit::After(timeout) = *self {
            // A time that the clock cannot express is never over.
            let timeout = u64::try_from(timeout.as_nanos()).ok();
            let at = timeout.and_then(|timeout| now.checked_add(timeout));
            *self = at.map_or(Limit::Never, Limit::At);
        }
        let limit = if let Limit::At(limit) = *self { Some(limit) } else { None };
        let until = deadline.into_iter().chain(limit).min()?;
        Some(Duration::from_nanos(until.saturating_sub(now)))
    }

    #[inline]
    fn is_reached(&self, now: impl FnOnce() -> u64) -> bool {
        match self {
            Limit::Never => false,
            Limit::At(limit) => now() >= *limit,
            Limit::After(timeout) => *timeout == Duration::ZERO,
        }
    }
}

impl<Data> AsFd for EventLoop<'_, Data> {
    /// The descriptor to watch from another poller, see
    /// [above](EventLoop#inside-another-poller). From the first call on the loop keeps its
    /// descriptor true to its timers, wake-ups and idle callbacks, which costs it a system call
    /// where one of them changes.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.reactor.embed(self.has_work());
        self.shared.reactor.backend().as_fd()
    }
}

impl<Data> AsRawFd for EventLoop<'_, Data> {
    /// As [`as_fd`](AsFd::as_fd).
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<Data> fmt::Debug for EventLoop<'_, Data> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").finish_non_exhaustive()
    }
}
