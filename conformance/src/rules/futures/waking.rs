//! Waking futures.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::{Kept, insert, wait_once};
use crate::adapter::{Adapter, Capability, Spawn};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&WAKES_THE_LOOP, wakes_the_loop),
        Case::new::<A>(&WOKEN_WHILE_POLLED, woken_while_polled),
        Case::new::<A>(&NONE_IS_LOST, none_is_lost),
        Case::new::<A>(&WOKEN_ONCE, woken_once),
        Case::new::<A>(&WOKEN_TOO_LATE, woken_too_late),
    ]
}

const WAKES_THE_LOOP: Rule = Rule {
    id: "EXEC-04",
    level: Level::Must,
    sentence: "A future that another thread wakes while the loop waits MUST end the wait and be \
               polled.",
    why: "The future waits for that thread, and the loop for nothing else.",
    source: "std::task::Waker: Send and Sync; calloop, pull request 227",
    check: "whether waking a future wakes the loop, too, from wherever it is done",
    needs: &[Capability::Executor],
    alone: false,
};

fn wakes_the_loop<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, _) = insert(t)?;
    let kept = Kept::default();
    let waiting = wait_once(kept.clone());
    spawner.spawn(async move {
        waiting.await;
        "woken".to_string()
    });
    t.dispatch_until("the future to wait", |_| kept.borrow().is_some())?;
    t.expect_sleep()?;
    let waker = kept.take();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        waker.into_iter().for_each(Waker::wake);
    });
    let (start, limit) = (Instant::now(), t.trial.limit(Duration::from_secs(10)));
    while t.trial.trace.marks().is_empty() && start.elapsed() < limit {
        t.dispatch(Some(limit.saturating_sub(start.elapsed())))?;
    }
    let elapsed = start.elapsed();
    let _ = other.join();
    ensure!(elapsed < limit / 2, "the waker to end the wait", "waited for {elapsed:?}");
    t.expect_marks(&["woken"])
}

const WOKEN_WHILE_POLLED: Rule = Rule {
    id: "EXEC-102",
    level: Level::Must,
    sentence: "A future that is woken while it is polled, by itself or by another thread, MUST be \
               polled again.",
    why: "What it waits for may come between its look and its return.",
    source: "std::task::Waker; std::future::Future::poll, on wake-ups during a poll",
    check: "whether the mark that a future was woken is cleared before or after it is polled",
    needs: &[Capability::Executor],
    alone: false,
};

fn woken_while_polled<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, _) = insert(t)?;
    for (name, by_thread) in [("woken by itself", false), ("woken by a thread", true)] {
        let mut polls = 0;
        spawner.spawn(poll_fn(move |context| {
            polls += 1;
            if polls == 4 {
                return Poll::Ready(name.to_string());
            }
            let waker = context.waker().clone();
            if by_thread {
                // It is done before this returns.
                let _ = thread::spawn(move || waker.wake()).join();
            } else {
                waker.wake();
            }
            Poll::Pending
        }));
        t.dispatch_until(&format!("a future that was {name} while it was polled"), |trace| {
            trace.count(name) == 1
        })?;
    }
    t.expect_sleep()
}

const NONE_IS_LOST: Rule = Rule {
    id: "EXEC-103",
    level: Level::Must,
    sentence: "Of wake-ups by another thread, at whatever moment of a dispatch, none MUST be lost.",
    why: "A future whose wake-up was lost waits for ever, and nobody can say why.",
    source: "calloop, pull request 227: lost wake-ups of its executor; libuv, test async_pummel",
    check: "the order of clearing the mark that the loop was woken and of looking for futures",
    needs: &[Capability::Executor],
    alone: true,
};

fn none_is_lost<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const ROUNDS: usize = 3_000;
    let (spawner, _) = insert(t)?;
    let (sender, wakers) = mpsc::channel::<Waker>();
    let rounds = Arc::new(AtomicUsize::new(0));
    // The thread does not sleep, so that it answers while the future is about to return.
    let other = thread::spawn({
        let (rounds, mut random) = (rounds.clone(), fastrand::Rng::with_seed(1));
        move || loop {
            match wakers.try_recv() {
                Ok(waker) => {
                    for _ in 0..random.u32(..60) {
                        std::hint::spin_loop();
                    }
                    rounds.fetch_add(1, Ordering::Release);
                    waker.wake();
                }
                Err(mpsc::TryRecvError::Empty) => std::hint::spin_loop(),
                Err(mpsc::TryRecvError::Disconnected) => break,
            }
        }
    });
    let (seen, mut asked) = (rounds.clone(), 0);
    spawner.spawn(poll_fn(move |context| {
        if seen.load(Ordering::Acquire) == asked {
            if asked == ROUNDS {
                return Poll::Ready("every round was seen".to_string());
            }
            asked += 1;
            let _ = sender.send(context.waker().clone());
        }
        Poll::Pending
    }));
    // Longer than it takes a busy machine to let the other thread run.
    let patience = t.trial.limit(Duration::from_secs(2));
    while t.trial.trace.marks().is_empty() {
        // Not by the fixture, whose notes take longer than the dispatch.
        let (start, before) = (Instant::now(), rounds.load(Ordering::Acquire));
        t.event_loop.dispatch(Some(patience))?;
        let count = rounds.load(Ordering::Acquire);
        ensure!(
            count > before || start.elapsed() < patience || !t.trial.trace.marks().is_empty(),
            format_args!("{ROUNDS} wake-ups by another thread, each seen by the future"),
            "wake-up {count} was not, in {patience:?}"
        );
    }
    drop(other);
    Ok(())
}

