//! What a source is ready for, by kind: the part of the specification that is about one source.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::program::{Future, Kind, When};
use crate::adapter::{Interest, Mode, Readiness};

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
    Signal(i32),
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
    Signal(Flag),
    Executor(Executor),
}

impl State {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Fd(interest, mode) => State::Fd(Fd::new(interest, mode)),
            Kind::Ping => State::Ping(Flag::default()),
            Kind::Channel { bound } => State::Channel(Channel { bound, ..Channel::default() }),
            Kind::Timer(_) => State::Timer(Timer::default()),
            Kind::Idle => State::Idle,
            Kind::Signal => State::Signal(Flag::default()),
            Kind::Executor => State::Executor(Executor::default()),
        }
    }

    /// Whether one turn of it can be several calls.
    pub(super) fn has_long_turns(&self) -> bool {
        matches!(self, State::Channel(_) | State::Executor(_))
    }

    /// What a wait that ends now gathers of it. What a timer gathers depends on the others, too.
    pub(super) fn gather(&mut self, now: Instant) -> Claim {
        match self {
            State::Fd(fd) => fd.gather(),
            State::Ping(flag) | State::Signal(flag) => flag.gather(),
            State::Channel(channel) => channel.gather(),
            State::Timer(timer) => timer.claim(now),
            State::Idle => Claim::No,
            State::Executor(executor) => executor.gather(),
        }
    }

    /// It is registered, for the first time or anew.
    pub(super) fn register(&mut self) {
        if let State::Fd(fd) = self {
            (fd.is_armed, fd.is_carried) = (true, false);
        }
    }

    /// The dispatch that gathered it failed before it was called.
    pub(super) fn carry(&mut self) {
        match self {
            State::Fd(fd) => fd.is_carried = true,
            State::Timer(timer) => timer.is_carried = true,
            _ => {}
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
            (State::Signal(flag), Event::Signal(_)) => flag.call(),
            (State::Channel(channel), Event::Message(number)) => channel.message(number),
            (State::Channel(channel), Event::Closed) => channel.closed(),
            (State::Timer(timer), Event::Expired(told)) => timer.call(told, now),
            (State::Executor(executor), Event::Polled(task)) => executor.polled(task),
            (State::Executor(executor), Event::Output(task)) => executor.output(task),
            _ => Err("it is no event of this kind of source".into()),
        }
    }
}

/// A descriptor: one end of a pair of sockets.
#[derive(Clone, Debug)]
pub(super) struct Fd {
    pub(super) interest: Interest,
    pub(super) mode: Mode,
    /// What was written to the other end and not read yet.
    pub(super) bytes: u32,
    pub(super) is_hung_up: bool,
    /// Edge: there is news. One-shot: it has not shot.
    pub(super) is_armed: bool,
    is_carried: bool,
    /// What the last wait reported of it.
    reported: Readiness,
}

impl Fd {
    fn new(interest: Interest, mode: Mode) -> Self {
        Fd {
            interest,
            mode,
            bytes: 0,
            is_hung_up: false,
            is_armed: false,
            is_carried: false,
            reported: Readiness::default(),
        }
    }

    fn reads(&self) -> bool {
        matches!(self.interest, Interest::Read | Interest::Both)
    }

    /// What was asked for and is there. The socket always has room to write.
    fn readiness(&self) -> Readiness {
        Readiness {
            readable: self.reads() && (self.bytes > 0 || self.is_hung_up),
            writable: matches!(self.interest, Interest::Write | Interest::Both),
        }
    }

