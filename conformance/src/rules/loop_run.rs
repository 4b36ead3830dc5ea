//! Running until stopped, and waking.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::kit::{FAR, has, insert_once, insert_reader};
use crate::adapter::{Adapter, Capability, Stop};
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&EACH_ITERATION, each_iteration),
        Case::new::<A>(&STOP_FROM_CALLBACK, stop_from_callback),
        Case::new::<A>(&STOP_BEFORE, stop_before),
        Case::new::<A>(&STOP_FROM_THREAD, stop_from_thread),
        Case::new::<A>(&RUN_AGAIN, run_again),
        Case::new::<A>(&STOP_PREVENTS, stop_prevents),
        Case::new::<A>(&WAKEUP_ENDS, wakeup_ends),
        Case::new::<A>(&WAKEUPS_COALESCE, wakeups_coalesce),
    ]
}

const EACH_ITERATION: Rule = Rule {
    id: "LOOP-18",
    level: Level::Must,
    sentence: "`run` MUST call its closure once after every dispatch: after one that found nothing, \
               and after the last.",
    why: "Programs draw and flush there; what the last dispatch did has to be shown, too.",
    source: "calloop, documentation of EventLoop::run",
    check: "the order of dispatch, closure and the question whether to stop",
    needs: &[Capability::Descriptors, Capability::Stop, Capability::OneWaitADispatch],
    alone: false,
};

fn each_iteration<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (stopper, mut each) = (t.event_loop.stopper()?, t.marker("closure"));
    let mut iterations = 0;
    t.event_loop.run(Some(Duration::ZERO), move |handle| {
        each(handle);
        iterations += 1;
        if iterations == 3 {
            stopper.stop();
        }
    })?;
    t.expect_marks(&["closure"; 3])?;

    let (trace, stopper) = (t.trace(), t.event_loop.stopper()?);
    let (wire, _reader) = insert_reader::<A>(&t.handle, move |_| {
        trace.mark("stopped by event");
        stopper.stop();
    })?;
    wire.send();
    let each = t.marker("closure");
    t.event_loop.run(Some(t.trial.limit(PATIENCE)), each)?;
    t.expect_marks(&["closure", "closure", "closure", "stopped by event", "closure"])
}

const STOP_FROM_CALLBACK: Rule = Rule {
    id: "LOOP-19",
    level: Level::Must,
    sentence: "After a stop from a callback the run MUST finish its iteration, with all events of the \
               dispatch and the closure, and then return.",
    why: "What the wait has taken from the kernel would be lost, and what comes last would not be \
          shown.",
    source: "calloop, documentation of LoopSignal::stop; libuv, test loop_stop",
    check: "whether a stop cuts a dispatch short, or is looked at too late",
    needs: &[Capability::Descriptors, Capability::Stop, Capability::OneWaitADispatch],
    alone: false,
};

fn stop_from_callback<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut wires = Vec::new();
    for _ in 0..4 {
        let (trace, stopper) = (t.trace(), t.event_loop.stopper()?);
        // Whichever is called first stops.
        let (wire, _reader) = insert_reader::<A>(&t.handle, move |_| {
            trace.mark("event");
            stopper.stop();
        })?;
        wire.send();
        wires.push(wire);
    }
    let mut expected = vec!["event"; 4];
    if has::<A>(Capability::Idle) {
        drop(A::insert_idle(&t.handle, t.marker("idle"))?);
        expected.push("idle");
    }
    expected.push("closure");
    let each = t.marker("closure");
    t.event_loop.run(Some(t.trial.limit(PATIENCE)), each)?;
    t.expect_marks(&expected)
}

const STOP_BEFORE: Rule = Rule {
    id: "LOOP-20",
    level: Level::Must,
    sentence: "A stop before the run MUST end it at once if the loop declares that it is kept, and \
               MUST be forgotten otherwise.",
    why: "A thread that stops the loop while it starts has to know whether once is enough.",
    source: "libuv, test loop_stop_before_run (kept); calloop 0.14.5 and g_main_loop_run (forgotten)",
    check: "whether the run clears the request at its beginning, and what the adapter declares in \
            stop-is-kept",
    needs: &[Capability::Stop],
    alone: false,
};

