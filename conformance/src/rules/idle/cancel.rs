//! Cancelling an idle callback at every moment of its life.

use super::Canceller;
use super::kit::{has, insert_reader};
use crate::adapter::{Adapter, CancelIdle, Capability};
use crate::ensure_eq;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&BEFORE, before),
        Case::new::<A>(&BY_EARLIER, by_earlier),
        Case::new::<A>(&BY_ITSELF, by_itself),
        Case::new::<A>(&AFTERWARDS, afterwards),
        Case::new::<A>(&BY_EVENT, by_event),
        Case::new::<A>(&DROPPED, dropped),
    ]
}

const BEFORE: Rule = Rule {
    id: "IDLE-05",
    level: Level::Must,
    sentence: "An idle callback that is cancelled before it ran MUST NOT be called, and the others \
               MUST be.",
    why: "What it was to do may not make sense any more: its window is closed, its file is gone.",
    source: "calloop, documentation of Idle::cancel; calloop, test cancel_idle; IO::Async, \
             LoopTests, idle",
    check: "how the queue finds the one to cancel, and what it leaves in its place",
    needs: &[Capability::Idle, Capability::IdleCancel],
    alone: false,
};

fn before<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // The first, one in the middle, the last.
    for cancelled in ["a", "c", "e"] {
        for name in ["a", "b", "c", "d", "e"] {
            let idle = A::insert_idle(&t.handle, t.marker(name))?;
            if name == cancelled {
                idle.cancel();
            }
        }
        let before = t.trial.trace.marks().len();
        t.poll_until("four idle callbacks", |trace| trace.marks().len() >= before + 4)?;
        t.poll()?;
        let mut expected = vec!["a", "b", "c", "d", "e"];
        expected.retain(|name| *name != cancelled);
        let mut called = t.trial.trace.marks().split_off(before);
        if !has::<A>(Capability::IdleOrder) {
            called.sort();
        }
        ensure_eq!(called, expected, "called when {cancelled} is cancelled");
    }
    Ok(())
}

const BY_EARLIER: Rule = Rule {
    id: "IDLE-101",
    level: Level::Must,
    sentence: "An idle callback that is cancelled by an earlier one of the same pass MUST NOT be \
               called.",
    why: "The earlier one may have done the work, or have destroyed what the later one uses.",
    source: "calloop, documentation of Idle::cancel; glib: a source that is destroyed is not \
             dispatched",
    check: "whether a pass takes the callbacks out of reach of their cancellation",
    needs: &[Capability::Idle, Capability::IdleCancel],
    alone: false,
};

fn by_earlier<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // Two that cancel each other, so that it does not matter which is earlier.
    let (first, second) = (Canceller::default(), Canceller::default());
    for (own, other) in [(&first, &second), (&second, &first)] {
        let (trace, victim) = (t.trace(), other.clone());
        own.set(A::insert_idle(&t.handle, move |_| {
            trace.mark("one of two");
            victim.cancel();
        })?);
    }
    let bystander = A::insert_idle(&t.handle, t.marker("bystander"))?;
    t.poll_until("the other idle callbacks", |trace| trace.marks().len() >= 2)?;
    t.poll()?;
    drop(bystander);
    t.expect_counts(1, &["one of two", "bystander"], "when two cancel each other")
}

const BY_ITSELF: Rule = Rule {
    id: "IDLE-06",
    level: Level::Must,
    sentence: "An idle callback that cancels itself while it runs MUST run to its end, and so MUST \
               the others.",
    why: "The tear-down of an object cancels what it has pending, and may be called from there.",
    source: "glib: g_source_destroy of the running source is allowed; calloop, documentation of \
             Idle::cancel has no exception",
    check: "whether the callback is borrowed while it is called",
    needs: &[Capability::Idle, Capability::IdleCancel],
    alone: false,
};