const WOKEN_ONCE: Rule = Rule {
    id: "EXEC-104",
    level: Level::Should,
    sentence: "A future that is woken several times before it is polled SHOULD be polled once.",
    why: "Every event of a busy connection wakes its task.",
    source: "std::task::Waker::wake: wake-ups before a poll may be merged; tokio, documentation",
    check: "whether a future that is in the queue is put there again",
    needs: &[Capability::Executor],
    alone: false,
};

fn woken_once<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, _) = insert(t)?;
    let (kept, polls) = (Kept::default(), Rc::new(Cell::new(0)));
    let (waker, counter) = (kept.clone(), polls.clone());
    spawner.spawn(poll_fn(move |context| {
        counter.set(counter.get() + 1);
        waker.replace(Some(context.waker().clone()));
        Poll::Pending
    }));
    t.dispatch_until("the future to wait", |_| polls.get() == 1)?;
    let waker = kept.take();
    waker.iter().cycle().take(5).for_each(Waker::wake_by_ref);
    t.dispatch_until("the future to be polled again", |_| polls.get() > 1)?;
    t.expect_sleep()?;
    ensure!(polls.get() == 2, "one poll for five wake-ups", "{} polls", polls.get() - 1);
    Ok(())
}

const WOKEN_TOO_LATE: Rule = Rule {
    id: "EXEC-105",
    level: Level::Must,
    sentence: "Waking a future that has ended, or whose executor or loop is gone, MUST be harmless.",
    why: "Wakers are kept in lists that nobody tidies up.",
    source: "std::task::RawWakerVTable: a waker outlives its task; tokio, test wake_after_drop",
    check: "what a waker points to once the future is dropped",
    needs: &[Capability::Executor],
    alone: false,
};

fn woken_too_late<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut wakers = Vec::new();
    for removed in [false, true] {
        let (spawner, source) = insert(t)?;
        let kept = Kept::default();
        let waiting = wait_once(kept.clone());
        spawner.spawn(async move {
            waiting.await;
            "ended".to_string()
        });
        t.dispatch_until("the future to wait", |_| kept.borrow().is_some())?;
        let waker = kept.take();
        if removed {
            A::remove(&t.handle, source);
        } else {
            waker.iter().for_each(Waker::wake_by_ref);
            t.dispatch_until("the future to end", |trace| trace.count("ended") == 1)?;
            not_for_the_next(t, &spawner, waker.as_ref())?;
        }
        waker.iter().for_each(Waker::wake_by_ref);
        wakers.extend(waker);
        t.expect_silence()?;
    }
    t.event_loop = A::new()?;
    t.handle = t.event_loop.handle();
    let others = thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
    ensure!(others.join().is_ok(), "wake-ups of another thread, of a loop that is gone", "a panic");
    t.expect_marks(&["ended", "woken, ended"])
}

/// Who has the place of a future that ended, if there is such a thing, is not polled for it.
fn not_for_the_next<A: Adapter>(
    t: &mut Fixture<'_, A>,
    spawner: &impl Spawn<String>,
    ended: Option<&Waker>,
) -> Check {
    spawner.spawn(poll_fn(|context| {
        context.waker().wake_by_ref();
        Poll::Ready("woken, ended".to_string())
    }));
    let polls: [_; 2] = std::array::from_fn(|_| Rc::new(Cell::new(0)));
    let spawn_next = |polls: &Rc<Cell<u32>>| {
        let polls = polls.clone();
        spawner.spawn(poll_fn(move |_| {
            polls.set(polls.get() + 1);
            Poll::Pending
        }));
    };
    spawn_next(&polls[0]);
    t.dispatch_until("both futures to be polled", |_| polls[0].get() > 0)?;
    spawn_next(&polls[1]);
    t.dispatch_until("the future after them to be polled", |_| polls[1].get() > 0)?;
    ended.into_iter().for_each(Waker::wake_by_ref);
    t.expect_silence()?;
    let polls = polls.map(|polls| polls.get());
    ensure!(polls == [1, 1], "each of two futures polled once, not for others", "{polls:?} polls");
    Ok(())
}
