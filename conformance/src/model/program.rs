//! What a program of the model-based part is made of.
//!
//! A program is data. It names its sources up front and says for each what its callback does when
//! it is called, so that it means something whatever is taken out of it: what refers to a source
//! that is not there does nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use super::action::{Action, Future, Step, WAIT};
pub(super) use super::action::{BURST, SLEEP};
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
pub(super) enum InterestName {
    None,
    Read,
    Write,
    Both,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Mode")]
pub(super) enum ModeName {
    Level,
    Edge,
    OneShot,
}