    pub(super) fn arrive(&mut self, bytes: u32) {
        self.bytes += bytes;
        if self.mode == Mode::Edge && self.reads() {
            self.is_armed = true;
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.is_hung_up = true;
        self.arrive(0);
    }

    fn gather(&mut self) -> Claim {
        self.reported = self.readiness();
        let is_ready = self.reported != Readiness::default();
        let claim = match self.mode {
            Mode::Level => is_ready,
            Mode::Edge | Mode::OneShot => is_ready && self.is_armed,
        };
        match self.mode {
            Mode::Level => {}
            Mode::Edge => self.is_armed = false,
            Mode::OneShot => self.is_armed &= !claim,
        }
        if claim || (self.is_carried && is_ready) {
            Claim::Must
        } else if self.is_hung_up || self.is_carried {
            // A hang-up may be reported whatever was asked for. What is left from a dispatch that
            // failed may have become untrue since.
            Claim::May
        } else {
            Claim::No
        }
    }

    fn call(&mut self, readiness: Readiness) -> Result<Claim, String> {
        let is_lenient = std::mem::take(&mut self.is_carried) || self.is_hung_up;
        if !is_lenient && readiness != self.reported {
            return Err(format!("ready for {:?}", self.reported));
        }
        let asked = self.readiness();
        let unasked = readiness.writable && !asked.writable || readiness.readable && !self.reads();
        if !self.is_hung_up && unasked {
            return Err(format!("ready for no more than was asked for: {:?}", self.interest));
        }
        Ok(Claim::No)
    }
}

/// Something that coalesces: a ping, a signal.
#[derive(Clone, Debug)]
pub(super) struct Flag {
    /// Whether the next wait reports it; [`Claim::May`] after one that came before the call for
    /// the one before.
    pending: Claim,
    /// Raised since the wait.
    is_again: bool,
    pub(super) is_closed: bool,
}

impl Default for Flag {
    fn default() -> Self {
        Flag { pending: Claim::No, is_again: false, is_closed: false }
    }
}

impl Flag {
    pub(super) fn raise(&mut self) {
        (self.pending, self.is_again) = (Claim::Must, true);
    }

    fn gather(&mut self) -> Claim {
        self.is_again = false;
        self.pending
    }

    fn call(&mut self) -> Result<Claim, String> {
        self.pending = if self.is_again { Claim::May } else { Claim::No };
        Ok(Claim::No)
    }
}

/// A channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Channel {
    pub(super) bound: Option<usize>,
    pub(super) queue: VecDeque<u32>,
    pub(super) is_closed: bool,
    pub(super) is_over: bool,
    /// How much the last wait promised.
    left: usize,
    /// It was woken since, so that it may have a turn although there is nothing left to deliver.
    pub(super) is_stirred: bool,
}

impl Channel {
    pub(super) fn is_full(&self) -> bool {
        self.bound.is_some_and(|bound| self.queue.len() >= bound)
    }

    fn gather(&mut self) -> Claim {
        self.left = self.queue.len() + usize::from(self.is_closed);
        claim_of_turn(self.left, std::mem::take(&mut self.is_stirred))
    }

    fn message(&mut self, number: u32) -> Result<Claim, String> {
        let next = self.queue.pop_front();
        if next != Some(number) {
            return Err(next.map_or("no message".into(), |next| format!("message {next} first")));
        }
        Ok(self.took())
    }

    fn closed(&mut self) -> Result<Claim, String> {
        if let Some(next) = self.queue.front() {
            return Err(format!("message {next} before the end"));
        }
        if !self.is_closed {
            return Err("no end, since a sender is left".into());
        }
        self.is_over = true;
        Ok(Claim::No)
    }

    /// What was sent after the wait may be delivered along with the rest.
    fn took(&mut self) -> Claim {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 { Claim::Must } else { Claim::May }
    }
}

fn claim_of_turn(left: usize, is_stirred: bool) -> Claim {
    match (left, is_stirred) {
        (1.., _) => Claim::Must,
        (0, true) => Claim::May,
        (0, false) => Claim::No,
    }
}

/// A timer.
#[derive(Clone, Debug, Default)]
pub(super) struct Timer {
    /// `None`: not armed.
    pub(super) due: Option<Due>,
    is_carried: bool,
}

/// When a timer is due, as exactly as is known.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) from: Instant,
    pub(super) to: Instant,
    /// Which arming of any timer it was; only what was armed by its insertion is in order.
    pub(super) sequence: Option<u64>,
}

