//! No time at all, the past, and times beyond every counter.

use std::time::{Duration, Instant};

use super::mark_after;
use crate::adapter::{Adapter, Capability, TimerNext};
use crate::ensure;
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::has;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&AT_ONCE, at_once),
        Case::new::<A>(&IN_THE_PAST, in_the_past),
        Case::new::<A>(&HUGE, huge),
        Case::new::<A>(&HUGE_BESIDE_OTHERS, huge_beside_others),
        Case::new::<A>(&HUGE_LATER, huge_later),
    ]
}

/// Dispatches once, in a way that a timer which is due must end at once, and says how it did not.
fn expect_at_once<A: Adapter>(t: &mut Fixture<'_, A>, limit: Duration, name: &str) -> Check {
    let elapsed = t.dispatch(Some(limit))?;
    ensure!(
        t.trial.trace.count(name) == 1,
        format_args!("{name} to fire in the next dispatch, limit {limit:?}"),
        "it did not, in {elapsed:?}"
    );
    ensure!(elapsed < PATIENCE, "a dispatch that does not wait", "it took {elapsed:?}");
    Ok(())
}

const AT_ONCE: Rule = Rule {
    id: "TIMER-04",
    level: Level::Must,
    sentence: "A timer without delay MUST fire in the next dispatch, also in one that may not wait.",
    why: "It is how work is put off until the present callback has returned.",
    source: "calloop, documentation of Timer::immediate; calloop, test immediate_timer",
    check: "whether timers are looked at when the wait was of no length",
    needs: &[Capability::Timers, Capability::ImmediateTimers],
    alone: false,
};

fn at_once<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for (name, limit) in [("the first", Duration::ZERO), ("the second", PATIENCE * 2)] {
        mark_after(t, Duration::ZERO, name)?;
        expect_at_once(t, limit, name)?;
    }
    // One that has become due meanwhile, too.
    mark_after(t, Duration::from_millis(1), "the third")?;
    std::thread::sleep(Duration::from_millis(4));
    expect_at_once(t, Duration::ZERO, "the third")?;
    t.expect_silence()
}

const IN_THE_PAST: Rule = Rule {
    id: "TIMER-115",
    level: Level::Must,
    sentence: "A timer that is set to an instant in the past MUST fire in the next dispatch.",
    why: "A deadline that was computed may be over before it is set.",
    source: "glib, test of ready times; calloop, documentation of Timer::from_deadline",
    check: "what the difference of a past deadline and now becomes",
    needs: &[Capability::Timers, Capability::Deadlines],
    alone: false,
};

fn in_the_past<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let now = Instant::now();
    let ago = [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(7)];
    // The clock may have started shortly before.
    let instants = ago.into_iter().filter_map(|ago| Some((ago, now.checked_sub(ago)?)));
    for (number, (ago, deadline)) in instants.enumerate() {
        let (trace, name) = (t.trace(), format!("the timer of {ago:?} ago"));
        let mark = name.clone();
        A::insert_deadline(&t.handle, deadline, move |_, _| {
            trace.mark(&mark);
            TimerNext::Stop
        })?;
        let limit = if number == 1 { PATIENCE * 2 } else { Duration::ZERO };
        expect_at_once(t, limit, &name)?;
    }
    t.expect_silence()
}

/// Delays that do not fit into some counter: the first three into none of the usual clocks.
const HUGE_DELAYS: [Duration; 13] = [
    Duration::MAX,
    Duration::from_secs(u64::MAX),
    Duration::from_secs(i64::MAX as u64),
    Duration::from_millis(u64::MAX),
    Duration::from_micros(u64::MAX),
    Duration::from_nanos(u64::MAX),
    Duration::from_nanos(i64::MAX as u64 + 1),
    Duration::from_millis(1 << 48),
    Duration::from_secs(1 << 32),
    Duration::from_secs(1 << 31),
    Duration::from_millis((1 << 32) + 1),
    Duration::from_millis(1 << 32),
    Duration::from_millis(1 << 31),
];

