//! What is done in a program: the steps of it, and the actions in them and in callbacks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::program::{Id, InterestName, ModeName, Set, Signal, When};
use crate::adapter::{Interest, Mode};

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