/// Equal instants of a program are so only if they are counted from one.
pub(super) fn instant(when: When, start: Instant) -> Option<Instant> {
    match when {
        When::Past(steps) => start.checked_sub(Duration::from_millis(10) * (u32::from(steps) + 1)),
        When::Far(_) => Some(start + when.delay()),
        When::Now | When::Soon => None,
    }
}

impl Timer {
    fn claim(&self, now: Instant) -> Claim {
        match self.due {
            None => Claim::No,
            Some(due) if due.to <= now => Claim::Must,
            // A call is judged by its time.
            Some(_) => Claim::May,
        }
    }

    fn call(&mut self, told: Option<Instant>, now: Instant) -> Result<Claim, String> {
        let Some(due) = self.due.take() else { return Err("no call: it is not armed".into()) };
        self.is_carried = false;
        if now < due.from {
            let early = due.from - now;
            return Err(format!("no call before its deadline, which is {early:.1?} from now"));
        }
        match told {
            Some(told) if told < due.from || told > due.to => {
                let (off, side) = match told.checked_duration_since(due.to) {
                    Some(off) => (off, "late"),
                    None => (due.from - told, "early"),
                };
                Err(format!("its own deadline to be told: this one is {off:?} too {side}"))
            }
            _ => Ok(Claim::No),
        }
    }

    /// Whether it must fire before the other, if both do in one dispatch.
    pub(super) fn is_before(&self, other: &Timer, is_fifo: bool) -> bool {
        let (Some(own), Some(others)) = (self.due, other.due) else { return false };
        if other.is_carried {
            return false;
        }
        let is_equal = own.from == own.to && others.from == others.to && own.from == others.from;
        let is_earlier = match (own.sequence, others.sequence) {
            (Some(own), Some(other)) => own < other,
            _ => false,
        };
        own.to < others.from || (is_fifo && is_equal && is_earlier)
    }
}

/// An executor.
#[derive(Clone, Debug, Default)]
pub(super) struct Executor {
    tasks: Vec<Task>,
    /// Those to be polled, in order.
    queue: VecDeque<u32>,
    /// Those that have resolved and were not reported yet.
    outputs: VecDeque<u32>,
    left: usize,
    pub(super) is_stirred: bool,
}

#[derive(Clone, Debug)]
struct Task {
    is_open: bool,
    is_waiting: bool,
}

impl Executor {
    pub(super) fn spawn(&mut self, future: Future) {
        self.queue.push_back(self.tasks.len() as u32);
        self.tasks.push(Task { is_open: future == Future::Ready, is_waiting: false });
    }

    pub(super) fn open(&mut self, task: u32) {
        let opened = &mut self.tasks[task as usize];
        opened.is_open = true;
        if std::mem::take(&mut opened.is_waiting) {
            self.queue.push_back(task);
        }
    }

    fn gather(&mut self) -> Claim {
        self.left = self.queue.len() + self.outputs.len();
        claim_of_turn(self.left, std::mem::take(&mut self.is_stirred))
    }

    fn claim(&mut self) -> Claim {
        let is_due = self.left > 0 || !self.outputs.is_empty();
        if is_due { Claim::Must } else { Claim::May }
    }

    fn polled(&mut self, number: u32) -> Result<Claim, String> {
        let next = self.queue.pop_front();
        if next != Some(number) {
            return Err(next.map_or("no future".into(), |next| format!("future {next} first")));
        }
        self.left = self.left.saturating_sub(1);
        let task = &mut self.tasks[number as usize];
        if task.is_open {
            self.outputs.push_back(number);
        } else {
            task.is_waiting = true;
        }
        Ok(self.claim())
    }

    fn output(&mut self, number: u32) -> Result<Claim, String> {
        let next = self.outputs.pop_front();
        if next != Some(number) {
            return Err(next.map_or("no output".into(), |next| format!("output {next} first")));
        }
        Ok(self.claim())
    }
}
