//! When futures are polled, and in which order.

use crate::adapter::{Adapter, Capability, Spawn, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::{Kept, insert, wait_once};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&NOT_AT_ONCE, not_at_once),
        Case::new::<A>(&IN_ORDER, in_order),
        Case::new::<A>(&FROM_ANYWHERE, from_anywhere),
        Case::new::<A>(&MANY, many),
        Case::new::<A>(&SELF_WAKING, self_waking),
        Case::new::<A>(&SPAWNERS_DROPPED, spawners_dropped),
    ]
}

const NOT_AT_ONCE: Rule = Rule {
    id: "EXEC-01",
    level: Level::Must,
    sentence: "A future MUST be polled by a dispatch and not where it is spawned, and its output MUST \
               be handed to the callback once.",
    why: "Whoever spawns may hold a lock or a borrow that the future needs.",
    source: "calloop, documentation of Scheduler::schedule and test ready; tokio, spawn_local",
    check: "whether spawning runs the future up to its first wait",
    needs: &[Capability::Executor],
    alone: false,
};

fn not_at_once<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, _) = insert(t)?;
    let trace = t.trace();
    let future = async move {
        trace.mark("polled");
        "output".to_string()
    };
    ensure!(spawner.spawn(future), "the future accepted", "refused");
    let before = t.trial.trace.marks().len();
    ensure!(before == 0, "no poll before the dispatch", "polled where it was spawned");
    t.dispatch_until("the output", |trace| trace.count("output") > 0)?;
    t.expect_sleep()?;
    t.expect_marks(&["polled", "output"])
}

const IN_ORDER: Rule = Rule {
    id: "EXEC-02",
    level: Level::Must,
    sentence: "Futures MUST be polled in the order in which they were spawned, and then in which \
               they were woken.",
    why: "Nobody is overtaken for ever, and what is started first usually is to end first.",
    source: "tokio, documentation of the current-thread scheduler; calloop, observed",
    check: "whether the queue is one, and taken from its other end",
    needs: &[Capability::Executor],
    alone: false,
};

fn in_order<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 8;
    let (spawner, _) = insert(t)?;
    let kept: Vec<Kept> = (0..COUNT).map(|_| Kept::default()).collect();
    for (number, kept) in kept.iter().enumerate() {
        let (trace, kept) = (t.trace(), kept.clone());
        spawner.spawn(async move {
            trace.mark(format_args!("polled {number}"));
            wait_once(kept).await;
            format!("woken {number}")
        });
    }
    let mut expected: Vec<String> = (0..COUNT).map(|number| format!("polled {number}")).collect();
    t.dispatch_until("every future to be polled", |trace| trace.marks().len() >= COUNT)?;
    t.expect_marks(&expected)?;
    let order = [3, 0, 7, 1, 6, 2, 5, 4];
    for number in order {
        kept[number].take().into_iter().for_each(|waker| waker.wake());
        expected.push(format!("woken {number}"));
    }
    t.dispatch_until("every future to end", |trace| trace.marks().len() >= 2 * COUNT)?;
    t.expect_marks(&expected)
}

const FROM_ANYWHERE: Rule = Rule {
    id: "EXEC-03",
    level: Level::Must,
    sentence: "Futures that are spawned from a future, from the executor's callback, and from \
               another source's callback MUST all run.",
    why: "A task starts others, and an output is what the next task begins with.",
    source: "calloop, issues 165 and 171, pull request 172",
    check: "what is borrowed while a future is polled, and whether a wake-up counts that comes then",
    needs: &[Capability::Timers, Capability::Executor],
    alone: false,
};

