//! Once, again, and how often when late.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use super::{RESOLUTION, mark_after};
use crate::adapter::{Adapter, Capability, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&ONCE, once),
        Case::new::<A>(&AS_OFTEN_AS_ASKED, as_often_as_asked),
        Case::new::<A>(&ONCE_A_DISPATCH, once_a_dispatch),
        Case::new::<A>(&PAST_AGAIN, past_again),
        Case::new::<A>(&NO_BURST, no_burst),
        Case::new::<A>(&COUNTED_FROM_THE_RETURN, counted_from_the_return),
        Case::new::<A>(&NO_DRIFT, no_drift),
    ]
}

const ONCE: Rule = Rule {
    id: "TIMER-111",
    level: Level::Must,
    sentence: "A timer that is not asked to repeat MUST fire once.",
    why: "A timeout that is declared twice ends the next attempt, too.",
    source: "glib, test timeout_once",
    check: "whether the entry leaves the heap before the callback is called, and is not put back",
    needs: &[Capability::Timers],
    alone: false,
};

fn once<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    mark_after(t, Duration::ZERO, "zero")?;
    mark_after(t, Duration::from_millis(1), "soon")?;
    t.dispatch_until("both timers to fire", |trace| trace.marks().len() >= 2)?;
    t.expect_silence()?;
    t.expect_marks(&["zero", "soon"])
}

const AS_OFTEN_AS_ASKED: Rule = Rule {
    id: "TIMER-112",
    level: Level::Must,
    sentence: "A timer that is asked to repeat MUST fire as often as it is asked to, and then no more.",
    why: "A program that counts ten beats ends with the tenth.",
    source: "libuv, test repeat; calloop, test repeating_timer",
    check: "what becomes of the entry when the callback answers, each time",
    needs: &[Capability::Timers, Capability::TimerRepeat],
    alone: false,
};

fn as_often_as_asked<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for (name, delay) in [("zero", Duration::ZERO), ("short", Duration::from_millis(1))] {
        let (trace, mut left) = (t.trace(), 10);
        A::insert_timer(&t.handle, delay, move |_, _| {
            trace.mark(name);
            left -= 1;
            if left > 0 { TimerNext::After(delay) } else { TimerNext::Stop }
        })?;
    }
    t.dispatch_until("ten beats of both timers", |trace| trace.marks().len() >= 20)?;
    t.expect_silence()?;
    let counts = ["zero", "short"].map(|name| t.trial.trace.count(name));
    ensure_eq!(counts, [10, 10], "times that each of two timers fired, of ten");
    Ok(())
}

const ONCE_A_DISPATCH: Rule = Rule {
    id: "TIMER-09",
    level: Level::Must,
    sentence: "A timer that repeats without delay MUST NOT fire more than once a dispatch.",
    why: "The dispatch would never end, and nothing else would have its turn.",
    source: "calloop, documentation of Timer; Revolt, test ShortTimerDoesNotBlockOtherTimers",
    check: "whether a timer that is set again during a batch joins that batch",
    needs: &[Capability::Timers, Capability::TimerRepeat, Capability::OneWaitADispatch],
    alone: false,
};

fn once_a_dispatch<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const BEATS: u32 = 50;
    let fired = Rc::new(Cell::new(0));
    let fired_within = fired.clone();
    A::insert_timer(&t.handle, Duration::ZERO, move |_, _| {
        fired_within.set(fired_within.get() + 1);
        if fired_within.get() < BEATS { TimerNext::After(Duration::ZERO) } else { TimerNext::Stop }
    })?;
    for before in 0..BEATS {
        t.dispatch_until("the next beat", |_| fired.get() > before)?;
        let at_once = fired.get() - before;
        ensure!(at_once == 1, "one call in each dispatch", "{at_once} calls in one");
    }
    Ok(())
}

const PAST_AGAIN: Rule = Rule {
    id: "TIMER-07",
    level: Level::Must,
    sentence: "A timer that repeats at an instant that is over MUST fire in the next dispatch, which \
               does not wait, and not before.",
    why: "So a beat that was missed is made up for, one step at a time.",
    source: "calloop, book, Timers; calloop, documentation of TimeoutAction::ToInstant",
    check: "what a wait of less than nothing becomes",
    needs: &[Capability::Timers, Capability::Deadlines, Capability::OneWaitADispatch],
    alone: false,
};

fn past_again<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const PERIODS: u32 = 6;
    let period = Duration::from_millis(1);
    let (start, fired) = (Instant::now(), Rc::new(Cell::new(0)));
    let fired_within = fired.clone();
    A::insert_deadline(&t.handle, start + period, move |_, _| {
        fired_within.set(fired_within.get() + 1);
        if fired_within.get() == PERIODS {
            return TimerNext::Stop;
        }
        TimerNext::At(start + period * (fired_within.get() + 1))
    })?;
    thread::sleep(period * (PERIODS + 1));
    for dispatches in 1..=PERIODS {
        // Without limit for some: the timer has to end the wait.
        let timeout = if dispatches % 2 == 0 { Some(Duration::ZERO) } else { None };
        t.dispatch(timeout)?;
        ensure_eq!(fired.get(), dispatches, "calls in {dispatches} dispatches, all of them due");
    }
    t.expect_silence()?;
    ensure_eq!(fired.get(), PERIODS, "calls in the end");
    Ok(())
}