fn stop_before<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (stopper, mut each) = (t.event_loop.stopper()?, t.marker("closure"));
    stopper.stop();
    let mut iterations = 0;
    t.event_loop.run(Some(Duration::ZERO), move |handle| {
        each(handle);
        iterations += 1;
        if iterations == 3 {
            stopper.stop();
        }
    })?;
    let iterations = t.trial.trace.count("closure");
    if has::<A>(Capability::StopIsKept) {
        ensure!(iterations <= 1, "a run that ends at once", "{iterations} iterations");
    } else {
        ensure_eq!(iterations, 3, "iterations until the stop inside the run");
    }
    Ok(())
}

const STOP_FROM_THREAD: Rule = Rule {
    id: "LOOP-21",
    level: Level::Must,
    sentence: "A stop and a wake-up from another thread MUST end a run that sleeps without limit, at \
               whatever moment they come.",
    why: "It is how a program is shut down from a signal thread or a worker.",
    source: "calloop, documentation of LoopSignal::wakeup; calloop, test wakeup_stop",
    check: "whether the request to stop is visible before the wake-up, and whether a wake-up between \
            the look at the queue and the wait is lost",
    needs: &[Capability::Stop, Capability::Wakeup],
    alone: false,
};

fn stop_from_thread<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const ROUNDS: usize = 60;
    let iterations = AtomicUsize::new(0);
    for round in 0..ROUNDS {
        let (inside, outside) = (t.event_loop.stopper()?, t.event_loop.stopper()?);
        let begun = iterations.load(Ordering::Acquire);
        thread::scope(|scope| {
            scope.spawn(|| {
                // A stop before the run has begun may be forgotten.
                while iterations.load(Ordering::Acquire) == begun {
                    thread::yield_now();
                }
                if round % 3 > 0 {
                    thread::sleep(Duration::from_micros(20 * round as u64));
                }
                outside.stop();
                outside.wakeup();
            });
            inside.wakeup();
            t.event_loop.run(None, |_| {
                iterations.fetch_add(1, Ordering::AcqRel);
            })
        })?;
        t.trial.trace.note(format_args!("run {round} has returned"));
    }
    Ok(())
}

const RUN_AGAIN: Rule = Rule {
    id: "LOOP-106",
    level: Level::Must,
    sentence: "A loop that was stopped, once or several times, MUST run again when it is asked to, \
               and deliver what has happened meanwhile.",
    why: "Programs stop the loop to change their mode and go on with the same sources.",
    source: "Twisted, ReactorBuilder tests on running after stop; Revolt, DriverTest: unresolved \
             events are delivered by the next run",
    check: "whether a second request to stop is left for the next run",
    needs: &[Capability::Timers, Capability::Descriptors, Capability::Stop],
    alone: false,
};

fn run_again<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, stopper) = (t.trace(), t.event_loop.stopper()?);
    let (wire, _reader) = insert_reader::<A>(&t.handle, move |_| {
        trace.mark("event");
        stopper.stop();
        stopper.stop();
    })?;
    for run in 1..=3 {
        wire.send();
        let stopper = t.event_loop.stopper()?;
        // So that a loop that has lost the event fails instead of hanging.
        let patience =
            insert_once::<A>(&t.handle, t.trial.limit(PATIENCE), move |_| stopper.stop())?;
        t.event_loop.run(None, |_| {})?;
        ensure_eq!(t.trial.trace.count("event"), run, "events delivered after {run} runs");
        A::remove(&t.handle, patience);
    }
    Ok(())
}

