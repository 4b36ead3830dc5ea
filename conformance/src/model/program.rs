//! What a program of the model-based part is made of.
//!
//! A program is data. It names its sources up front and says for each what its callback does when
//! it is called, so that it means something whatever is taken out of it: what refers to a source
//! that is not there does nothing.

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
    /// What there is before it begins.
    #[serde(default)]
    pub scene: Scene,
}

/// What a program finds when it begins.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// The loop has a few hundred pings already, which nobody pings.
    #[serde(default)]
    pub is_crowded: bool,
    /// The thread blocks SIGUSR1 already.
    #[serde(default)]
    pub is_blocking: bool,
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
    /// After the last of them, that one again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
    /// What is done when what an idle callback has captured is dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub farewell: Vec<Action>,
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
    /// The end of a pipe that is read; the program has the other.
    Pipe(#[serde(with = "ModeName")] Mode),
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
    /// Signals.
    Signals(Set),
    /// An executor.
    Executor,
}

/// A signal.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
}

/// What a source of signals watches.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Set {
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// Both.
    Both,
}

impl Signal {
    /// All of them.
    pub(super) const ALL: [Signal; 2] = [Signal::Usr1, Signal::Usr2];

    /// Its number.
    pub const fn number(self) -> i32 {
        match self {
            Signal::Usr1 => signal_hook::consts::SIGUSR1,
            Signal::Usr2 => signal_hook::consts::SIGUSR2,
        }
    }
}

impl Set {
    pub(super) const fn has(self, signal: Signal) -> bool {
        matches!(
            (self, signal),
            (Set::Both, _) | (Set::Usr1, Signal::Usr1) | (Set::Usr2, Signal::Usr2)
        )
    }

    /// The numbers of its signals.
    pub fn numbers(self) -> Vec<i32> {
        let signals = Signal::ALL.into_iter().filter(|signal| self.has(*signal));
        signals.map(Signal::number).collect()
    }
}

/// A deadline. Those of the past and the future are the same instants wherever they stand in a
/// program, so that it is decidable which comes first.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// This instant before the program began; more is earlier.
    Past(u8),
    /// Now.
    Now,
    /// In a millisecond, so that a program can wait for it.
    Soon,
    /// So many hours after the program began, which is never.
    Far(u8),
    /// After the longest duration there is.
    Never,
}

impl When {
    /// The delay from now.
    pub const fn delay(self) -> Duration {
        match self {
            When::Past(_) | When::Now => Duration::ZERO,
            When::Soon => Duration::from_millis(1),
            When::Far(hours) => Duration::from_secs(3600 * (hours as u64 + 1)),
            When::Never => Duration::MAX,
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

/// How many messages a burst is.
pub(super) const BURST: usize = 1200;

/// How long a future sleeps.
pub(super) const SLEEP: Duration = Duration::from_millis(1);

/// The limit of [`Step::Wait`]. It is no whole number of milliseconds, so that it matters how a loop
/// rounds.
pub const WAIT: Duration = Duration::from_micros(1900);

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
    /// Fills a descriptor, so that nothing more can be written to it.
    Fill(Id),
    /// Reads all that was written to a descriptor.
    Drain(Id),
    /// In the callback of a descriptor: reads so many bytes at most.
    Read(u8),
    /// Pings.
    Ping(Id),
    /// Sends the next message.
    Send(Id),
    /// Has another thread send the next message, and wait for room if there is none.
    Push(Id),
    /// Sends more messages than fit into one turn.
    Burst(Id),
    /// Lets go of what is held of a source: the handle of a ping, the sender of a channel, the
    /// scheduler of an executor, the handle of an idle callback.
    Release(Id),
    /// Has an executor run a future.
    Spawn(Id, Future),
    /// Opens the oldest future of an executor that waits.
    Open(Id),
    /// Lets the oldest future of an executor go on that waits for a descriptor.
    Feed(Id),
    /// Cancels an idle callback.
    Cancel(Id),
    /// Changes the signals that a source watches.
    Watch(Id, Set),
    /// Raises a signal.
    Raise(Signal),
    /// Has the next wait end at once.
    WakeUp,
    /// In a run: ends it after this dispatch.
    Stop,
    /// Makes another loop, uses and drops it.
    Nest,
    /// The same on another thread.
    NestOnThread,
    /// Lets some time pass, so that it is later than it was when the wait ended.
    Linger,
}

/// A future for an executor.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Future {
    /// Resolves when it is first polled.
    Ready,
    /// Resolves when it is polled after it was opened.
    Gated,
    /// Panics when it is first polled.
    Panics,
    /// Resolves after a millisecond.
    Sleeps,
    /// Resolves when it has read something from a descriptor.
    Reads,
    /// Resolves when it has written something to a descriptor.
    Writes,
}

/// A step of a program.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Does something outside of a dispatch.
    Do(Action),
    /// Dispatches without waiting.
    Dispatch,
    /// Dispatches with a [limit](WAIT) of almost two milliseconds.
    Wait,
    /// The same, while a signal that is handled elsewhere interrupts it.
    Interrupt,
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
            | Action::Fill(id)
            | Action::Drain(id)
            | Action::Ping(id)
            | Action::Send(id)
            | Action::Push(id)
            | Action::Burst(id)
            | Action::Feed(id)
            | Action::Release(id)
            | Action::Spawn(id, _)
            | Action::Open(id)
            | Action::Cancel(id)
            | Action::Watch(id, _) => Some(id),
            Action::Read(_)
            | Action::Raise(_)
            | Action::WakeUp
            | Action::Stop
            | Action::Nest
            | Action::NestOnThread
            | Action::Linger => None,
        }
    }
}

impl Step {
    /// What is done in it, if it is not only a dispatch.
    pub fn action(self) -> Option<Action> {
        match self {
            Step::Do(action) | Step::Meanwhile(action) => Some(action),
            Step::Dispatch
            | Step::Wait
            | Step::Interrupt
            | Step::Block
            | Step::Run
            | Step::Peek => None,
        }
    }
}

impl Program {
    /// How much is done: steps and what callbacks do.
    pub fn operations(&self) -> usize {
        let turns = self.sources.iter().flat_map(|source| &source.turns);
        let farewells = self.sources.iter().map(|source| source.farewell.len());
        self.steps.len()
            + turns.map(|turn| turn.actions.len()).sum::<usize>()
            + farewells.sum::<usize>()
    }

    /// The turn of a source's callback when it is called for the `calls`-th time, from zero.
    pub(super) fn turn(&self, id: Id, calls: usize) -> Turn {
        let Source { turns, repeats, .. } = &self.sources[id];
        let again = turns.last().filter(|_| *repeats);
        turns.get(calls).or(again).cloned().unwrap_or_default()
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
