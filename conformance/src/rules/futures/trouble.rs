//! Executors that are removed, futures that panic.

use std::cell::RefCell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;

use super::insert;
use crate::adapter::{Adapter, Capability, Spawn};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::OnDrop;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&EXECUTOR_REMOVED, executor_removed),
        Case::new::<A>(&PANICKING_FUTURE, panicking_future),
    ]
}

const EXECUTOR_REMOVED: Rule = Rule {
    id: "EXEC-06",
    level: Level::Must,
    sentence: "When an executor is removed its futures MUST be dropped, once and on the loop's \
               thread, by the end of the next dispatch, and spawning MUST be refused from then on.",
    why: "What the futures hold is released where it belongs, and nobody waits for what never runs.",
    source: "calloop, documentation of ExecutorDestroyed; tokio, documentation of LocalSet",
    check: "who holds the futures that wait: a waker, a spawner, a queue",
    needs: &[Capability::Executor],
    alone: false,
};

fn executor_removed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, source) = insert(t)?;
    let wakers = Rc::new(RefCell::new(Vec::new()));
    for name in ["polled", "not polled"] {
        let (trace, here) = (t.trace(), thread::current().id());
        let captured = OnDrop(move || {
            let is_here = thread::current().id() == here;
            trace.mark(format_args!("{name}, dropped{}", if is_here { "" } else { " elsewhere" }));
        });
        let kept = wakers.clone();
        spawner.spawn(async move {
            let _captured = captured;
            std::future::poll_fn(|context| {
                kept.borrow_mut().push(context.waker().clone());
                std::task::Poll::Ready(())
            })
            .await;
            pending().await
        });
        if name == "polled" {
            t.dispatch_until("the first future to wait", |_| !wakers.borrow().is_empty())?;
        }
    }
    A::remove(&t.handle, source);
    t.deliver()?;
    let mut marks = t.trial.trace.marks();
    marks.sort();
    let expected = ["not polled, dropped", "polled, dropped"];
    ensure!(marks == expected, expected.join("; "), "{}", marks.join("; "));
    let accepted = spawner.spawn(async { "late".to_string() });
    ensure!(!accepted, "a future refused that comes too late", "accepted");
    drop(wakers);
    t.expect_silence()
}

const PANICKING_FUTURE: Rule = Rule {
    id: "EXEC-09",
    level: Level::Must,
    sentence: "A future that panics MUST NOT keep the others of its executor from running in a later \
               dispatch.",
    why: "A server that catches the panic of one request goes on with the rest of them.",
    source: "std::panic::catch_unwind; an executor is one source of the loop, its futures are many",
    check: "whether the executor is still woken after a panic has left its loop over the futures",
    needs: &[Capability::Executor, Capability::Panics],
    alone: false,
};

fn panicking_future<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, _) = insert(t)?;
    spawner.spawn(async { panic!("as the rule has it") });
    for value in ["second", "third"] {
        spawner.spawn(async move { value.to_string() });
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| t.poll()));
    t.trial.trace.note(format_args!("the panic came out of the dispatch: {}", outcome.is_err()));
    t.dispatch_until("the other futures to run", |trace| trace.count("third") == 1)?;
    t.expect_sleep()?;
    t.expect_marks(&["second", "third"])
}
