//! What ends the wait of a dispatch, and what does not.

use std::thread;
use std::time::{Duration, Instant};

use super::interrupted::expect_end_amid_signals;
use super::kit::{FAR, insert_once, insert_reader};
use crate::adapter::{Adapter, Capability};
use crate::ensure;
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Level, Rule};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&TIMER_OR_TIMEOUT, timer_or_timeout),
        Case::new::<A>(&EVENT_ENDS, event_ends),
        Case::new::<A>(&WITHOUT_LIMIT, without_limit),
        Case::new::<A>(&INTERRUPTED, interrupted),
    ]
}

const TIMER_OR_TIMEOUT: Rule = Rule {
    id: "LOOP-03",
    level: Level::Must,
    sentence: "The wait MUST end with the timeout or with the earliest timer, whichever is first.",
    why: "A timer that waits for the timeout is late, a timeout that waits for a timer is none.",
    source: "libuv, test backend_timeout; Twisted, ReactorBuilder tests on the timeout of an \
             iteration; calloop, test simple_timer_instant",
    check: "which timers the timeout of the system call is computed from",
    needs: &[Capability::Timers, Capability::OneWaitADispatch],
    alone: false,
};

fn timer_or_timeout<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let limit = t.trial.limit(PATIENCE);
    // Neither the first nor the last to be inserted is the earliest.
    for delay in [FAR, Duration::from_millis(4), 2 * FAR] {
        let name = if delay < FAR { "timer" } else { "far timer" };
        insert_once::<A>(&t.handle, delay, t.marker(name))?;
    }
    let elapsed = t.dispatch(Some(limit))?;
    t.expect_marks(&["timer"])?;
    ensure!(elapsed < limit, "the wait to end with the timer", "it took all of {elapsed:?}");

    let timeout = Duration::from_millis(4);
    let elapsed = t.dispatch(Some(timeout))?;
    ensure!(elapsed >= timeout, "the wait to end with the timeout", "it ended after {elapsed:?}");
    t.expect_marks(&["timer"])
}

const EVENT_ENDS: Rule = Rule {
    id: "LOOP-04",
    level: Level::Must,
    sentence: "An event MUST end the wait, and the dispatch MUST return when it is delivered; the \
               rest of the timeout is not waited for.",
    why: "The caller may have work to do after each event.",
    source: "calloop, documentation of EventLoop::dispatch; libuv, test run_once",
    check: "whether a dispatch goes on until its timeout is over",
    needs: &[Capability::Descriptors, Capability::OneWaitADispatch],
    alone: false,
};

fn event_ends<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let limit = t.trial.limit(PATIENCE);
    let (wire, _reader) = insert_reader::<A>(&t.handle, t.marker("descriptor"))?;
    wire.send();
    let elapsed = t.dispatch(Some(limit))?;
    ensure!(elapsed < limit, "an end with the event that was there", "it took {elapsed:?}");
    t.expect_marks(&["descriptor"])?;

    let trace = t.trace();
    let sender = thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        trace.note("the thread writes");
        wire.send();
        wire
    });
    let elapsed = t.dispatch(Some(limit))?;
    let joined = sender.join();
    ensure!(elapsed < limit, "an end with the event from a thread", "it took {elapsed:?}");
    drop(joined);
    t.expect_marks(&["descriptor", "descriptor"])
}

const WITHOUT_LIMIT: Rule = Rule {
    id: "LOOP-103",
    level: Level::Must,
    sentence: "A dispatch without a timeout MUST wait until something happens, and return then.",
    why: "It is how a program sleeps until it is needed.",
    source: "calloop, documentation of EventLoop::dispatch",
    check: "what the absence of a timeout becomes in the system call",
    needs: &[Capability::Timers, Capability::Descriptors, Capability::OneWaitADispatch],
    alone: false,
};

fn without_limit<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const DELAY: Duration = Duration::from_millis(12);
    let (wire, _reader) = insert_reader::<A>(&t.handle, t.marker("descriptor"))?;
    // From here, because a busy machine may let the time pass before the dispatch.
    let start = Instant::now();
    insert_once::<A>(&t.handle, DELAY, t.marker("timer"))?;
    t.dispatch(None)?;
    let elapsed = start.elapsed();
    ensure!(elapsed >= DELAY, "a wait of 12 ms, for the timer", "it was over after {elapsed:?}");
    t.expect_marks(&["timer"])?;

    // So that a loop that misses the descriptor fails instead of hanging.
    insert_once::<A>(&t.handle, t.trial.limit(PATIENCE), t.marker("too late"))?;
    let sender = thread::spawn(move || {
        thread::sleep(Duration::from_millis(3));
        wire.send();
        wire
    });
    t.dispatch(None)?;
    drop(sender.join());
    t.expect_marks(&["timer", "descriptor"])
}

const INTERRUPTED: Rule = Rule {
    id: "LOOP-06",
    level: Level::Must,
    sentence: "A signal that is handled elsewhere MUST NOT end the wait, fail the dispatch or prolong \
               its timeout.",
    why: "Profilers, timers and terminals interrupt system calls all the time; the program did not \
          ask the loop about it.",
    source: "signal(7), on interrupted system calls; https://github.com/Smithay/calloop/issues/23; \
             polling, test concurrent_interruption",
    check: "what happens on EINTR: whether the wait is repeated, with the time that is left",
    needs: &[Capability::OneWaitADispatch],
    alone: false,
};

fn interrupted<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMEOUT: Duration = Duration::from_millis(25);
    expect_end_amid_signals(TIMEOUT, || {
        let elapsed = t.dispatch(Some(TIMEOUT))?;
        ensure!(elapsed >= TIMEOUT, "a wait of 25 ms", "it ended after {elapsed:?}");
        Ok(())
    })
}
