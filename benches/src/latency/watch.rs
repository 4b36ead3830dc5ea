//! What the callbacks of a scenario report to: how late each event came, and whether it was the one
//! that had to come.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use hdrhistogram::Histogram;
use reports::record::Bucket;

use super::schedule::{Plan, Schedule};
use crate::tally::Fault;

/// The longest time that is told apart, in nanoseconds: a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// Times are told apart to a hundredth.
const FIGURES: u8 = 2;

/// What the thread of the loop and the generator look at.
#[derive(Debug)]
pub(super) struct Shared {
    schedule: OnceLock<Schedule>,
    /// How many events were sent.
    sent: AtomicU64,
    /// How many came.
    came: AtomicU64,
    /// How many there will be; the greatest number until that is known.
    total: AtomicU64,
    has_failed: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Shared {
            schedule: OnceLock::new(),
            sent: AtomicU64::new(0),
            came: AtomicU64::new(0),
            total: AtomicU64::new(u64::MAX),
            has_failed: AtomicBool::new(false),
        }
    }
}

impl Shared {
    /// Says when the events are due, once and before the first.
    pub(super) fn begin(&self, schedule: Schedule) -> Schedule {
        *self.schedule.get_or_init(|| schedule)
    }

    /// The event of this number is about to be sent; says whether it is the last.
    pub(super) fn sends(&self, schedule: &Schedule, number: u64) -> bool {
        let is_last = schedule.is_last(number, Instant::now());
        if is_last {
            self.total.store(number + 1, Ordering::Relaxed);
        }
        self.sent.store(number + 1, Ordering::Release);
        is_last
    }

    /// How many events came.
    pub(super) fn came(&self) -> u64 {
        self.came.load(Ordering::Acquire)
    }

    /// An event was not the one that had to come, or the loop failed.
    pub(super) fn fail(&self) {
        self.has_failed.store(true, Ordering::Release);
    }

    /// Whether that is so.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }
}

/// Looks at each event as it comes. It belongs to the thread of the loop.
pub(super) struct Watch {
    shared: Arc<Shared>,
    plan: Plan,
    next: Cell<u64>,
    counted: RefCell<Counted>,
    fault: Cell<Option<Fault>>,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, plan: Plan) -> Self {
        Watch {
            shared,
            plan,
            next: Cell::new(0),
            counted: RefCell::new(Counted::default()),
            fault: Cell::new(None),
        }
    }

    /// The next events came, so many at once.
    #[inline]
    pub(super) fn saw(&self, events: u64) {
        self.saw_at(events, Instant::now());
    }

    /// An event of this number came, which should be the next.
    #[inline]
    pub(super) fn saw_number(&self, number: u64) {
        let now = Instant::now();
        match self.next.get() {
            expected if expected == number => self.saw_at(1, now),
            expected => self.fail(Fault::Displaced { expected, came: number }),
        }
    }

    fn saw_at(&self, events: u64, now: Instant) {
        let next = self.next.get();
        let (Some(schedule), sent) = (self.shared.schedule.get(), &self.shared.sent) else {
            return self.fail(Fault::Unsent);
        };
        if events == 0 || next + events > sent.load(Ordering::Acquire) {
            return self.fail(Fault::Unsent);
        }
        for number in next..next + events {
            match now.checked_duration_since(schedule.due(number)) {
                None => return self.fail(Fault::Early(schedule.due(number) - now)),
                Some(_) if number < self.plan.warm_up => {}
                Some(late) => self.counted.borrow_mut().record(late.as_nanos() as u64),
            }
        }
        self.next.set(next + events);
        self.shared.came.store(next + events, Ordering::Release);
    }

    /// For events that nobody sends, as those of timers: says when the next is due, or that there
    /// is none any more.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let schedule = self.shared.schedule.get()?;
        let next = self.next.get();
        if self.is_over() {
            return None;
        }
        self.shared.sends(schedule, next);
        Some(schedule.due(next))
    }

    fn fail(&self, fault: Fault) {
        // The first is the one that explains the others.
        self.fault.set(Some(self.fault.take().unwrap_or(fault)));
        self.shared.fail();
    }

    /// Whether all have come, or one that was wrong.
    pub(super) fn is_over(&self) -> bool {
        self.next.get() >= self.shared.total.load(Ordering::Relaxed) || self.shared.has_failed()
    }

    /// What came, once it is over.
    pub(super) fn finish(&self) -> Result<Counted, Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut counted = self.counted.take();
        counted.missed = self.plan.events.saturating_sub(self.next.get());
        Ok(counted)
    }
}

/// How late events came.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    times: Histogram<u64>,
    /// To the nanosecond, which the histogram does not know.
    longest: u64,
    /// Events that were due and not sent before the time was over.
    pub(super) missed: u64,
}

impl Default for Counted {
    fn default() -> Self {
        let times = Histogram::new_with_bounds(1, LONGEST_NS, FIGURES);
        Counted { times: times.expect("the bounds are in order"), longest: 0, missed: 0 }
    }
}

