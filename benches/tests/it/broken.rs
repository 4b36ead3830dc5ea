//! `calloop-ref` with one fault, chosen by number.

use std::cell::Cell;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use conformance::adapter::{
    Adapter, AsyncFd, CancelIdle, Capabilities, ChannelEvent, Failure, Interest, Mode, Next, Ping,
    Readiness, Sender, SignalEvent, Spawn, TimerNext,
};
use conformance::adapters::CalloopRef;

/// A descriptor that is ready is reported twice.
pub(crate) const DOUBLES_FDS: u8 = 1;
/// Every other descriptor is reported twice, the others never.
pub(crate) const CONFUSES_FDS: u8 = 2;
/// Every timer is due at once.
pub(crate) const FIRES_EARLY: u8 = 3;
/// Timers fire in the order of their insertion.
pub(crate) const IGNORES_DEADLINES: u8 = 4;
/// What is removed stays.
pub(crate) const KEEPS_REMOVED: u8 = 5;
/// The message numbered 7 is lost.
pub(crate) const LOSES_A_MESSAGE: u8 = 6;
/// A ping is not noticed.
pub(crate) const LOSES_PINGS: u8 = 7;
/// An operation fails.
pub(crate) const FAILS: u8 = 8;
/// Every ping is noticed twice.
pub(crate) const DOUBLES_PINGS: u8 = 9;
/// The fourth ping is not noticed.
pub(crate) const LOSES_A_PING: u8 = 10;
/// The message numbered 7 comes after the next.
pub(crate) const SWAPS_MESSAGES: u8 = 11;
/// A timer fires three times at most.
pub(crate) const LOSES_A_TIMER: u8 = 12;
/// A timer that is set to another instant fires at once.
pub(crate) const REPEATS_EARLY: u8 = 13;
/// No callback is called.
pub(crate) const LOSES_EVERYTHING: u8 = 14;
/// Every callback is called twice, where what it gets can be had twice.
pub(crate) const DOUBLES_EVERYTHING: u8 = 15;
/// A timer that is set anew stays as it is.
pub(crate) const IGNORES_RESETS: u8 = 16;
/// A bounded channel has room for one message more.
pub(crate) const EXCEEDS_BOUNDS: u8 = 17;
/// A timer that repeats does not.
pub(crate) const FIRES_ONCE: u8 = 18;

pub(crate) struct Broken<const FAULT: u8>(CalloopRef);

type Handle = <CalloopRef as Adapter>::Handle;
type Source = <CalloopRef as Adapter>::Source;

/// How often a callback is called that is to be called once.
const fn calls(fault: u8) -> usize {
    match fault {
        LOSES_EVERYTHING => 0,
        DOUBLES_EVERYTHING => 2,
        _ => 1,
    }
}

const fn pings(fault: u8) -> usize {
    if fault == DOUBLES_PINGS { 2 } else { calls(fault) }
}

impl<const FAULT: u8> Broken<FAULT> {
    fn timer(
        mut callback: impl FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    ) -> impl FnMut(&Handle, Option<Instant>) -> TimerNext + 'static {
        move |handle, deadline| {
            let next = (0..calls(FAULT)).map(|_| callback(handle, deadline)).last();
            if FAULT == FIRES_ONCE { TimerNext::Stop } else { next.unwrap_or(TimerNext::Stop) }
        }
    }

    fn channel<T: 'static>(
        mut callback: impl FnMut(&Handle, ChannelEvent<T>) + 'static,
    ) -> impl FnMut(&Handle, ChannelEvent<T>) + 'static {
        let (mut received, mut held) = (0, None);
        move |handle, event| {
            let number = received;
            received += 1;
            if FAULT == LOSES_EVERYTHING || (FAULT == LOSES_A_MESSAGE && number == 7) {
                return;
            }
            if FAULT == SWAPS_MESSAGES && number == 7 {
                held = Some(event);
                return;
            }
            callback(handle, event);
            held.take().into_iter().for_each(|held| callback(handle, held));
        }
    }
}