fn by_itself<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, canceller) = (t.trace(), Canceller::default());
    let itself = canceller.clone();
    canceller.set(A::insert_idle(&t.handle, move |_| {
        trace.mark("begins");
        itself.cancel();
        trace.mark("ends");
    })?);
    let other = A::insert_idle(&t.handle, t.marker("other"))?;
    t.poll_until("the other idle callback", |trace| trace.count("other") > 0)?;
    t.poll()?;
    drop(other);
    let begins = t.trial.trace.marks().iter().position(|mark| mark == "begins");
    let ends = t.trial.trace.marks().iter().position(|mark| mark == "ends");
    ensure_eq!(ends, begins.map(|begins| begins + 1), "place of its end, behind its beginning");
    ensure_eq!(t.trial.trace.marks().len(), 3, "marks: of its beginning, its end and the other");
    Ok(())
}

const AFTERWARDS: Rule = Rule {
    id: "IDLE-102",
    level: Level::Must,
    sentence: "Cancelling an idle callback that has run MUST do nothing, also when new ones have \
               taken its place.",
    why: "A program keeps what cancels it and need not know whether it has run.",
    source: "calloop, documentation of Idle::cancel",
    check: "whether the name of a callback can come to mean another one",
    needs: &[Capability::Idle, Capability::IdleCancel],
    alone: false,
};

fn afterwards<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for _ in 0..10 {
        let old = A::insert_idle(&t.handle, t.marker("old"))?;
        t.poll()?;
        let new = A::insert_idle(&t.handle, t.marker("new"))?;
        old.cancel();
        t.poll()?;
        drop(new);
    }
    ensure_eq!(t.trial.trace.count("old"), 10, "callbacks run before they were cancelled");
    ensure_eq!(t.trial.trace.count("new"), 10, "callbacks run that were not cancelled");
    Ok(())
}

const BY_EVENT: Rule = Rule {
    id: "IDLE-103",
    level: Level::Must,
    sentence: "An idle callback that is cancelled by the callback of an event MUST NOT run in that \
               dispatch, nor later.",
    why: "The event may have made the work pointless: the last moment to say so is then.",
    source: "calloop, documentation of Idle::cancel",
    check: "whether the queue is taken before the events are delivered",
    needs: &[
        Capability::Descriptors,
        Capability::Idle,
        Capability::IdleCancel,
        Capability::IdleAfterEvents,
        Capability::OneWaitADispatch,
    ],
    alone: false,
};

fn by_event<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, canceller) = (t.trace(), Canceller::default());
    let pending = canceller.clone();
    let (wire, _source) = insert_reader::<A>(&t.handle, move |_| {
        trace.mark("event");
        pending.cancel();
    })?;
    canceller.set(A::insert_idle(&t.handle, t.marker("cancelled"))?);
    wire.send();
    t.poll()?;
    t.poll()?;
    t.expect_marks(&["event"])
}

const DROPPED: Rule = Rule {
    id: "IDLE-104",
    level: Level::Must,
    sentence: "Dropping what could cancel an idle callback MUST NOT cancel it.",
    why: "Most callers never cancel; their callbacks would be lost on the line that inserts them.",
    source: "calloop, documentation of LoopHandle::insert_idle",
    check: "whether the queue holds the callback, or only a weak reference to it",
    needs: &[Capability::Idle],
    alone: false,
};

fn dropped<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    drop(A::insert_idle(&t.handle, t.marker("dropped before the dispatch"))?);
    let trace = t.trace();
    let idle = A::insert_idle(&t.handle, move |handle| {
        let inner = trace.clone();
        match A::insert_idle(handle, move |_| inner.mark("dropped in a callback")) {
            Ok(idle) => drop(idle),
            Err(failure) => trace.mark(format_args!("not inserted: {failure}")),
        }
    })?;
    drop(idle);
    t.poll_until("the second callback", |trace| trace.marks().len() > 1)?;
    t.poll()?;
    t.expect_marks(&["dropped before the dispatch", "dropped in a callback"])
}
