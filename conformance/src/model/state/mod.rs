//! What a source is ready for, by kind: the part of the specification that is about one source.

mod executor;
mod fd;
mod signals;
mod timer;
mod woken;

use std::time::Instant;

use super::program::Kind;
use crate::adapter::{Interest, Readiness, SignalEvent};

pub(super) use executor::Executor;
pub(super) use fd::Fd;
pub(super) use signals::Signals;
pub(super) use timer::{Due, Timer, after, instant};
pub(super) use woken::{Channel, Flag};

/// Whether a source is called in a dispatch.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// It must not be.
    No,
    /// It may be.
    May,
    /// It must be.
    Must,
}

/// What a callback was called for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Ready(Readiness),
    Pinged,
    Message(u32),
    Closed,
    /// The deadline, where the loop tells it.
    Expired(Option<Instant>),
    Idle,
    Signal(SignalEvent),
    /// A future was polled; that is no call of the callback, but part of its source's turn.
    Polled(u32),
    Output(u32),
}

/// The state of a source that is in the loop.
#[derive(Clone, Debug)]
pub(super) enum State {
    Fd(Fd),
    Ping(Flag),
    Channel(Channel),
    Timer(Timer),
    Idle,
    Signals(Signals),
    Executor(Executor),
}

impl State {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Fd(interest, mode) => State::Fd(Fd::new(interest, mode)),
            Kind::Ping => State::Ping(Flag::default()),
            Kind::Channel { bound } => State::Channel(Channel::new(bound)),
            Kind::Timer(_) => State::Timer(Timer::default()),
            Kind::Idle => State::Idle,
            Kind::Signals(set) => State::Signals(Signals::new(set)),
            Kind::Pipe(mode) => State::Fd(Fd::new(Interest::Read, mode)),
            Kind::Executor => State::Executor(Executor::default()),
        }
    }

    /// Whether one turn of it can be several calls.
    pub(super) fn has_long_turns(&self) -> bool {
        matches!(self, State::Channel(_) | State::Signals(_) | State::Executor(_))
    }

    /// Whether the turn that has ended may have been cut, and is to go on at once.
    pub(super) fn may_be_cut(&self) -> bool {
        match self {
            State::Channel(channel) => channel.taken >= TURN_MIN,
            State::Executor(executor) => executor.taken >= TURN_MIN,
            _ => false,
        }
    }

    /// What a wait that ends now gathers of it. What a timer gathers depends on the others, too.
    pub(super) fn gather(&mut self, now: Instant) -> Claim {
        match self {
            State::Fd(fd) => fd.gather(),
            State::Ping(flag) => flag.gather(),
            State::Signals(signals) => signals.gather(),
            State::Channel(channel) => channel.gather(),
            State::Timer(timer) => timer.claim(now),
            State::Idle => Claim::No,
            State::Executor(executor) => executor.gather(now),
        }
    }

    /// It is registered, for the first time or anew.
    pub(super) fn register(&mut self) {
        if let State::Fd(fd) = self {
            fd.register();
        }
    }

    /// The dispatch that gathered it failed before it was called.
    pub(super) fn carry(&mut self) {
        match self {
            State::Fd(fd) => fd.carry(),
            State::Timer(timer) => timer.carry(),
            _ => {}
        }
    }

    /// Whether a call tells that it is enabled: not if it was registered anew, or not, since the
    /// wait that the call is for.
    pub(super) fn is_settled(&self) -> bool {
        !matches!(self, State::Fd(fd) if fd.is_armed_anew())
    }

    /// Its callback failed or panicked: what is left of its turn need not wait to be woken.
    pub(super) fn interrupt(&mut self) {
        match self {
            State::Signals(signals) => signals.interrupt(),
            _ => self.stir(),
        }
    }

    /// It was woken, maybe for nothing.
    pub(super) fn stir(&mut self) {
        match self {
            State::Channel(channel) => channel.is_stirred = true,
            State::Executor(executor) => executor.is_stirred = true,
            _ => {}
        }
    }

    /// It is called for this; the error is what is wrong with that.
    pub(super) fn call(&mut self, event: Event, now: Instant) -> Result<Claim, String> {
        match (self, event) {
            (State::Fd(fd), Event::Ready(readiness)) => fd.call(readiness),
            (State::Ping(flag), Event::Pinged) => flag.call(),
            (State::Signals(signals), Event::Signal(event)) => signals.call(event),
            (State::Channel(channel), Event::Message(number)) => channel.message(number),
            (State::Channel(channel), Event::Closed) => channel.closed(),
            (State::Timer(timer), Event::Expired(told)) => timer.call(told, now),
            (State::Executor(executor), Event::Polled(task)) => executor.polled(task, now),
            (State::Executor(executor), Event::Output(task)) => executor.output(task, now),
            _ => Err("it is no event of this kind of source".into()),
        }
    }
}

/// A turn may be cut after so much of it, if more is left for the next.
const TURN_MIN: usize = 256;

fn claim_of_turn(left: usize, is_stirred: bool) -> Claim {
    match (left, is_stirred) {
        (1.., _) => Claim::Must,
        (0, true) => Claim::May,
        (0, false) => Claim::No,
    }
}
