//! Timers that callbacks set, or that come between two waits.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use super::mark_after;
use crate::adapter::{Adapter, Capability, TimerNext};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::FAR;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&NEARER_ONE_COMES, nearer_one_comes),
        Case::new::<A>(&AFTER_WORK, after_work),
    ]
}

const NEARER_ONE_COMES: Rule = Rule {
    id: "TIMER-129",
    level: Level::Must,
    sentence: "A timer that is nearer than those before it MUST end the next wait, whether it was \
               inserted between two dispatches or by a callback.",
    why: "The next deadline may change whenever the loop does not wait.",
    source: "glib, test of ready times; libuv, test backend_timeout",
    check: "whether the next deadline is kept from an earlier wait",
    needs: &[Capability::Timers],
    alone: false,
};

fn nearer_one_comes<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    mark_after(t, FAR, "far")?;
    t.poll()?;
    t.poll()?;
    mark_after(t, Duration::from_millis(2), "between")?;
    t.dispatch_until("a timer that came between two dispatches", |trace| {
        trace.count("between") > 0
    })?;
    let trace = t.trace();
    A::insert_timer(&t.handle, Duration::from_millis(1), move |handle, _| {
        let trace = trace.clone();
        let inserted = A::insert_timer(handle, Duration::from_millis(1), move |_, _| {
            trace.mark("within");
            TimerNext::Stop
        });
        inserted.expect("a timer can be inserted by a timer's callback");
        TimerNext::Stop
    })?;
    t.dispatch_until("a timer that a callback inserted", |trace| trace.count("within") > 0)
}

const AFTER_WORK: Rule = Rule {
    id: "TIMER-130",
    level: Level::Must,
    sentence: "The delay of a timer that a callback sets MUST be counted from then, however long the \
               callback has taken.",
    why: "A loop that counts from the start of its turn makes the timer early by the time of the \
          work.",
    source: "Node.js, test of timers after a blocking callback; libuv, documentation of uv_now",
    check: "whether a time that was read at the start of the dispatch is used",
    needs: &[Capability::Timers],
    alone: false,
};

fn after_work<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (work, delay) = (Duration::from_millis(10), Duration::from_millis(8));
    let waited: Rc<Cell<Option<Duration>>> = Rc::default();
    let waited_within = waited.clone();
    A::insert_timer(&t.handle, Duration::ZERO, move |handle, _| {
        thread::sleep(work);
        let (waited, start) = (waited_within.clone(), Instant::now());
        let inserted = A::insert_timer(handle, delay, move |_, _| {
            waited.set(Some(start.elapsed()));
            TimerNext::Stop
        });
        inserted.expect("a timer can be inserted by a timer's callback");
        TimerNext::Stop
    })?;
    t.dispatch_until("the timer that the callback set", |_| waited.get().is_some())?;
    let waited = waited.get().unwrap_or_default();
    ensure!(
        waited >= delay,
        format_args!("{delay:?} from the setting, which comes after {work:?} of work"),
        "it fired after {waited:?}"
    );
    Ok(())
}