const STOP_PREVENTS: Rule = Rule {
    id: "LOOP-107",
    level: Level::Must,
    sentence: "After a stop from a callback the run MUST NOT wait again: what becomes due later is \
               left for the next dispatch.",
    why: "Whoever has stopped the loop tears down what later callbacks would use.",
    source: "Revolt, DriverTest: testLoopStopPreventsTimerExecution",
    check: "whether the run looks at the request to stop before each wait",
    needs: &[Capability::Timers, Capability::Stop, Capability::OneWaitADispatch],
    alone: false,
};

fn stop_prevents<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, stopper) = (t.trace(), t.event_loop.stopper()?);
    insert_once::<A>(&t.handle, Duration::ZERO, move |handle| {
        trace.mark("stopped");
        stopper.stop();
        let inner = trace.clone();
        let later = insert_once::<A>(handle, Duration::ZERO, move |_| inner.mark("later"));
        if let Err(failure) = later {
            trace.mark(format_args!("not inserted: {failure}"));
        }
    })?;
    t.event_loop.run(Some(t.trial.limit(PATIENCE)), |_| {})?;
    t.expect_marks(&["stopped"])?;
    t.dispatch_until("the later timer, in the next dispatch", |trace| trace.count("later") > 0)
}

const WAKEUP_ENDS: Rule = Rule {
    id: "LOOP-22",
    level: Level::Must,
    sentence: "A wake-up MUST end the present wait or else the next one, whichever thread it comes \
               from, and call nothing.",
    why: "A thread that has left work in a place of its own has the loop look at it.",
    source: "calloop, documentation of LoopSignal::wakeup; calloop, test wakeup; io-event, tests on \
             wakeup",
    check: "whether a wake-up that comes between two waits is kept",
    needs: &[Capability::Timers, Capability::Wakeup],
    alone: false,
};

fn wakeup_ends<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (stopper, limit) = (t.event_loop.stopper()?, t.trial.limit(PATIENCE));
    insert_once::<A>(&t.handle, FAR, t.marker("far timer"))?;
    stopper.wakeup();
    let elapsed = t.dispatch(Some(limit))?;
    ensure!(elapsed < limit, "a wake-up before the wait to end it", "it lasted {elapsed:?}");
    for delay in [0, 100, 1_000, 3_000] {
        let stopper = stopper.clone();
        let waker = thread::spawn(move || {
            thread::sleep(Duration::from_micros(delay));
            stopper.wakeup();
        });
        let elapsed = t.dispatch(Some(limit))?;
        drop(waker.join());
        ensure!(
            elapsed < limit,
            format_args!("a wake-up from a thread, {delay} µs later, to end the wait"),
            "it lasted {elapsed:?}"
        );
    }
    t.expect_marks::<&str>(&[])
}

const WAKEUPS_COALESCE: Rule = Rule {
    id: "LOOP-108",
    level: Level::Must,
    sentence: "Wake-ups before one wait MUST end that one only: the wait after it MUST last as long \
               as its timeout.",
    why: "A loop that goes on waking for what is over uses the battery for nothing.",
    source: "calloop, documentation of LoopSignal::wakeup; mio, test on multiple wakeups",
    check: "whether wake-ups are counted, and where they are taken back",
    needs: &[Capability::Wakeup, Capability::OneWaitADispatch],
    alone: false,
};

fn wakeups_coalesce<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMEOUT: Duration = Duration::from_millis(10);
    let (stopper, limit) = (t.event_loop.stopper()?, t.trial.limit(PATIENCE));
    for wakeups in [1, 2, 50] {
        (0..wakeups).for_each(|_| stopper.wakeup());
        let elapsed = t.dispatch(Some(limit))?;
        ensure!(elapsed < limit, "the first wait to be ended", "it lasted {elapsed:?}");
        let elapsed = t.dispatch(Some(TIMEOUT))?;
        ensure!(
            elapsed >= TIMEOUT,
            format_args!("the wait after {wakeups} wake-ups and a dispatch to last {TIMEOUT:?}"),
            "it lasted {elapsed:?}"
        );
    }
    Ok(())
}