impl<const FAULT: u8> Adapter for Broken<FAULT> {
    const NAME: &'static str = "broken";

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        CalloopRef::version()
    }

    fn capabilities() -> Capabilities {
        CalloopRef::capabilities()
    }

    fn new() -> Result<Self, Failure> {
        CalloopRef::new().map(Broken)
    }

    fn handle(&self) -> Handle {
        self.0.handle()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        if FAULT == FAILS {
            return Err(Failure::Other("out of order".to_string()));
        }
        self.0.dispatch(timeout)
    }

    fn insert_fd<F>(
        handle: &Handle,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        thread_local!(static INSERTED: Cell<usize> = const { Cell::new(0) });
        let number = INSERTED.replace(INSERTED.get() + 1);
        let calls = match FAULT {
            DOUBLES_FDS => 2,
            CONFUSES_FDS => 2 * (number % 2),
            _ => calls(FAULT),
        };
        CalloopRef::insert_fd(handle, fd, interest, mode, move |handle, fd, readiness| {
            (0..calls).map(|_| callback(handle, fd, readiness)).last().unwrap_or(Next::Continue)
        })
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let delay = if FAULT == FIRES_EARLY { Duration::ZERO } else { delay };
        CalloopRef::insert_timer(handle, delay, Self::timer(callback))
    }

    fn insert_deadline<F>(
        handle: &Handle,
        deadline: Instant,
        callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let deadline = if FAULT == IGNORES_DEADLINES { Instant::now() } else { deadline };
        let (mut fired, mut callback) = (0, Self::timer(callback));
        CalloopRef::insert_deadline(handle, deadline, move |handle, deadline| {
            fired += 1;
            match callback(handle, deadline) {
                TimerNext::At(_) if FAULT == LOSES_A_TIMER && fired == 3 => TimerNext::Stop,
                TimerNext::At(_) if FAULT == REPEATS_EARLY => TimerNext::At(Instant::now()),
                next => next,
            }
        })
    }

    fn reset_timer(handle: &Handle, source: &Source, delay: Duration) -> Result<(), Failure> {
        match FAULT {
            IGNORES_RESETS => Ok(()),
            _ => CalloopRef::reset_timer(handle, source, delay),
        }
    }

    fn remove(handle: &Handle, source: Source) {
        if FAULT != KEEPS_REMOVED {
            CalloopRef::remove(handle, source);
        }
    }

    fn disable(handle: &Handle, source: &Source) -> Result<(), Failure> {
        CalloopRef::disable(handle, source)
    }

    fn enable(handle: &Handle, source: &Source) -> Result<(), Failure> {
        CalloopRef::enable(handle, source)
    }

    fn update_fd(
        handle: &Handle,
        source: &Source,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        CalloopRef::update_fd(handle, source, interest, mode)
    }

    fn insert_channel<T, F>(
        handle: &Handle,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        CalloopRef::insert_channel(handle, Self::channel(callback))
    }

    fn insert_bounded_channel<T, F>(
        handle: &Handle,
        bound: usize,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        let bound = bound + usize::from(FAULT == EXCEEDS_BOUNDS);
        CalloopRef::insert_bounded_channel(handle, bound, Self::channel(callback))
    }

    fn insert_ping<F>(handle: &Handle, mut callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let callback = move |handle: &Handle| (0..pings(FAULT)).for_each(|_| callback(handle));
        let (ping, source) = CalloopRef::insert_ping(handle, callback)?;
        Ok((MaybeDeaf::<_, FAULT>(ping, Arc::default()), source))
    }

    fn insert_idle<F>(handle: &Handle, callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&Handle) + 'static,
    {
        let mut callback = Some(callback);
        CalloopRef::insert_idle(handle, move |handle| {
            if calls(FAULT) > 0 {
                callback.take().into_iter().for_each(|callback| callback(handle));
            }
        })
    }

    fn insert_signals<F>(
        handle: &Handle,
        signals: &[i32],
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, SignalEvent) + 'static,
    {
        CalloopRef::insert_signals(handle, signals, move |handle, event| {
            (0..calls(FAULT)).for_each(|_| callback(handle, event));
        })
    }

    fn insert_executor<T, F>(
        handle: &Handle,
        mut callback: F,
    ) -> Result<(impl Spawn<T>, Source), Failure>
    where
        T: 'static,
        F: FnMut(&Handle, T) + 'static,
    {
        CalloopRef::insert_executor(handle, move |handle, output| {
            if calls(FAULT) > 0 {
                callback(handle, output);
            }
        })
    }

    fn adapt_io(handle: &Handle, fd: OwnedFd) -> Result<impl AsyncFd, Failure> {
        CalloopRef::adapt_io(handle, fd)
    }
}

#[derive(Clone)]
struct MaybeDeaf<P, const FAULT: u8>(P, Arc<AtomicU64>);

impl<P: Ping, const FAULT: u8> Ping for MaybeDeaf<P, FAULT> {
    fn ping(&self) {
        let number = self.1.fetch_add(1, Ordering::Relaxed);
        match (FAULT, number) {
            (LOSES_PINGS, _) | (LOSES_A_PING, 3) => {}
            _ => self.0.ping(),
        }
    }
}
