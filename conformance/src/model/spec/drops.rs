//! When what a callback captured has to be dropped.

use super::{Drop, Entry, Life, Model};
use crate::model::program::Id;
use crate::model::state::{Claim, State};

impl Model {
    /// What the callback of a source captured was dropped.
    pub(in crate::model) fn dropped(&mut self, id: Id) {
        let is_closing = match &self.entries[id].state {
            State::Ping(flag) => flag.is_closed,
            _ => false,
        };
        let text = self.text(id);
        let is_over = self.is_over;
        let entry = &mut self.entries[id];
        let was = std::mem::replace(&mut entry.drop, Drop::Done);
        let is_premature = matches!(entry.life, Life::Enabled | Life::Disabled);
        if is_over {
        } else if is_closing || entry.is_wild {
            let is_early = is_closing && entry.claim == Claim::Must;
            (entry.life, entry.claim) = (Life::Gone, Claim::No);
            if is_early {
                self.deviate(format!("call of {text} before it goes"), "it is gone");
            }
        } else if is_premature || was == Drop::Done {
            let expected = format!("the callback of {text} kept while it is in the loop");
            self.deviate(expected, "what it captured was dropped");
        }
    }

    /// Nothing that is gone may be kept, except by a turn that is not over.
    pub(super) fn check_drops(&mut self) {
        let last = self.dispatch.as_ref().and_then(|dispatch| dispatch.last);
        let overdue = |(id, entry): (Id, &Entry)| entry.drop == Drop::Now && Some(id) != last;
        if let Some(id) = self.entries.iter().enumerate().position(overdue) {
            let expected =
                format!("what the callback of {} captured dropped by now", self.text(id));
            self.deviate(expected, "it is kept");
        }
    }

    /// The program is over, and nothing is left of the loop.
    pub(in crate::model) fn finish(&mut self) {
        let is_kept = |entry: &Entry| entry.life != Life::Absent && entry.drop != Drop::Done;
        if let Some(id) = self.entries.iter().position(is_kept) {
            let what = self.text(id);
            self.deviate(
                format!("what the callback of {what} captured dropped with the loop"),
                "it leaked",
            );
        }
    }

    /// What is left of the program is about to be dropped.
    pub(in crate::model) fn give_up(&mut self) {
        self.is_over = true;
    }
}
