//! Futures in the loop.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io::Read;
use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;

use super::calloop::RegistrationToken;
use super::calloop::futures::{Scheduler, executor};
use super::fixture::Fixture;
use super::sources::{OnDrop, Pair};
use crate::rule::{Case, Check, Deviation, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&BEFORE_THE_INSERTION, before_the_insertion),
        Case::plain(&EXECUTOR_REMOVED, executor_removed),
        Case::plain(&SCHEDULER_DROPPED, scheduler_dropped),
        Case::plain(&SCHEDULER_STAYS, scheduler_stays),
        Case::plain(&LOCAL_FUTURES, local_futures),
        Case::plain(&REMOVED_WITH_PENDING_IO, removed_with_pending_io),
        Case::plain(&TWO_IN_ONE, two_in_one),
        Case::plain(&PANICKING_FUTURE, panicking_future),
    ]
}

/// Inserts an executor whose callback marks what the futures resolve to.
fn insert(f: &Fixture) -> Result<(Scheduler<&'static str>, RegistrationToken), Deviation> {
    let (executor, scheduler) = executor()?;
    let token = f.handle.insert_source(executor, |value, &mut (), cx| cx.mark(value))?;
    Ok((scheduler, token))
}

const PRESENT: &str = "the executor is in the loop";

const BEFORE_THE_INSERTION: Rule = Rule {
    id: "EXEC-52",
    level: Level::Must,
    sentence: "Futures that were scheduled before their executor was inserted MUST run in the next \
               dispatch after it is.",
    why: "The scheduler is handed around before the loop is set up.",
    source: "calloop, documentation of futures::executor",
    check: "whether the wake-up of an executor that has no loop yet is kept",
    needs: &[],
    alone: false,
};

fn before_the_insertion(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (executor, scheduler) = executor()?;
    scheduler.schedule(async { "early" }).expect(PRESENT);
    f.handle.insert_source(executor, |value, &mut (), cx| cx.mark(value))?;
    f.poll()?;
    f.expect_marks(["early"])
}

const EXECUTOR_REMOVED: Rule = Rule {
    id: "EXEC-53",
    level: Level::Must,
    sentence: "When an executor is removed its unfinished futures MUST be dropped before `remove` \
               returns, and `schedule` MUST fail with `ExecutorDestroyed` from then on.",
    why: "What the futures hold is released, on the thread it belongs to.",
    source: "calloop, documentation of Scheduler::schedule and ExecutorDestroyed",
    check: "who holds the futures that wait, and whether a scheduler keeps them alive",
    needs: &[],
    alone: false,
};

fn executor_removed(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (scheduler, token) = insert(&f)?;
    for name in ["polled", "not polled"] {
        let trace = f.trace.clone();
        let captured = OnDrop(move || trace.mark(format_args!("{name}, dropped")));
        let future = async move {
            let _captured = captured;
            pending().await
        };
        scheduler.schedule(future).expect(PRESENT);
        if name == "polled" {
            f.poll()?;
        }
    }
    f.handle.remove(token);
    let mut marks = f.trace.marks();
    marks.sort();
    ensure_eq!(marks, ["not polled, dropped", "polled, dropped"], "futures");
    ensure!(scheduler.schedule(async { "late" }).is_err(), "ExecutorDestroyed", "Ok");
    Ok(())
}

const SCHEDULER_DROPPED: Rule = Rule {
    id: "EXEC-07",
    level: Level::Must,
    sentence: "Futures that were scheduled MUST go on when the last `Scheduler` is dropped.",
    why: "Who starts some work need not stay around for it.",
    source: "calloop, issue 34",
    check: "what the drop of a scheduler does",
    needs: &[],
    alone: false,
};

fn scheduler_dropped(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (scheduler, _) = insert(&f)?;
    let waker: Rc<Cell<Option<Waker>>> = Rc::default();
    let (kept, mut polls) = (waker.clone(), 0);
    let future = poll_fn(move |context| {
        kept.set(Some(context.waker().clone()));
        polls += 1;
        if polls == 1 { Poll::Pending } else { Poll::Ready("value") }
    });
    scheduler.schedule(future).expect(PRESENT);
    drop(scheduler.clone());
    drop(scheduler);
    f.poll()?;
    waker.take().into_iter().for_each(Waker::wake);
    f.dispatch_until("the value", |trace| trace.count("value") == 1)
}

const SCHEDULER_STAYS: Rule = Rule {
    id: "EXEC-51",
    level: Level::Must,
    sentence: "A `Scheduler` MUST NOT be `Send`.",
    why: "The futures it takes need not be Send, so that they must be scheduled on the loop's thread.",
    source: "calloop, documentation of Scheduler",
    check: "whether a Send bound on futures, or their absence, has let the type become Send",
    needs: &[],
    alone: false,
};

