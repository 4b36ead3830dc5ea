//! What a program of the model-based part is made of.
//!
//! A program is data. It names its sources up front and says for each what its callback does when
//! it is called, so that it means something whatever is taken out of it: what refers to a source
//! that is not there does nothing.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::adapter::{Interest, Mode};

/// A source or idle callback, by its position in the program.
pub type Id = usize;

/// A program: sources, and what is done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// What can be inserted, each once.
    pub sources: Vec<Source>,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// A source or idle callback that a program can insert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What it is.
    pub kind: Kind,
    /// What its callback does when it is called for the first time, the second, and so on; after
    /// the last of them, nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// Whether the program keeps the source's name when the source is gone, and goes on to use it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps_name: bool,
}

impl Source {
    /// A ping that closes has no name to be kept: its source goes whenever it likes.
    pub(super) fn keeps_name(&self) -> bool {
        self.keeps_name && self.kind != Kind::Ping
    }
}

/// The kinds of sources.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// One end of a pair of sockets; the program has the other.
    Fd(#[serde(with = "InterestName")] Interest, #[serde(with = "ModeName")] Mode),
    /// A ping.
    Ping,
    /// A channel.
    Channel {
        /// It has room for so many messages, or for any number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound: Option<usize>,
    },
    /// A timer.
    Timer(When),
    /// An idle callback.
    Idle,
    /// SIGUSR1.
    Signal,
    /// An executor.
    Executor,
}

/// A deadline. Those of the past and the future are the same instants wherever they stand in a
/// program, so that it is decidable which comes first.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// This instant before the program began; more is earlier.
    Past(u8),
    /// Now.
    Now,
    /// In two milliseconds, so that a program can wait for it.
    Soon,
    /// So many hours after the program began, which is never.
    Far(u8),
}

impl When {
    /// The delay from now.
    pub const fn delay(self) -> Duration {
        match self {
            When::Past(_) | When::Now => Duration::ZERO,
            When::Soon => Duration::from_millis(2),
            When::Far(hours) => Duration::from_secs(3600 * (hours as u64 + 1)),
        }
    }
}

/// What a callback does when it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// Then.
    pub answer: Answer,
}

/// What a callback answers. What its kind of source cannot answer is as [`Answer::Go`].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Go on; for a timer, stop.
    #[default]
    Go,
    /// Of a descriptor: register anew.
    Rearm,
    /// Of a descriptor: keep it, silent.
    Disable,
    /// Of a descriptor: remove it.
    Remove,
    /// Of a descriptor: fail.
    Fail,
    /// Of a timer: fire again.
    Again(When),
    /// Panic.
    Panic,
}

/// Something done with the loop, outside of a dispatch or in a callback.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Inserts a source or idle callback, if it was not inserted before.
    Insert(Id),
    /// Removes a source.
    Remove(Id),
    /// Silences it.
    Disable(Id),
    /// Ends that.
    Enable(Id),
    /// Changes what is asked of a descriptor.
    Update(Id, #[serde(with = "InterestName")] Interest, #[serde(with = "ModeName")] Mode),
    /// Programs a timer anew.
    Reset(Id, When),
    /// Writes so many bytes to the other end of a descriptor.
    Write(Id, u8),
    /// Closes the other end of a descriptor.
    HangUp(Id),
    /// In the callback of a descriptor: reads so many bytes at most.
    Read(u8),
    /// Pings.
    Ping(Id),
    /// Sends the next message.
    Send(Id),
    /// Lets go of the handle of a ping, or the sender of a channel.
    Release(Id),
    /// Has an executor run a future: one that is ready, or one that waits until it is opened.
    Spawn(Id, Future),
    /// Opens the oldest future of an executor that waits.
    Open(Id),
    /// Cancels an idle callback.
    Cancel(Id),
    /// Raises SIGUSR1.
    Raise,
    /// Has the next wait end at once.
    WakeUp,
    /// In a run: ends it after this dispatch.
    Stop,
}

/// A future for an executor.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Future {
    /// Resolves when it is first polled.
    Ready,
    /// Resolves when it is polled after it was opened.
    Gated,
}

/// A step of a program.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Does something outside of a dispatch.
    Do(Action),
    /// Dispatches without waiting.
    Dispatch,
    /// Dispatches with a limit of five milliseconds.
    Wait,
    /// Dispatches without limit, if something is sure to end that.
    Block,
    /// Has another thread do this while a dispatch without limit waits for it.
    Meanwhile(Action),
    /// Runs the loop for two dispatches, or until a callback stops it.
    Run,
    /// Looks whether the loop's own descriptor tells of what there is to do.
    Peek,
}

impl Action {
    /// The source that it is about.
    pub fn source(mut self) -> Option<Id> {
        self.source_mut().copied()
    }

