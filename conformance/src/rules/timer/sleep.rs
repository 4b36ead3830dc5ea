//! A delay that is awaited.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::adapter::{Adapter, Capability, Spawn};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![Case::new::<A>(&AWAITED, awaited), Case::new::<A>(&DROPPED, dropped)]
}

const AWAITED: Rule = Rule {
    id: "TIMER-18",
    level: Level::Must,
    sentence: "A delay that a future awaits MUST be over when it resolves, and wake the loop for \
               that; a huge one never resolves.",
    why: "Futures wait with the same precision as callbacks.",
    source: "calloop, documentation of TimeoutFuture; calloop, test timeout_future",
    check: "whether the future looks at the clock when it is polled, and keeps its waker",
    needs: &[Capability::Timers, Capability::Sleep, Capability::Executor],
    alone: false,
};

fn awaited<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let trace = t.trace();
    let (spawn, _executor) =
        A::insert_executor(&t.handle, move |_, (early, delay): (bool, Duration)| {
            trace.note(format_args!("a delay of {delay:?} is over"));
            trace.mark(if early { "early" } else { "in time" });
        })?;
    let delays = [0, 100, 999, 1_000, 1_900, 9_900, 15_000].map(Duration::from_micros);
    for delay in delays.into_iter().chain([Duration::MAX]) {
        let start = Instant::now();
        let sleep = A::sleep(&t.handle, delay)?;
        let spawned = spawn.spawn(async move {
            let (mut sleep, mut polls) = (pin!(sleep), 0);
            poll_fn(|context| {
                polls += 1;
                // Polled before its time, too, as beside another future that has something to do.
                if polls < 4 {
                    context.waker().wake_by_ref();
                }
                sleep.as_mut().poll(context)
            })
            .await;
            (start.elapsed() < delay, delay)
        });
        ensure!(spawned, "an executor that takes futures", "it refused one");
    }
    t.dispatch_until("the delays to be over", |trace| trace.marks().len() >= delays.len())?;
    t.expect_silence()?;
    t.expect_marks(&["in time"; 7])
}

const DROPPED: Rule = Rule {
    id: "TIMER-19",
    level: Level::Should,
    sentence: "A delay whose future is dropped SHOULD NOT end a wait.",
    why: "A future with a timeout is dropped whenever the answer came in time, which is the rule: each \
          would wake the machine once more.",
    source: "tokio, documentation of Sleep: dropping it cancels; calloop, TimeoutFuture",
    check: "whether the future removes its timer when it is dropped",
    needs: &[Capability::Timers, Capability::Sleep, Capability::OneWaitADispatch],
    alone: false,
};

fn dropped<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (delay, limit) = (Duration::from_millis(3), Duration::from_millis(50));
    // Twice, because a busy machine may make up for a wait that ends early.
    for polled in [false, true, false, true] {
        let sleep = A::sleep(&t.handle, delay)?;
        if polled {
            let mut sleep = pin!(sleep);
            let poll = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            t.trial.trace.note(format_args!("polled once: ready {}", poll == Poll::Ready(())));
        } else {
            drop(sleep);
        }
        let elapsed = t.dispatch(Some(limit))?;
        ensure!(
            elapsed >= limit,
            format_args!("a wait of {limit:?} after a delay of {delay:?} was dropped"),
            "it ended after {elapsed:?}"
        );
    }
    Ok(())
}
