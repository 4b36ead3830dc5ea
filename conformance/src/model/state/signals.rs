//! A source of signals.

use super::Claim;
use crate::adapter::SignalEvent;
use crate::model::program::{Set, Signal};

/// A source of signals.
#[derive(Clone, Debug)]
pub(in crate::model) struct Signals {
    pub(in crate::model) set: Set,
    states: [Pending; 2],
    /// Whether SIGUSR1 stays pending when it is not watched, because the thread blocks it.
    is_kept: bool,
}

/// A signal.
#[derive(Copy, Clone, Debug)]
struct Pending {
    /// Whether the next wait reports it.
    claim: Claim,
    /// Whether the last wait has found it, and it was not told yet.
    is_gathered: bool,
    /// It was raised since that wait.
    is_again: bool,
}

const NOTHING: Pending = Pending { claim: Claim::No, is_gathered: false, is_again: false };

impl Signals {
    pub(super) fn new(set: Set) -> Self {
        Signals { set, states: [NOTHING; 2], is_kept: false }
    }

    /// The thread blocks SIGUSR1 by itself.
    pub(in crate::model) fn keep(&mut self) {
        self.is_kept = true;
    }

    pub(in crate::model) fn raise(&mut self, signal: Signal) {
        let state = &mut self.states[signal as usize];
        (state.claim, state.is_again) = (Claim::Must, true);
    }

    /// Changes what is watched; returns what the last wait has found of what is left.
    pub(in crate::model) fn watch(&mut self, set: Set) -> Claim {
        self.set = set;
        for signal in Signal::ALL.into_iter().filter(|signal| !set.has(*signal)) {
            let state = &mut self.states[signal as usize];
            let claim = if self.is_kept { state.claim.min(Claim::May) } else { Claim::No };
            *state = Pending { claim, ..NOTHING };
        }
        self.left()
    }

    pub(super) fn gather(&mut self) -> Claim {
        let watched = Signal::ALL.into_iter().filter(|signal| self.set.has(*signal));
        let mut claim = Claim::No;
        for signal in watched {
            let state = &mut self.states[signal as usize];
            (state.is_gathered, state.is_again) = (state.claim == Claim::Must, false);
            claim = claim.max(state.claim);
        }
        claim
    }

    /// A signal that came after the wait may be told along with the others.
    pub(super) fn call(&mut self, event: SignalEvent) -> Result<Claim, String> {
        let signal = Signal::ALL.into_iter().find(|signal| signal.number() == event.signal);
        let Some(signal) = signal.filter(|signal| self.set.has(*signal)) else {
            return Err("no signal but those that are watched".into());
        };
        let (pid, uid) = (std::process::id(), rustix::process::getuid().as_raw());
        if event.pid.is_some_and(|it| it != pid) || event.uid.is_some_and(|it| it != uid) {
            return Err(format!("a signal of process {pid}, user {uid}"));
        }
        let state = &mut self.states[signal as usize];
        if state.claim == Claim::No {
            return Err(format!("no {signal}, which was told already"));
        }
        state.claim = if state.is_again { Claim::May } else { Claim::No };
        state.is_gathered = false;
        Ok(self.left().max(Claim::May))
    }

    /// What is left of the turn may be lost with it: it was read from the kernel.
    pub(super) fn interrupt(&mut self) {
        for state in &mut self.states {
            state.claim = state.claim.min(Claim::May);
            state.is_gathered = false;
        }
    }

    fn left(&self) -> Claim {
        if self.states.iter().any(|state| state.is_gathered) { Claim::Must } else { Claim::No }
    }
}