const NO_BURST: Rule = Rule {
    id: "TIMER-113",
    level: Level::Must,
    sentence: "A timer that repeats after a delay MUST fire once when several periods were missed, \
               and then after its delay.",
    why: "A program that was stopped for a while has no use for a burst of beats.",
    source: "libuv, test timer_no_double_call_once; libevent, test persistent_timeout_jump",
    check: "whether the next deadline is counted from the last one, until it is not over",
    needs: &[Capability::Timers, Capability::TimerRepeat],
    alone: false,
};

fn no_burst<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let period = Duration::from_millis(10);
    let last: Rc<Cell<Option<Instant>>> = Rc::default();
    let (trace, mut beats) = (t.trace(), 0);
    A::insert_timer(&t.handle, period, move |_, _| {
        let now = Instant::now();
        let in_a_burst = last.replace(Some(now)).is_some_and(|last| now - last < period);
        trace.mark(if in_a_burst { "burst" } else { "beat" });
        beats += 1;
        if beats < 3 { TimerNext::After(period) } else { TimerNext::Stop }
    })?;
    thread::sleep(period * 4);
    t.poll()?;
    t.expect_marks(&["beat"])?;
    t.dispatch_until("two beats more", |trace| trace.marks().len() >= 3)?;
    t.expect_marks(&["beat"; 3])
}

const COUNTED_FROM_THE_RETURN: Rule = Rule {
    id: "TIMER-08",
    level: Level::Must,
    sentence: "A timer that repeats after a delay MUST leave that delay between the return of its \
               callback and the next call.",
    why: "A callback that takes longer than its period leaves the loop time for the rest.",
    source: "calloop, documentation of TimeoutAction::ToDuration",
    check: "from when the delay is counted: the deadline, the start or the return of the callback",
    needs: &[Capability::Timers, Capability::TimerRepeat],
    alone: false,
};

fn counted_from_the_return<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (delay, work) = (Duration::from_millis(5), Duration::from_millis(4));
    let trace = t.trace();
    let mut returned: Option<Instant> = None;
    let mut beats = 0;
    A::insert_timer(&t.handle, delay, move |_, _| {
        if let Some(returned) = returned {
            let gap = returned.elapsed();
            trace.note(format_args!("called again after {gap:?}"));
            trace.mark(if gap < delay { "too soon" } else { "in time" });
        }
        thread::sleep(work);
        beats += 1;
        returned = Some(Instant::now());
        if beats <= 4 { TimerNext::After(delay) } else { TimerNext::Stop }
    })?;
    t.dispatch_until("four repetitions", |trace| trace.marks().len() >= 4)?;
    let soon = t.trial.trace.count("too soon");
    ensure!(
        soon == 0,
        format_args!("{delay:?} between the return of a callback and its next call"),
        "{soon} of 4 calls were sooner, see the trace"
    );
    Ok(())
}

const NO_DRIFT: Rule = Rule {
    id: "TIMER-114",
    level: Level::Must,
    sentence: "A timer that repeats at its deadline plus a period MUST NOT drift, whatever time the \
               callback takes and however late it is called.",
    why: "The hundredth frame comes a hundred periods after the first, also if each took a while to \
          draw.",
    source: "calloop, book, Timers; zed, pull request 34985",
    check: "whether the instant that the callback answers is kept as it is",
    needs: &[Capability::Timers, Capability::Deadlines, Capability::DeadlineTold],
    alone: false,
};

fn no_drift<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const BEATS: u32 = 20;
    let period = Duration::from_micros(1_500);
    let start = Instant::now();
    // The deadline of each beat, and when it was called.
    let told: Rc<RefCell<Vec<(Duration, Duration)>>> = Rc::default();
    let told_within = told.clone();
    A::insert_deadline(&t.handle, start + period, move |_, deadline| {
        let Some(deadline) = deadline else { return TimerNext::Stop };
        let mut told = told_within.borrow_mut();
        told.push((deadline.saturating_duration_since(start), start.elapsed()));
        if told.len() == BEATS as usize {
            return TimerNext::Stop;
        }
        // Some beats take no time, some half a period, some more than two.
        thread::sleep(period / 2 * [0, 1, 5][told.len() % 3]);
        TimerNext::At(deadline + period)
    })?;
    t.dispatch_until("20 beats", |_| told.borrow().len() >= BEATS as usize)?;
    for (beat, (deadline, called)) in (1..).zip(told.take()) {
        ensure!(
            deadline.abs_diff(period * beat) < RESOLUTION,
            format_args!("deadline of beat {beat} {:?} from the start", period * beat),
            "{deadline:?}"
        );
        ensure!(
            called >= deadline,
            format_args!("beat {beat} not before {deadline:?}"),
            "it came after {called:?}"
        );
    }
    Ok(())
}
