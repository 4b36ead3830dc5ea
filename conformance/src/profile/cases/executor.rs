//! Futures in the loop.

use std::future::pending;
use std::io::Read;
use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Waker;
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
        Case::plain(&SCHEDULER_STAYS, scheduler_stays),
        Case::plain(&LOCAL_FUTURES, local_futures),
        Case::plain(&REMOVED_WITH_PENDING_IO, removed_with_pending_io),
        Case::plain(&TWO_IN_ONE, two_in_one),
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
