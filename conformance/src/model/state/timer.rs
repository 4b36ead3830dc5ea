//! A timer.

use std::time::{Duration, Instant};

use super::Claim;
use crate::model::program::When;

/// A timer.
#[derive(Clone, Debug, Default)]
pub(in crate::model) struct Timer {
    /// `None`: not armed.
    pub(in crate::model) due: Option<Due>,
    is_carried: bool,
}

/// When a timer is due, as exactly as is known.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Due {
    pub(in crate::model) from: Instant,
    pub(in crate::model) to: Instant,
    /// Which arming of any timer it was; only what was armed by its insertion is in order.
    pub(in crate::model) sequence: Option<u64>,
}

/// Equal instants of a program are so only if they are counted from one.
pub(in crate::model) fn instant(when: When, start: Instant) -> Option<Instant> {
    match when {
        When::Past(steps) => start.checked_sub(Duration::from_millis(10) * (u32::from(steps) + 1)),
        When::Far(_) => Some(start + when.delay()),
        When::Now | When::Soon | When::Never => None,
    }
}

/// The instant that is so long from another; what is beyond the clock is never.
pub(in crate::model) fn after(now: Instant, delay: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now + delay.min(NEVER)
}

impl Timer {
    /// The dispatch that gathered it failed before it was called.
    pub(super) fn carry(&mut self) {
        self.is_carried = true;
    }

    pub(super) fn claim(&self, now: Instant) -> Claim {
        match self.due {
            None => Claim::No,
            Some(due) if due.to <= now => Claim::Must,
            // A call is judged by its time.
            Some(_) => Claim::May,
        }
    }

    pub(super) fn call(&mut self, told: Option<Instant>, now: Instant) -> Result<Claim, String> {
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
    pub(in crate::model) fn is_before(&self, other: &Timer, is_fifo: bool) -> bool {
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