    /// The same, to be changed.
    pub(super) fn source_mut(&mut self) -> Option<&mut Id> {
        match self {
            Action::Insert(id)
            | Action::Remove(id)
            | Action::Disable(id)
            | Action::Enable(id)
            | Action::Update(id, ..)
            | Action::Reset(id, _)
            | Action::Write(id, _)
            | Action::HangUp(id)
            | Action::Ping(id)
            | Action::Send(id)
            | Action::Release(id)
            | Action::Spawn(id, _)
            | Action::Open(id)
            | Action::Cancel(id) => Some(id),
            Action::Read(_) | Action::Raise | Action::WakeUp | Action::Stop => None,
        }
    }
}

impl Step {
    /// What is done in it, if it is not only a dispatch.
    pub fn action(self) -> Option<Action> {
        match self {
            Step::Do(action) | Step::Meanwhile(action) => Some(action),
            Step::Dispatch | Step::Wait | Step::Block | Step::Run | Step::Peek => None,
        }
    }
}

impl Program {
    /// How much is done: steps and what callbacks do.
    pub fn operations(&self) -> usize {
        let turns = self.sources.iter().flat_map(|source| &source.turns);
        self.steps.len() + turns.map(|turn| turn.actions.len()).sum::<usize>()
    }

    /// The turn of a source's callback when it is called for the `calls`-th time, from zero.
    pub(super) fn turn(&self, id: Id, calls: usize) -> Turn {
        self.sources[id].turns.get(calls).cloned().unwrap_or_default()
    }
}

/// The name of a source in texts: a letter.
pub(super) fn name(id: Id) -> char {
    char::from_u32('a' as u32 + id as u32).unwrap_or('?')
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Interest")]
enum InterestName {
    None,
    Read,
    Write,
    Both,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Mode")]
enum ModeName {
    Level,
    Edge,
    OneShot,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Past(steps) => write!(f, "{} ms before the start", (steps + 1) * 10),
            When::Now => f.write_str("now"),
            When::Soon => f.write_str("in 2 ms"),
            When::Far(hours) => write!(f, "{} h after the start", hours + 1),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Fd(interest, mode) => write!(f, "descriptor, {interest:?}, {mode:?}"),
            Kind::Ping => f.write_str("ping"),
            Kind::Channel { bound: None } => f.write_str("channel"),
            Kind::Channel { bound: Some(bound) } => write!(f, "channel for {bound}"),
            Kind::Timer(when) => write!(f, "timer, {when}"),
            Kind::Idle => f.write_str("idle callback"),
            Kind::Signal => f.write_str("signal"),
            Kind::Executor => f.write_str("executor"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = |id: &Id| name(*id);
        match self {
            Action::Insert(id) => write!(f, "insert {}", n(id)),
            Action::Remove(id) => write!(f, "remove {}", n(id)),
            Action::Disable(id) => write!(f, "disable {}", n(id)),
            Action::Enable(id) => write!(f, "enable {}", n(id)),
            Action::Update(id, interest, mode) => {
                write!(f, "update {} to {interest:?}, {mode:?}", n(id))
            }
            Action::Reset(id, when) => write!(f, "reset {} to {when}", n(id)),
            Action::Write(id, count) => write!(f, "write {count} to {}", n(id)),
            Action::HangUp(id) => write!(f, "hang up on {}", n(id)),
            Action::Read(count) => write!(f, "read {count} at most"),
            Action::Ping(id) => write!(f, "ping {}", n(id)),
            Action::Send(id) => write!(f, "send to {}", n(id)),
            Action::Release(id) => write!(f, "drop the handle of {}", n(id)),
            Action::Spawn(id, Future::Ready) => write!(f, "spawn on {}", n(id)),
            Action::Spawn(id, Future::Gated) => write!(f, "spawn on {}, gated", n(id)),
            Action::Open(id) => write!(f, "open the gate of {}", n(id)),
            Action::Cancel(id) => write!(f, "cancel {}", n(id)),
            Action::Raise => f.write_str("raise the signal"),
            Action::WakeUp => f.write_str("wake up"),
            Action::Stop => f.write_str("stop"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Go => f.write_str("go on"),
            Answer::Rearm => f.write_str("rearm"),
            Answer::Disable => f.write_str("disable"),
            Answer::Remove => f.write_str("remove"),
            Answer::Fail => f.write_str("fail"),
            Answer::Again(when) => write!(f, "again {when}"),
            Answer::Panic => f.write_str("panic"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Do(action) => action.fmt(f),
            Step::Dispatch => f.write_str("dispatch"),
            Step::Wait => f.write_str("dispatch, at most 5 ms"),
            Step::Block => f.write_str("dispatch without limit"),
            Step::Meanwhile(action) => {
                write!(f, "dispatch without limit, and from another thread {action}")
            }
            Step::Run => f.write_str("run"),
            Step::Peek => f.write_str("look at the loop's own descriptor"),
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            write!(f, "{action}; ")?;
        }
        write!(f, "{}", self.answer)
    }
}

/// On one line, for logs.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, source) in self.sources.iter().enumerate() {
            write!(f, "{}: {}", name(id), source.kind)?;
            for (number, turn) in source.turns.iter().enumerate() {
                write!(f, "{} {{ {turn} }}", if number == 0 { "," } else { "" })?;
            }
            f.write_str("; ")?;
        }
        f.write_str("then ")?;
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "{}{step}", if number == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
