//! Timers and their precision.

use std::time::{Duration, Instant};

use crate::adapter::{Adapter, Capability, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&NEVER_EARLY, never_early),
        Case::new::<A>(&DEADLINE_ORDER, deadline_order),
        Case::new::<A>(&EQUAL_DEADLINES, equal_deadlines),
    ]
}

const NEVER_EARLY: Rule = Rule {
    id: "TIMER-01",
    level: Level::Must,
    sentence: "A timer MUST NOT fire before its delay is over.",
    why: "Whoever waits for a time acts on it: a frame drawn early, a retry sent early, a timeout \
          declared early are wrong, where a late one is only late.",
    source: "timer_settime(2): expirations are never early; libuv, test timer_early_check",
    check: "how the time to wait is rounded: towards zero makes it early",
    needs: &[],
    alone: false,
};

fn never_early<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // From 1 µs to 0.3 s, about a third more each time, with no round numbers among them.
    let mut micros = 1.0;
    while micros < 300_000.0 {
        let delay = Duration::from_nanos((micros * 1_000.0) as u64);
        let (trace, start) = (t.trace(), Instant::now());
        A::insert_timer(&t.handle, delay, move |_, _| {
            let elapsed = start.elapsed();
            trace.mark(if elapsed < delay { "early" } else { "due" });
            trace.note(format_args!("{elapsed:?} after it was set to {delay:?}"));
            TimerNext::Stop
        })?;
        let before = t.trial.trace.marks().len();
        t.dispatch_until("the timer to fire", |trace| trace.marks().len() > before)?;
        micros *= 1.31;
    }
    let early = t.trial.trace.count("early");
    ensure!(early == 0, "no timer fires early", "{early} did, see the trace");
    Ok(())
}

const DEADLINE_ORDER: Rule = Rule {
    id: "TIMER-05",
    level: Level::Must,
    sentence: "Timers that are due in one dispatch MUST fire in the order of their deadlines.",
    why: "Programs set timers relative to each other and rely on the order.",
    source: "wayland, test timer_order; libuv, test timer_order",
    check: "what the heap or list of timers is ordered by, and whether a batch keeps that order",
    needs: &[],
    alone: false,
};

fn deadline_order<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for millis in [5, 1, 4, 2, 3] {
        let trace = t.trace();
        A::insert_timer(&t.handle, Duration::from_millis(millis), move |_, _| {
            trace.mark(format_args!("{millis} ms"));
            TimerNext::Stop
        })?;
    }
    // All are due when the loop comes to look.
    std::thread::sleep(Duration::from_millis(8));
    t.dispatch_until("five timers to fire", |trace| trace.marks().len() == 5)?;
    t.expect_marks(&["1 ms", "2 ms", "3 ms", "4 ms", "5 ms"])
}

const EQUAL_DEADLINES: Rule = Rule {
    id: "TIMER-06",
    level: Level::Must,
    sentence: "Timers of one deadline MUST fire in the order of their insertion.",
    why: "Work that is put off to the same moment stays in order, as in a queue.",
    source: "libuv and glib order equal deadlines by insertion; calloop keeps a counter for it",
    check: "whether the order of timers has a second key: a sequence number",
    needs: &[Capability::Deadlines, Capability::EqualDeadlinesFifo],
    alone: false,
};

fn equal_deadlines<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let deadline = Instant::now() + Duration::from_millis(2);
    for number in 0..50 {
        let trace = t.trace();
        A::insert_deadline(&t.handle, deadline, move |_, _| {
            trace.mark(number);
            TimerNext::Stop
        })?;
    }
    t.dispatch_until("fifty timers to fire", |trace| trace.marks().len() == 50)?;
    let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    ensure_eq!(t.trial.trace.marks(), expected, "order of firing");
    Ok(())
}