/// Dispatches for a little while, in which nothing must happen.
fn expect_nothing_for<A: Adapter>(
    t: &mut Fixture<'_, A>,
    what: &str,
    delay: Duration,
    time: Duration,
) -> Check {
    const DISPATCHES_MAX: u32 = 3;
    let start = Instant::now();
    let mut dispatches = 0;
    while let Some(remaining) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        t.event_loop.dispatch(Some(remaining))?;
        dispatches += 1;
        let fired = t.trial.trace.marks().len();
        ensure!(fired == 0, format_args!("{what} {delay:?} never fires"), "it did");
        ensure!(
            dispatches <= DISPATCHES_MAX,
            format_args!("a loop that sleeps beside {what} {delay:?}"),
            "{dispatches} dispatches in {:?}",
            start.elapsed()
        );
    }
    Ok(())
}

const HUGE: Rule = Rule {
    id: "TIMER-10",
    level: Level::Must,
    sentence: "A timer with a huge delay MUST NOT fire, nor keep the loop from sleeping, nor panic.",
    why: "The largest duration there is is how programs say never.",
    source: "libuv, test timer_huge_timeout; calloop, test no_overflow and pull request 121",
    check: "sums that overflow, and conversions to milliseconds or to 32 bits that wrap",
    needs: &[Capability::Timers],
    alone: false,
};

fn huge<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for delay in HUGE_DELAYS {
        t.trial.trace.note(format_args!("a timer of {delay:?}"));
        // A loop may also refuse a delay that its clock cannot express.
        if let Ok(source) = mark_after(t, delay, "fired") {
            expect_nothing_for(t, "a timer of", delay, Duration::from_millis(3))?;
            A::remove(&t.handle, source);
        }
    }
    Ok(())
}

const HUGE_BESIDE_OTHERS: Rule = Rule {
    id: "TIMER-116",
    level: Level::Must,
    sentence: "Timers with huge delays MUST NOT get in the way of others.",
    why: "A wrong sum at one end of the heap may put everything else out of order.",
    source: "libuv, test timer_huge_timeout",
    check: "how a deadline that cannot be expressed is ordered against others",
    needs: &[Capability::Timers],
    alone: false,
};

fn huge_beside_others<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut huge = Vec::new();
    for (number, delay) in HUGE_DELAYS.into_iter().enumerate() {
        huge.extend(mark_after(t, delay, format!("the timer of {delay:?}")));
        if number == HUGE_DELAYS.len() / 2 {
            mark_after(t, Duration::from_millis(8), "8 ms")?;
            mark_after(t, Duration::from_millis(2), "2 ms")?;
        }
    }
    ensure!(!huge.is_empty(), "some huge delays to be accepted", "all were refused");
    t.dispatch_until("the short timers to fire", |trace| {
        trace.count("8 ms") > 0 && trace.count("2 ms") > 0
    })?;
    for source in huge {
        A::remove(&t.handle, source);
    }
    t.expect_silence()?;
    if has::<A>(Capability::DeadlineOrder) {
        return t.expect_marks(&["2 ms", "8 ms"]);
    }
    // A busy machine may have let both be due.
    t.expect_counts(1, &["2 ms", "8 ms"], "beside huge ones")
}

const HUGE_LATER: Rule = Rule {
    id: "TIMER-117",
    level: Level::Must,
    sentence: "A timer that asks to repeat after a huge delay MUST have fired for the last time.",
    why: "Never is an answer of a callback, too.",
    source: "calloop, documentation of TimeoutAction::ToDuration; calloop, test no_overflow",
    check: "the sum of now and the delay, where a timer is set anew",
    needs: &[Capability::Timers, Capability::TimerRepeat],
    alone: false,
};

fn huge_later<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for delay in HUGE_DELAYS {
        let fired = std::rc::Rc::new(std::cell::Cell::new(false));
        let (trace, fired_within) = (t.trace(), fired.clone());
        let source = A::insert_timer(&t.handle, Duration::ZERO, move |_, _| {
            if fired_within.replace(true) {
                trace.mark("again");
            }
            TimerNext::After(delay)
        })?;
        t.dispatch_until("the timer to fire once", |_| fired.get())?;
        expect_nothing_for(t, "a timer that repeats after", delay, Duration::from_millis(3))?;
        A::remove(&t.handle, source);
    }
    Ok(())
}
