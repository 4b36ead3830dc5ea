//! What a loop claims about when something is called, and before what else.

use std::time::Duration;

use super::compare;
use crate::adapter::{Adapter, Capability, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::{insert_once, insert_reader, let_time_pass};
use crate::rules::timer::all_due;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&IMMEDIATE_TIMERS, immediate_timers),
        Case::new::<A>(&DEADLINE_ORDER, deadline_order),
        Case::new::<A>(&IDLE_ORDER, idle_order),
        Case::new::<A>(&IDLE_AND_EVENTS, idle_and_events),
    ]
}

const WHY: &str = "A program that is moved from loop to loop relies on an order without knowing; and \
                   the rules that rest on it are run or left out by it.";

const IMMEDIATE_TIMERS: Rule = Rule {
    id: "CAP-116",
    level: Level::Should,
    sentence: "A loop SHOULD declare immediate-timers if and only if a timer without delay is due at \
               once.",
    why: WHY,
    source: "wl_event_source_timer_update, documentation: a delay of zero disarms the timer",
    check: "immediate-timers among the capabilities, and what becomes of a delay of zero",
    needs: &[Capability::Timers],
    alone: false,
};

fn immediate_timers<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TRIES: usize = 8;
    let mut at_once = 0;
    for number in 1..=TRIES {
        let mut mark = t.marker("timer");
        A::insert_timer(&t.handle, Duration::ZERO, move |handle, _| {
            mark(handle);
            TimerNext::Stop
        })?;
        let_time_pass();
        t.poll()?;
        at_once += usize::from(t.trial.trace.count("timer") == number);
        t.dispatch_until("the timer in the end", |trace| trace.count("timer") >= number)?;
    }
    // A busy machine makes any timer due, but not each time.
    let seen = format!("{at_once} of {TRIES} were called by a dispatch of zero");
    compare::<A>(Capability::ImmediateTimers, at_once == TRIES, seen)
}

const DEADLINE_ORDER: Rule = Rule {
    id: "CAP-117",
    level: Level::Should,
    sentence: "A loop SHOULD declare deadline-order if and only if timers that are due together fire \
               in the order of their deadlines.",
    why: WHY,
    source: "sd_event_source_set_priority(3): the order of sources of one priority is undefined",
    check: "deadline-order among the capabilities, and what is sorted when several timers are due",
    needs: &[Capability::Timers],
    alone: false,
};

fn deadline_order<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMERS: usize = 24;
    // Neither the order of insertion nor its reverse.
    let order: Vec<usize> = (0..TIMERS).map(|number| number * 7 % TIMERS).collect();
    let handle = t.handle.clone();
    all_due(
        &order,
        |number, delay| insert_once::<A>(&handle, delay, t.marker(format_args!("{number:02}"))),
        |source| A::remove(&handle, source),
    )?;
    t.dispatch_until("every timer to fire", |trace| trace.marks().len() == TIMERS)?;
    let marks = t.trial.trace.marks();
    let seen = format!("called {}", marks.join(" "));
    compare::<A>(Capability::DeadlineOrder, marks.is_sorted(), seen)
}

const IDLE_ORDER: Rule = Rule {
    id: "CAP-118",
    level: Level::Should,
    sentence: "A loop SHOULD declare idle-order if and only if idle callbacks are called in the order \
               of their insertion.",
    why: WHY,
    source: "ev(3): the order of watchers of one priority is undefined; calloop keeps a queue",
    check: "idle-order among the capabilities, and where the next idle callback is taken from",
    needs: &[Capability::Idle],
    alone: false,
};

fn idle_order<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 24;
    for number in 0..COUNT {
        drop(A::insert_idle(&t.handle, t.marker(format_args!("{number:02}")))?);
    }
    t.poll_until("every idle callback to be called", |trace| trace.marks().len() == COUNT)?;
    let marks = t.trial.trace.marks();
    let seen = format!("called {}", marks.join(" "));
    compare::<A>(Capability::IdleOrder, marks.is_sorted(), seen)
}

const IDLE_AND_EVENTS: Rule = Rule {
    id: "CAP-120",
    level: Level::Should,
    sentence: "A loop SHOULD declare idle-after-events if and only if idle callbacks wait for the \
               events of their dispatch, and idle-every-dispatch if and only if a dispatch that has \
               events runs them as well.",
    why: WHY,
    source: "wl_event_loop_dispatch, documentation: idle sources are dispatched before blocking; \
             ev(3), ev_idle: when no other events are pending",
    check: "idle-after-events and idle-every-dispatch among the capabilities",
    needs: &[Capability::Idle, Capability::Descriptors],
    alone: false,
};

fn idle_and_events<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, _source) = insert_reader::<A>(&t.handle, t.marker("event"))?;
    drop(A::insert_idle(&t.handle, t.marker("idle"))?);
    wire.send();
    t.dispatch_until("an event", |trace| trace.count("event") == 1)?;
    let every = t.trial.trace.count("idle") == 1;
    t.poll_until("an idle callback", |trace| trace.count("idle") == 1)?;
    let marks = t.trial.trace.marks();
    let seen = format!("called {}", marks.join(", then "));
    compare::<A>(Capability::IdleAfterEvents, marks == ["event", "idle"], seen)?;
    let seen = format!("the dispatch of an event {} it", if every { "ran" } else { "did not run" });
    compare::<A>(Capability::IdleEveryDispatch, every, seen)
}
