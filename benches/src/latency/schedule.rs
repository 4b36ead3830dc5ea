//! When events are due: at a fixed rate, whatever became of those before.

use std::time::{Duration, Instant};

/// How long after the last event is due the others may still be sent. What was held up for a moment
/// gets all of them out.
const GRACE: Duration = Duration::from_millis(20);

/// The same where it is the loop that holds up what sends: its delays are not to be left out.
const GRACE_ONE_BY_ONE: Duration = Duration::from_millis(500);

/// How many events there are, and how far apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) period: Duration,
    /// How many are sent.
    pub(super) events: u64,
    /// How many of the first are not counted: what is only done once is done there.
    pub(super) warm_up: u64,
    pub(super) is_one_by_one: bool,
}

impl Plan {
    /// As many events as take about `slice`, but so many at least, and a tenth before them.
    pub(super) fn within(slice: Duration, period: Duration, at_least: u64) -> Self {
        let counted = (slice.as_nanos() / period.as_nanos()) as u64;
        let counted = counted.max(at_least);
        let warm_up = counted / 10;
        Plan { period, events: counted + warm_up, warm_up, is_one_by_one: false }
    }

    /// The same, each event sent when the last has come.
    pub(super) fn one_by_one(self, is_one_by_one: bool) -> Self {
        Plan { is_one_by_one, ..self }
    }

    fn grace(&self) -> Duration {
        if self.is_one_by_one { GRACE_ONE_BY_ONE } else { GRACE }
    }
}

/// A plan from an instant on.
#[derive(Copy, Clone, Debug)]
pub(super) struct Schedule {
    start: Instant,
    pub(super) plan: Plan,
}

impl Schedule {
    pub(super) fn new(start: Instant, plan: Plan) -> Self {
        Schedule { start, plan }
    }

    /// When the event of this number is due. Events that come late move none of those after them.
    #[inline]
    pub(super) fn due(&self, number: u64) -> Instant {
        let period = u64::try_from(self.plan.period.as_nanos()).unwrap_or(u64::MAX);
        self.start + Duration::from_nanos(period.saturating_mul(number))
    }

    /// Whether this is the last event to be sent: the last there is, or the first after the time is
    /// over.
    pub(super) fn is_last(&self, number: u64, now: Instant) -> bool {
        number + 1 >= self.plan.events || now > self.due(self.plan.events) + self.plan.grace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(10);
    const PLAN: Plan = Plan { period: PERIOD, events: 5, warm_up: 0, is_one_by_one: false };

    #[test]
    fn a_slice_has_as_many_events_as_fit_and_a_tenth_before_them() {
        let plan = |slice, period, at_least| {
            let [slice, period] = [slice, period].map(Duration::from_micros);
            let Plan { events, warm_up, .. } = Plan::within(slice, period, at_least);
            (events, warm_up)
        };
        assert_eq!(plan(40_000, 100, 2), (440, 40));
        assert_eq!(plan(40_000, 10_000, 2), (4, 0));
        assert_eq!(plan(40_000, 100_000, 2), (2, 0));
    }

    #[test]
    fn events_are_due_at_a_fixed_rate() {
        let start = Instant::now();
        let schedule = Schedule::new(start, PLAN);
        let due: Vec<Duration> = (0..3).map(|number| schedule.due(number) - start).collect();
        assert_eq!(due, [Duration::ZERO, PERIOD, 2 * PERIOD]);
    }

    #[test]
    fn the_last_event_is_that_of_the_plan_or_the_first_that_is_too_late() {
        let start = Instant::now();
        let schedule = Schedule::new(start, PLAN);
        assert!(!schedule.is_last(3, schedule.due(3)));
        assert!(schedule.is_last(4, schedule.due(4)));
        let over = schedule.due(5) + GRACE;
        assert!(!schedule.is_last(1, over), "it may be late");
        let too_late = over + Duration::from_nanos(1);
        assert!(schedule.is_last(1, too_late), "but not for ever");
        let patient = Schedule::new(start, PLAN.one_by_one(true));
        assert!(!patient.is_last(1, too_late), "it waits for the loop");
        assert!(patient.is_last(1, too_late + GRACE_ONE_BY_ONE));
    }
}