fn scheduler_stays(_: &Trial) -> Check {
    struct Probe<T>(PhantomData<T>);
    trait Otherwise {
        const IS_SEND: bool = false;
    }
    impl<T> Otherwise for Probe<T> {}
    impl<T: Send> Probe<T> {
        const IS_SEND: bool = true;
    }
    ensure!(Probe::<Waker>::IS_SEND, "a probe that finds what is Send", "it finds nothing");
    ensure!(!Probe::<Scheduler<()>>::IS_SEND, "Scheduler is not Send", "it is");
    Ok(())
}

const LOCAL_FUTURES: Rule = Rule {
    id: "EXEC-08",
    level: Level::Must,
    sentence: "Futures and what they resolve to need not be `Send`, and MUST stay on the loop's \
               thread.",
    why: "A program of one thread shares its state with Rc and Cell.",
    source: "calloop, documentation of Executor",
    check: "the bounds of schedule, and on which thread futures are polled and dropped",
    needs: &[],
    alone: false,
};

fn local_futures(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (executor, scheduler) = executor::<Rc<thread::ThreadId>>()?;
    f.handle.insert_source(executor, |polled_on, &mut (), cx| {
        let is_here = *polled_on == thread::current().id();
        cx.mark(if is_here { "this thread" } else { "another" });
    })?;
    let local = Rc::new(());
    let future = async move {
        drop(local);
        Rc::new(thread::current().id())
    };
    scheduler.schedule(future).expect(PRESENT);
    f.poll()?;
    f.expect_marks(["this thread"])
}

const REMOVED_WITH_PENDING_IO: Rule = Rule {
    id: "EXEC-10",
    level: Level::Must,
    sentence: "Removing an executor MUST drop its futures, also one that waits for a descriptor of \
               the same loop, and leave the loop working.",
    why: "That is how a program ends its asynchronous part: usually some of it waits for input.",
    source: "calloop, documentation of LoopHandle::remove and LoopHandle::adapt_io",
    check: "what is borrowed while the futures are dropped: an adapter unregisters itself then",
    needs: &[],
    alone: false,
};

fn removed_with_pending_io(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (scheduler, token) = insert(&f)?;
    let (near, mut far) = UnixStream::pair()?;
    let mut near = f.handle.adapt_io(near)?;
    let future = async move {
        near.readable().await;
        "readable"
    };
    scheduler.schedule(future).expect(PRESENT);
    f.poll()?;
    f.handle.remove(token);
    ensure_eq!(far.read(&mut [0])?, 0, "bytes until the end of the stream, which was dropped");
    let (innocent, _) = f.insert_ping("innocent")?;
    innocent.ping();
    f.poll()?;
    f.expect_marks(["innocent"])
}

const TWO_IN_ONE: Rule = Rule {
    id: "EXEC-11",
    level: Level::Must,
    sentence: "A source that holds two executors MUST be quiet when nothing is to be polled.",
    why: "A loop that cannot sleep for them takes a processor.",
    source: "calloop, book, the ZeroMQ example",
    check: "whether an executor that is handed another's token takes it for a turn cut short",
    needs: &[],
    alone: false,
};

fn two_in_one(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (first, scheduler) = executor()?;
    let (second, _scheduler) = executor::<()>()?;
    f.handle.insert_source(Pair::new(first, second), |part, &mut (), cx| {
        cx.mark(&format!("{part:?}"));
    })?;
    scheduler.schedule(async {}).expect(PRESENT);
    f.poll()?;
    f.expect_quiet()?;
    f.expect_marks(["First"])
}

const PANICKING_FUTURE: Rule = Rule {
    id: "EXEC-09",
    level: Level::Must,
    sentence: "A future that panics MUST NOT keep the others of its executor from running in a later \
               dispatch.",
    why: "A server that catches the panic of one request goes on with the rest of them.",
    source: "std::panic::catch_unwind; an executor is one source of the loop, its futures are many",
    check: "whether the executor is still woken after a panic has left its loop over the futures",
    needs: &[],
    alone: false,
};

fn panicking_future(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (scheduler, _) = insert(&f)?;
    scheduler.schedule(async { panic!("as the rule has it") }).expect(PRESENT);
    for value in ["second", "third"] {
        scheduler.schedule(async move { value }).expect(PRESENT);
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| f.poll()));
    ensure!(outcome.is_err(), "the panic to come out of the dispatch", "{outcome:?}");
    f.dispatch_until("the other futures to run", |trace| trace.count("third") == 1)?;
    f.expect_marks(["second", "third"])?;
    f.expect_quiet()
}
