//! What is woken from anywhere: pings and channels.

use std::collections::VecDeque;

use super::{Claim, TURN_MIN, claim_of_turn};

/// Something that coalesces: a ping.
#[derive(Clone, Debug)]
pub(in crate::model) struct Flag {
    /// Whether the next wait reports it; [`Claim::May`] after one that came before the call for
    /// the one before.
    pending: Claim,
    /// Raised since the wait.
    is_again: bool,
    pub(in crate::model) is_closed: bool,
}

impl Default for Flag {
    fn default() -> Self {
        Flag { pending: Claim::No, is_again: false, is_closed: false }
    }
}

impl Flag {
    pub(in crate::model) fn raise(&mut self) {
        (self.pending, self.is_again) = (Claim::Must, true);
    }

    pub(super) fn gather(&mut self) -> Claim {
        self.is_again = false;
        self.pending
    }

    pub(super) fn call(&mut self) -> Result<Claim, String> {
        self.pending = if self.is_again { Claim::May } else { Claim::No };
        Ok(Claim::No)
    }
}

/// A channel.
#[derive(Clone, Debug, Default)]
pub(in crate::model) struct Channel {
    pub(in crate::model) bound: Option<usize>,
    pub(in crate::model) queue: VecDeque<u32>,
    /// The message with which a thread waits for room, or for the loop to take it.
    pub(in crate::model) coming: Option<u32>,
    pub(in crate::model) is_closed: bool,
    pub(in crate::model) is_over: bool,
    /// How much the last wait promised.
    left: usize,
    /// How much was delivered in this turn.
    pub(super) taken: usize,
    /// It was woken since, so that it may have a turn although there is nothing left to deliver.
    pub(in crate::model) is_stirred: bool,
}

impl Channel {
    pub(super) fn new(bound: Option<usize>) -> Self {
        Channel { bound, ..Channel::default() }
    }

    pub(in crate::model) fn is_full(&self) -> bool {
        self.bound.is_some_and(|bound| self.queue.len() >= bound)
    }

    pub(super) fn gather(&mut self) -> Claim {
        (self.left, self.taken) = (self.queue.len() + usize::from(self.is_closed), 0);
        claim_of_turn(self.left, std::mem::take(&mut self.is_stirred) || self.coming.is_some())
    }

    pub(super) fn message(&mut self, number: u32) -> Result<Claim, String> {
        let next = self.queue.pop_front().or_else(|| self.coming.take());
        if next != Some(number) {
            return Err(next.map_or("no message".into(), |next| format!("message {next} first")));
        }
        Ok(self.took())
    }

    pub(super) fn closed(&mut self) -> Result<Claim, String> {
        if let Some(next) = self.queue.front().or(self.coming.as_ref()) {
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
        self.taken += 1;
        if self.left > 0 && self.taken < TURN_MIN { Claim::Must } else { Claim::May }
    }
}
