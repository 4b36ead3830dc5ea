//! `calloop-ref` with one fault, chosen by number.

use std::cell::Cell;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use conformance::adapter::{
    Adapter, Capabilities, ChannelEvent, Failure, Interest, Mode, Next, Ping, Readiness, Sender,
    TimerNext,
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

pub(crate) struct Broken<const FAULT: u8>(CalloopRef);

type Handle = <CalloopRef as Adapter>::Handle;
type Source = <CalloopRef as Adapter>::Source;

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
            _ => 1,
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
        CalloopRef::insert_timer(handle, delay, callback)
    }

    fn insert_deadline<F>(
        handle: &Handle,
        deadline: Instant,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let deadline = if FAULT == IGNORES_DEADLINES { Instant::now() } else { deadline };
        let mut fired = 0;
        CalloopRef::insert_deadline(handle, deadline, move |handle, deadline| {
            fired += 1;
            match callback(handle, deadline) {
                TimerNext::At(_) if FAULT == LOSES_A_TIMER && fired == 3 => TimerNext::Stop,
                TimerNext::At(_) if FAULT == REPEATS_EARLY => TimerNext::At(Instant::now()),
                next => next,
            }
        })
    }

    fn remove(handle: &Handle, source: Source) {
        if FAULT != KEEPS_REMOVED {
            CalloopRef::remove(handle, source);
        }
    }

    fn insert_channel<T, F>(
        handle: &Handle,
        mut callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        let mut received = 0;
        let mut kept = None;
        CalloopRef::insert_channel(handle, move |handle, event| {
            let number = received;
            received += 1;
            match (FAULT, number) {
                (LOSES_A_MESSAGE, 7) => {}
                (SWAPS_MESSAGES, 7) => kept = Some(event),
                _ => callback(handle, event),
            }
            if number == 8 {
                kept.take().into_iter().for_each(|event| callback(handle, event));
            }
        })
    }

    fn insert_ping<F>(handle: &Handle, mut callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let calls = if FAULT == DOUBLES_PINGS { 2 } else { 1 };
        let (ping, source) = CalloopRef::insert_ping(handle, move |handle| {
            (0..calls).for_each(|_| callback(handle));
        })?;
        Ok((MaybeDeaf::<_, FAULT>(ping, Arc::default()), source))
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
