//! Timers that are set anew, silenced and brought back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{all_due, mark_after};
use crate::adapter::{Adapter, Capability, TimerNext};
use crate::fixture::{Fixture, SILENCE};
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::{FAR, has};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&SET_LATER, set_later),
        Case::new::<A>(&SET_EARLIER, set_earlier),
        Case::new::<A>(&SET_OFTEN, set_often),
        Case::new::<A>(&SET_WHEN_DUE, set_when_due),
        Case::new::<A>(&SET_TO_NEVER, set_to_never),
        Case::new::<A>(&DISABLED, disabled),
        Case::new::<A>(&DISABLED_WHEN_DUE, disabled_when_due),
    ]
}

const SET_LATER: Rule = Rule {
    id: "TIMER-122",
    level: Level::Must,
    sentence: "A timer that is set to a later time MUST NOT fire at the former, but at the new one.",
    why: "A timeout is put off whenever there was activity.",
    source: "libuv, test timer_start_twice; IO::Async, test of requeue_timer",
    check: "whether the former entry leaves the heap",
    needs: &[Capability::Timers, Capability::TimerReset],
    alone: false,
};

fn set_later<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let source = mark_after(t, Duration::from_millis(5), "fired")?;
    let (start, delay) = (Instant::now(), Duration::from_millis(20));
    A::reset_timer(&t.handle, &source, delay)?;
    t.dispatch_until("the timer to fire", |trace| trace.count("fired") > 0)?;
    let elapsed = start.elapsed();
    ensure!(
        elapsed >= delay,
        format_args!("a timer that was set from 5 ms to {delay:?} fires then"),
        "it fired after {elapsed:?}"
    );
    t.expect_silence()
}

const SET_EARLIER: Rule = Rule {
    id: "TIMER-123",
    level: Level::Must,
    sentence: "A timer that is set to an earlier time MUST fire then, and not again at the former.",
    why: "What was put off for long can become urgent.",
    source: "libuv, test timer_start_twice; IO::Async, test of requeue_timer",
    check: "whether the new entry takes its place in the heap, and the former leaves it",
    needs: &[Capability::Timers, Capability::TimerReset],
    alone: false,
};

fn set_earlier<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let far = mark_after(t, FAR, "an hour")?;
    // The loop takes note of the former deadline.
    t.poll()?;
    A::reset_timer(&t.handle, &far, Duration::from_millis(1))?;
    t.dispatch_until("a timer set from an hour to 1 ms to fire", |trace| {
        trace.count("an hour") > 0
    })?;
    let near = mark_after(t, SILENCE / 2, "soon")?;
    A::reset_timer(&t.handle, &near, Duration::ZERO)?;
    t.dispatch_until("a timer set to no delay to fire", |trace| trace.count("soon") > 0)?;
    // The former deadline passes meanwhile.
    t.expect_silence()?;
    t.expect_marks(&["an hour", "soon"])
}

const SET_OFTEN: Rule = Rule {
    id: "TIMER-124",
    level: Level::Must,
    sentence: "A timer MUST fire once, however often it was set.",
    why: "A timeout is put off a thousand times a second by a busy connection.",
    source: "smithay, pull request 1927; libuv, documentation of uv_timer_again",
    check: "whether each setting leaves an entry behind",
    needs: &[Capability::Timers, Capability::TimerReset],
    alone: false,
};

fn set_often<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let source = mark_after(t, FAR, "fired")?;
    for round in 0..1_000 {
        A::reset_timer(&t.handle, &source, Duration::from_micros(3_000 + round % 7))?;
    }
    let start = Instant::now();
    let delay = Duration::from_millis(8);
    A::reset_timer(&t.handle, &source, delay)?;
    t.dispatch_until("the timer to fire", |trace| trace.count("fired") > 0)?;
    let elapsed = start.elapsed();
    t.expect_silence()?;
    t.expect_marks(&["fired"])?;
    ensure!(elapsed >= delay, "the last setting to count", "it fired after {elapsed:?}");
    Ok(())
}

const SET_WHEN_DUE: Rule = Rule {
    id: "TIMER-12",
    level: Level::Must,
    sentence: "A timer that is due and is set anew by the callback of another MUST wait for its new \
               time.",
    why: "The key was released before its repeat was due: one more letter is a wrong letter.",
    source: "client-toolkit, issue 356; wayland, test of timers set in a dispatch",
    check: "whether the batch of timers that are due tells an entry from the one it replaced",
    needs: &[Capability::Timers, Capability::TimerReset],
    alone: false,
};