impl Counted {
    fn record(&mut self, ns: u64) {
        self.times.saturating_record(ns);
        self.longest = self.longest.max(ns);
    }

    /// Those of another slice, too.
    pub(super) fn add(&mut self, other: &Counted) {
        self.times.add(&other.times).expect("both have the same bounds");
        self.longest = self.longest.max(other.longest);
        self.missed += other.missed;
    }

    /// How many there are.
    pub(super) fn samples(&self) -> u64 {
        self.times.len()
    }

    /// As a record keeps them.
    pub(super) fn buckets(&self) -> Vec<Bucket> {
        let bucket = |ns: u64, count| Bucket { ns: ns.min(self.longest), count };
        let recorded = self.times.iter_recorded();
        recorded.map(|it| bucket(it.value_iterated_to(), it.count_at_value())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PERIOD: Duration = Duration::from_millis(1);

    fn watch(events: u64, warm_up: u64) -> (Watch, Schedule) {
        let plan = Plan { period: PERIOD, events, warm_up, is_one_by_one: false };
        let shared = Arc::new(Shared::default());
        let schedule = shared.begin(Schedule::new(Instant::now(), plan));
        (Watch::new(shared, plan), schedule)
    }

    fn send(watch: &Watch, schedule: &Schedule, numbers: std::ops::Range<u64>) {
        numbers.for_each(|number| _ = watch.shared.sends(schedule, number));
    }

    fn milliseconds(counted: &Counted) -> Vec<(f64, u64)> {
        let rounded = |ns: u64| (ns as f64 / 1e5).round() / 10.0;
        counted.buckets().iter().map(|bucket| (rounded(bucket.ns), bucket.count)).collect()
    }

    #[test]
    fn a_stall_is_seen_by_every_event_that_was_due_in_it() {
        let (watch, schedule) = watch(11, 0);
        send(&watch, &schedule, 0..11);
        watch.saw_at(1, schedule.due(0));
        // A loop that is held up for ten periods, then brings all at once: were they timed from when
        // somebody got to them, one would be late.
        watch.saw_at(10, schedule.due(10));
        assert!(watch.is_over());
        let counted = watch.finish().expect("each came once");
        let expected: Vec<(f64, u64)> = (0..10).map(|late| (f64::from(late), 1)).collect();
        assert_eq!(counted.samples(), 11);
        assert_eq!(milliseconds(&counted)[1..], expected[1..]);
        assert_eq!(counted.buckets().last().map(|bucket| bucket.ns), Some(9_000_000), "exactly");
    }

    #[test]
    fn the_first_are_watched_and_not_counted() {
        let (watch, schedule) = watch(3, 2);
        send(&watch, &schedule, 0..3);
        watch.saw_at(3, schedule.due(4));
        assert_eq!(milliseconds(&watch.finish().expect("each came once")), [(2.0, 1)]);
    }

    #[test]
    fn an_event_too_many_is_a_fault() {
        let (watch, schedule) = watch(3, 0);
        send(&watch, &schedule, 0..1);
        watch.saw_at(1, schedule.due(0));
        assert!(!watch.is_over());
        watch.saw_at(1, schedule.due(0));
        assert!(watch.is_over() && matches!(watch.finish(), Err(Fault::Unsent)));
    }

    #[test]
    fn a_callback_without_an_event_is_a_fault() {
        let (watch, schedule) = watch(3, 0);
        send(&watch, &schedule, 0..1);
        watch.saw_at(0, schedule.due(0));
        assert!(matches!(watch.finish(), Err(Fault::Unsent)));
    }

    #[test]
    fn another_event_than_the_next_is_a_fault() {
        for came in [0, 2] {
            let (watch, schedule) = watch(3, 0);
            send(&watch, &schedule, 0..3);
            watch.saw_at(1, schedule.due(2));
            watch.saw_number(came);
            let fault = watch.finish().expect_err("1 had to come");
            assert!(matches!(fault, Fault::Displaced { expected: 1, .. }), "{came}: {fault}");
        }
    }

    #[test]
    fn an_event_before_its_time_is_a_fault() {
        let (watch, schedule) = watch(3, 0);
        send(&watch, &schedule, 0..3);
        watch.saw_at(2, schedule.due(0));
        assert!(matches!(watch.finish(), Err(Fault::Early(early)) if early == PERIOD));
    }

    #[test]
    fn the_slices_of_an_engine_are_added() {
        let mut sum = Counted::default();
        for ns in [1_000, 2_000, 70_000_000_000] {
            let mut slice = Counted { missed: 1, ..Counted::default() };
            slice.record(ns);
            sum.add(&slice);
        }
        assert_eq!((sum.samples(), sum.missed), (3, 3));
        let buckets = sum.buckets();
        assert_eq!(buckets.iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [1, 1, 1]);
        for (bucket, ns) in buckets.iter().zip([1_000, 2_000]) {
            assert!((ns..ns + ns / 50).contains(&bucket.ns), "{bucket:?} is {ns} to a hundredth");
        }
    }
}
