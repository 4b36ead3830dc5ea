//! What is handed to a source, from its own thread or another: messages and futures.

use std::time::Instant;

use super::{Drop, Model, Outcome};
use crate::model::program::{Future, Id};
use crate::model::state::State;

impl Model {
    pub(super) fn send(&mut self, id: Id) -> &'static [Outcome] {
        match &self.entries[id].state {
            State::Channel(channel) if channel.is_full() && self.is_in(id) => &[Outcome::Full],
            _ => self.accepts(id),
        }
    }

    /// What comes of handing something to a source: when it is gone but its last turn is not over,
    /// or its name is kept, it may still take it.
    pub(super) fn accepts(&self, id: Id) -> &'static [Outcome] {
        match (self.is_in(id), self.entries[id].drop) {
            (true, _) => &[Outcome::Done],
            (false, Drop::Done) => &[Outcome::Closed],
            (false, _) => &[Outcome::Done, Outcome::Full, Outcome::Closed],
        }
    }

    /// A message was accepted.
    pub(in crate::model) fn sent(&mut self, id: Id, number: u32) {
        if let State::Channel(channel) = &mut self.entries[id].state {
            channel.queue.push_back(number);
        }
    }

    /// A future was accepted.
    pub(in crate::model) fn spawned(&mut self, id: Id, future: Future, begun: Instant) {
        if let State::Executor(executor) = &mut self.entries[id].state {
            executor.spawn(future, begun);
        }
    }

    /// A future was opened.
    pub(in crate::model) fn opened(&mut self, id: Id, task: u32) {
        if let State::Executor(executor) = &mut self.entries[id].state {
            executor.open(task);
        }
    }

    /// A thread has begun to send this message, and waits if there is no room.
    pub(in crate::model) fn pushing(&mut self, id: Id, number: u32) {
        if let State::Channel(channel) = &mut self.entries[id].state {
            channel.coming = Some(number);
        }
    }

    /// What has to come of that by now, if anything.
    pub(in crate::model) fn push_is_over(&self, id: Id) -> Option<Outcome> {
        let State::Channel(channel) = &self.entries[id].state else { return None };
        let has_room = channel.bound.is_none_or(|bound| channel.queue.len() < bound);
        match channel.coming {
            None => Some(Outcome::Done),
            Some(_) if self.entries[id].drop == Drop::Done => Some(Outcome::Closed),
            Some(_) => (self.is_in(id) && has_room).then_some(Outcome::Done),
        }
    }

    /// That has come of it.
    pub(in crate::model) fn pushed(&mut self, id: Id, outcome: Outcome) {
        if let State::Channel(channel) = &mut self.entries[id].state {
            let message = channel.coming.take().filter(|_| outcome == Outcome::Done);
            channel.queue.extend(message);
            channel.is_stirred = true;
        }
        self.is_stirred = true;
    }
}