fn set_when_due<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let delay = Duration::from_millis(15);
    let other: Rc<RefCell<Option<A::Source>>> = Rc::default();
    let set: Rc<Cell<Option<Instant>>> = Rc::default();
    let (trace, handle) = (t.trace(), t.handle.clone());
    let sources = all_due(
        &[0, 1, 2],
        |number, after| {
            let (trace, other, set) = (trace.clone(), other.clone(), set.clone());
            A::insert_timer(&handle, after, move |handle, _| {
                trace.mark(number);
                if let (0, Some(other)) = (number, other.take()) {
                    set.set(Some(Instant::now()));
                    let outcome = A::reset_timer(handle, &other, delay);
                    trace.note(format_args!("set 1 to {delay:?}: {outcome:?}"));
                } else if let (1, Some(set)) = (number, set.get()) {
                    trace.note(format_args!("1 fires {:?} after it was set", set.elapsed()));
                }
                TimerNext::Stop
            })
        },
        |source| A::remove(&handle, source),
    )?;
    other.replace(Some(sources[1].clone()));
    t.dispatch_until("the timer that was set anew to fire", |trace| trace.count("1") > 0)?;
    let waited = set.get().map_or(Duration::ZERO, |set| set.elapsed());
    ensure!(
        waited >= delay,
        format_args!("timer 1 fires {delay:?} after timer 0 has set it"),
        "it fired after {waited:?}"
    );
    t.expect_silence()?;
    ensure_eq!(t.trial.trace.marks(), ["0", "2", "1"], "timers by their present deadline");
    Ok(())
}

const SET_TO_NEVER: Rule = Rule {
    id: "TIMER-125",
    level: Level::Must,
    sentence: "A timer that is set to a huge delay MUST NOT fire, and can be set again.",
    why: "It is how a timer is switched off that will be used again.",
    source: "calloop, pull request 121",
    check: "what becomes of the former entry if there is no new one",
    needs: &[Capability::Timers, Capability::TimerReset],
    alone: false,
};

fn set_to_never<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let source = mark_after(t, Duration::from_millis(4), "fired")?;
    A::reset_timer(&t.handle, &source, Duration::MAX)?;
    t.expect_silence()?;
    A::reset_timer(&t.handle, &source, Duration::from_millis(1))?;
    t.dispatch_until("the timer to fire", |trace| trace.count("fired") > 0)?;
    t.expect_silence()
}

const DISABLED: Rule = Rule {
    id: "TIMER-126",
    level: Level::Must,
    sentence: "A timer that is disabled MUST NOT fire nor end a wait; enabled again it MUST fire at \
               its deadline, or at once if that is over.",
    why: "What is paused goes on where it was.",
    source: "libevent, event_del and event_add of timeouts; calloop, test disarm_rearm",
    check: "whether the entry leaves the heap, and which deadline comes back",
    needs: &[Capability::Timers, Capability::Disable],
    alone: false,
};

fn disabled<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (start, delay) = (Instant::now(), Duration::from_millis(60));
    let ahead = mark_after(t, delay, "ahead")?;
    A::disable(&t.handle, &ahead)?;
    let mut over = Vec::new();
    // Again and again, because a busy machine may make up for a wait that ends early.
    for _ in 0..4 {
        let timer = mark_after(t, Duration::from_millis(3), "over")?;
        A::disable(&t.handle, &timer)?;
        over.push(timer);
        let limit = Duration::from_millis(50);
        let elapsed = t.dispatch(Some(limit))?;
        t.expect_marks::<&str>(&[])?;
        ensure!(
            elapsed >= limit || !has::<A>(Capability::OneWaitADispatch),
            format_args!("a wait of {limit:?} beside a timer that is disabled"),
            "it ended after {elapsed:?}"
        );
    }
    A::enable(&t.handle, &ahead)?;
    for timer in &over {
        A::enable(&t.handle, timer)?;
    }
    t.dispatch_until("timers that are over when they are enabled to fire", |trace| {
        trace.count("over") >= over.len()
    })?;
    t.dispatch_until("the other to fire at its deadline", |trace| trace.count("ahead") > 0)?;
    let elapsed = start.elapsed();
    ensure!(elapsed >= delay, format_args!("{delay:?} to pass"), "it fired after {elapsed:?}");
    t.expect_silence()?;
    let calls = ["over", "ahead"].map(|name| t.trial.trace.count(name));
    ensure_eq!(calls, [4, 1], "calls of four timers that were over, and of one that was not");
    Ok(())
}

const DISABLED_WHEN_DUE: Rule = Rule {
    id: "TIMER-13",
    level: Level::Must,
    sentence: "A timer that is due MUST NOT fire once another timer's callback has disabled it, and \
               MUST fire when it is enabled.",
    why: "Whoever silences a source relies on silence, and whoever brings it back on the event.",
    source: "libevent, test of events deleted within a dispatch; calloop, issue 155",
    check: "whether a deadline that was taken into a batch is kept for later",
    needs: &[Capability::Timers, Capability::Disable],
    alone: false,
};

fn disabled_when_due<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let other: Rc<RefCell<Option<A::Source>>> = Rc::default();
    let (trace, handle) = (t.trace(), t.handle.clone());
    let sources = all_due(
        &[0, 1],
        |number, delay| {
            let (trace, other) = (trace.clone(), other.clone());
            A::insert_timer(&handle, delay, move |handle, _| {
                trace.mark(number);
                if let (0, Some(other)) = (number, other.take()) {
                    trace.note(format_args!("disable 1: {:?}", A::disable(handle, &other)));
                }
                TimerNext::Stop
            })
        },
        |source| A::remove(&handle, source),
    )?;
    other.replace(Some(sources[1].clone()));
    t.dispatch_until("the first timer to fire", |trace| trace.count("0") > 0)?;
    t.expect_silence()?;
    t.expect_marks(&["0"])?;
    A::enable(&t.handle, &sources[1])?;
    t.dispatch_until("the other to fire when it is enabled", |trace| trace.count("1") > 0)?;
    t.expect_silence()
}