fn from_anywhere<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // The callback spawns, too, so that it has to know the spawner.
    let (trace, spawn) = (t.trace(), Rc::new(RefCell::new(None::<Box<dyn Fn(&'static str)>>)));
    let from_callback = spawn.clone();
    let (spawner, _) = A::insert_executor(&t.handle, move |_, output: &'static str| {
        trace.mark(output);
        if output == "of a future" {
            let spawn = from_callback.take();
            spawn.into_iter().for_each(|spawn| spawn("of the callback"));
        }
    })?;
    let inner = spawner.clone();
    spawn.replace(Some(Box::new(move |output| {
        inner.spawn(async move { output });
    })));
    let inner = spawner.clone();
    let outer = async move {
        inner.spawn(async { "of a future" });
        "outer"
    };
    ensure!(spawner.spawn(outer), "a future accepted before the first dispatch", "refused");
    A::insert_timer(&t.handle, Duration::from_millis(1), move |_, _| {
        spawner.spawn(async { "of a timer" });
        TimerNext::Stop
    })?;
    for output in ["outer", "of a future", "of the callback", "of a timer"] {
        let what = format!("the output of what was spawned: {output}");
        t.dispatch_until(&what, |trace| trace.count(output) == 1)?;
    }
    t.expect_sleep()
}

const MANY: Rule = Rule {
    id: "EXEC-101",
    level: Level::Must,
    sentence: "However many futures are ready, all MUST run, without any other event.",
    why: "An executor that stops at some number to let others run has to come back by itself.",
    source: "calloop, test more_than_1024",
    check: "whether the executor wakes itself when it leaves its queue unfinished",
    needs: &[Capability::Executor],
    alone: false,
};

fn many<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 5_000;
    let outputs = Rc::new(Cell::new(0));
    let counter = outputs.clone();
    let (spawner, _) = A::insert_executor(&t.handle, move |_, ()| counter.set(counter.get() + 1))?;
    for _ in 0..COUNT {
        spawner.spawn(async {});
    }
    let ended = t.dispatch_until("all futures to run", |_| outputs.get() >= COUNT);
    ensure!(ended.is_ok(), format_args!("{COUNT} outputs"), "{} outputs", outputs.get());
    t.expect_sleep()?;
    ensure_eq!(outputs.get(), COUNT, "outputs");
    Ok(())
}

const SELF_WAKING: Rule = Rule {
    id: "EXEC-05",
    level: Level::Must,
    sentence: "A future that wakes itself whenever it is polled MUST go on to be polled, and MUST NOT \
               keep other sources and other futures from their turn.",
    why: "That is how a task yields; if the loop stays with it, nothing else happens ever again.",
    source: "tokio, documentation of yield_now; calloop, pull request 200",
    check: "whether a turn of the executor has an end when its queue has none",
    needs: &[Capability::Timers, Capability::Executor],
    alone: false,
};

fn self_waking<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // More than a loop polls in the millisecond until the timer is due.
    const POLLS_MAX: u64 = 250_000;
    let (spawner, _) = insert(t)?;
    let polls = Rc::new(Cell::new(0_u64));
    let counter = polls.clone();
    spawner.spawn(poll_fn(move |context| {
        counter.set(counter.get() + 1);
        if counter.get() == POLLS_MAX {
            return Poll::Ready("nobody else had a turn".to_string());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }));
    spawner.spawn(async { "other future".to_string() });
    let mut mark = t.marker("timer");
    A::insert_timer(&t.handle, Duration::from_millis(1), move |handle, _| {
        mark(handle);
        TimerNext::Stop
    })?;
    for other in ["other future", "timer"] {
        let what = format!("the {other} to have its turn");
        t.dispatch_until(&what, |trace| trace.count(other) == 1)?;
        ensure!(polls.get() < POLLS_MAX, what, "not in {POLLS_MAX} polls of one future");
    }
    let before = polls.get();
    t.dispatch_until("the future to be polled again and again", |_| polls.get() > before + 10)
}

const SPAWNERS_DROPPED: Rule = Rule {
    id: "EXEC-07",
    level: Level::Must,
    sentence: "Futures that were spawned MUST go on when nobody is left who could spawn more.",
    why: "Who starts some work need not stay around for it.",
    source: "calloop, issue 34",
    check: "what the drop of the last spawner does",
    needs: &[Capability::Executor],
    alone: false,
};

fn spawners_dropped<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, _) = insert(t)?;
    let kept = Kept::default();
    let waiting = wait_once(kept.clone());
    spawner.spawn(async move {
        waiting.await;
        "woken later".to_string()
    });
    spawner.spawn(async { "not polled yet".to_string() });
    drop(spawner.clone());
    drop(spawner);
    t.dispatch_until("a future that nobody has polled", |trace| {
        trace.count("not polled yet") == 1
    })?;
    t.expect_sleep()?;
    kept.take().into_iter().for_each(|waker| waker.wake());
    t.dispatch_until("a future that waited", |trace| trace.count("woken later") == 1)
}
