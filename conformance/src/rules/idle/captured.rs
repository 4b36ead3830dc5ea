//! What idle callbacks have captured.

use std::rc::Rc;

use super::kit::OnDrop;
use crate::adapter::{Adapter, CancelIdle, Capability};
use crate::ensure_eq;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&RELEASED, released),
        Case::new::<A>(&DROP_USES_LOOP, drop_uses_loop),
        Case::new::<A>(&DROPPED_WITH_LOOP, dropped_with_loop),
    ]
}

const RELEASED: Rule = Rule {
    id: "IDLE-110",
    level: Level::Must,
    sentence: "What an idle callback has captured MUST be dropped when it has run or was cancelled, \
               at the latest with the next dispatch, also while its handle is kept.",
    why: "It may hold a buffer, a lock, the last reference to a window.",
    source: "calloop, documentation of LoopHandle::insert_idle: the callback is an FnOnce",
    check: "whether the handle keeps the callback alive, and what becomes of a cancelled one",
    needs: &[Capability::Idle, Capability::IdleCancel],
    alone: false,
};

fn released<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let witness = Rc::new(());
    let holding = |trace: crate::trace::Trace| {
        let witness = witness.clone();
        move |_: &A::Handle| trace.mark(format_args!("{} holders", Rc::strong_count(&witness)))
    };
    let kept = A::insert_idle(&t.handle, holding(t.trace()))?;
    let cancelled = A::insert_idle(&t.handle, holding(t.trace()))?;
    cancelled.cancel();
    t.poll_until("the other idle callback", |trace| !trace.marks().is_empty())?;
    t.poll()?;
    ensure_eq!(t.trial.trace.marks().len(), 1, "callbacks run");
    ensure_eq!(Rc::strong_count(&witness), 1, "holders of what the callbacks have captured");
    drop(kept);
    Ok(())
}

const DROP_USES_LOOP: Rule = Rule {
    id: "IDLE-112",
    level: Level::Must,
    sentence: "What an idle callback has captured MUST be able to use the loop while it is dropped, \
               be it by a cancellation or after the call.",
    why: "A guard that puts things right when it is dropped inserts an idle callback or a source.",
    source: "glib, tests finalization-from-source and callbackfuncs-unref",
    check: "what is borrowed or locked while a callback is dropped",
    needs: &[Capability::Idle, Capability::IdleCancel],
    alone: false,
};

fn drop_uses_loop<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let guard = |name: &'static str, called: &'static str| {
        let (handle, trace) = (t.handle.clone(), t.trace());
        let on_drop = OnDrop(move || {
            trace.mark(name);
            let inner = trace.clone();
            match A::insert_idle(&handle, move |_| inner.mark(called)) {
                Ok(idle) => drop(idle),
                Err(failure) => trace.mark(format_args!("not inserted: {failure}")),
            }
        });
        move |_: &A::Handle| drop(on_drop)
    };
    let cancelled = A::insert_idle(&t.handle, guard("cancelled", "after the cancellation"))?;
    let run = A::insert_idle(&t.handle, guard("run", "after the run"))?;
    cancelled.cancel();
    t.poll_until("what the guards insert", |trace| trace.marks().len() >= 4)?;
    t.poll()?;
    drop(run);
    for mark in ["cancelled", "after the cancellation", "run", "after the run"] {
        ensure_eq!(t.trial.trace.count(mark), 1, "how often: {mark}");
    }
    Ok(())
}

const DROPPED_WITH_LOOP: Rule = Rule {
    id: "IDLE-115",
    level: Level::Must,
    sentence: "Idle callbacks that are pending when the loop is dropped MUST be dropped with it, and \
               MUST NOT be called.",
    why: "What they would use is about to be gone, and what they hold has to be let go.",
    source: "glib, test unref-while-pending; libevent, test free_active_base",
    check: "whether the queue is part of what the loop drops",
    needs: &[Capability::Idle],
    alone: false,
};

fn dropped_with_loop<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let witness = Rc::new(());
    let event_loop = A::new()?;
    for _ in 0..3 {
        let (trace, held) = (t.trace(), witness.clone());
        let idle = A::insert_idle(&event_loop.handle(), move |_| {
            trace.mark(format_args!("called with {} holders", Rc::strong_count(&held)));
        })?;
        drop(idle);
    }
    drop(event_loop);
    t.expect_marks::<&str>(&[])?;
    ensure_eq!(Rc::strong_count(&witness), 1, "holders of what the callbacks have captured");
    Ok(())
}
