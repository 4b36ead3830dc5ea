//! What a wait returned, until it was delivered.
//!
//! The batch belongs to the loop, not to the dispatch: when a callback fails or panics, the events
//! behind it stay and the next dispatch begins with them.

use std::collections::{HashSet, VecDeque};

use crate::interest::Readiness;
use crate::reactor::Expiry;
use crate::registry::{Registration, Target};
use crate::sys::Events;
use crate::token::{Addressee, KernelKey, Token};
use crate::wake::WakeNode;

/// Something that became ready according to the kernel.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) key: KernelKey,
    pub(crate) readiness: Readiness,
    /// The latest epoch when it was reported.
    epoch: u64,
}

impl Ready {
    /// The source that it is for; `None`: it is not for a source.
    #[inline]
    pub(crate) fn target(self) -> Option<Target> {
        let Addressee::Source { index, sub_id, guard } = self.key.addressee() else { return None };
        let registration = Registration::AtMost { limit: self.epoch, guard };
        Some(Target { index, sub_id, registration })
    }
}

pub(crate) struct Batch {
    /// What `before_sleep` hooks asked for.
    pub(crate) synthetic: VecDeque<(Readiness, Token)>,
    /// Woken nodes, with the token each was registered under when it was taken.
    pub(crate) woken: VecDeque<(WakeNode, Token)>,
    /// What the kernel reported in a wait before the last one.
    overdue: VecDeque<Ready>,
    /// What the kernel reported in the last wait, as it stands in the kernel's buffer ...
    pub(crate) events: Events,
    /// ... how much of it was delivered ...
    delivered: usize,
    /// ... and the latest epoch at that wait.
    epoch: u64,
    /// Timers and futures whose deadline has passed.
    pub(crate) expired: VecDeque<Expiry>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Batch {
            synthetic: VecDeque::new(),
            woken: VecDeque::new(),
            overdue: VecDeque::new(),
            events: Events::new(),
            delivered: 0,
            epoch: 0,
            expired: VecDeque::new(),
        }
    }

    /// Whether there is nothing left to deliver.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.delivered == self.events.len()
            && self.woken.is_empty()
            && self.expired.is_empty()
            && self.synthetic.is_empty()
            && self.overdue.is_empty()
    }

    /// Empties the kernel's buffer for the next wait, keeping what was not delivered.
    #[inline]
    pub(crate) fn make_room(&mut self) {
        for position in self.delivered..self.events.len() {
            let ready = self.reported(position);
            self.overdue.push_back(ready);
        }
        self.events.clear();
        self.delivered = 0;
    }

    /// Takes note that `events` holds what a wait reported, and of the epoch it was made in.
    #[inline]
    pub(crate) fn filled(&mut self, epoch: u64) {
        self.epoch = epoch;
        if !self.overdue.is_empty() {
            // A level-triggered descriptor is reported again for as long as it is ready; once is
            // enough, and the newer report tells more.
            let again: HashSet<u64> =
                (0..self.events.len()).map(|position| self.events.get(position).0.0).collect();
            self.overdue.retain(|ready| !again.contains(&ready.key.0));
        }
    }

    /// Whether the wait reported nothing but the loop's own wake-up or alarm.
    #[inline]
    pub(crate) fn is_spurious(&self) -> bool {
        const OWN: [KernelKey; 2] = [KernelKey::NOTIFIER, KernelKey::ALARM];
        self.events.len() <= OWN.len()
            && (0..self.events.len()).all(|position| OWN.contains(&self.events.get(position).0))
    }

    /// The next thing that the last wait reported as ready, in the kernel's order.
    #[inline]
    pub(crate) fn next_ready(&mut self) -> Option<Ready> {
        if self.delivered >= self.events.len() {
            return None;
        }
        let ready = self.reported(self.delivered);
        self.delivered += 1;
        Some(ready)
    }

    /// Whether something is left from an earlier wait, which comes before all of the last.
    #[inline]
    pub(crate) fn has_overdue(&self) -> bool {
        !self.overdue.is_empty()
    }

    /// The next of that.
    pub(crate) fn next_overdue(&mut self) -> Option<Ready> {
        self.overdue.pop_front()
    }

    #[inline]
    fn reported(&self, position: usize) -> Ready {
        let (key, readiness) = self.events.get(position);
        Ready { key, readiness, epoch: self.epoch }
    }

    /// Collects what is addressed to the source in slot `index`, in the order of delivery, without
    /// what its own hook asked for.
    pub(crate) fn events_of(
        &self,
        index: u32,
        mut resolve: impl FnMut(Target) -> Option<Token>,
        events: &mut Vec<(Readiness, Token)>,
    ) {
        let woken = self.woken.iter().map(|(_, token)| (Target::of(*token), Readiness::EMPTY));
        let overdue = self.overdue.iter().copied();
        let fresh = (self.delivered..self.events.len()).map(|position| self.reported(position));
        let ready = overdue
            .chain(fresh)
            .filter_map(|ready| ready.target().map(|target| (target, ready.readiness)));
        let expired = self.expired.iter().filter_map(|expiry| match expiry {
            Expiry::Source(token) => Some((Target::of(*token), Readiness::EMPTY)),
            Expiry::Future(_) => None,
        });
        let own = woken.chain(ready).chain(expired).filter(|(target, _)| target.index == index);
        events.extend(own.filter_map(|(target, readiness)| Some((readiness, resolve(target)?))));
    }
}
