//! `calloop-ref` with one fault, chosen by number.

use std::cell::Cell;
use std::os::fd::{BorrowedFd, OwnedFd};
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
        callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let deadline = if FAULT == IGNORES_DEADLINES { Instant::now() } else { deadline };
        CalloopRef::insert_deadline(handle, deadline, callback)
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
        CalloopRef::insert_channel(handle, move |handle, event| {
            if FAULT != LOSES_A_MESSAGE || received != 7 {
                callback(handle, event);
            }
            received += 1;
        })
    }

    fn insert_ping<F>(handle: &Handle, mut callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let (ping, source) = CalloopRef::insert_ping(handle, move |handle| callback(handle))?;
        Ok((MaybeDeaf::<_, FAULT>(ping), source))
    }
}

#[derive(Clone)]
struct MaybeDeaf<P, const FAULT: u8>(P);

impl<P: Ping, const FAULT: u8> Ping for MaybeDeaf<P, FAULT> {
    fn ping(&self) {
        if FAULT != LOSES_PINGS {
            self.0.ping();
        }
    }
}
