//! How long one dispatch waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use super::kit::{FAR, Wire, has, insert_once, insert_reader};
use crate::adapter::{Adapter, Capability, Failure, Ping};
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&LASTS, lasts),
        Case::new::<A>(&ZERO_RETURNS, zero_returns),
        Case::new::<A>(&ZERO_LOOKS, zero_looks),
        Case::new::<A>(&SUB_MILLISECOND, sub_millisecond),
        Case::new::<A>(&HUGE, huge),
        Case::new::<A>(&TIMER_OR_TIMEOUT, timer_or_timeout),
        Case::new::<A>(&EVENT_ENDS, event_ends),
        Case::new::<A>(&WITHOUT_LIMIT, without_limit),
        Case::new::<A>(&INTERRUPTED, interrupted),
    ]
}

const LASTS: Rule = Rule {
    id: "LOOP-02",
    level: Level::Must,
    sentence: "A dispatch in which nothing happens MUST last as long as its timeout, not shorter, \
               and then return.",
    why: "A program that does something every so often counts on it, and one whose dispatch returns \
          early runs in circles.",
    source: "epoll_wait(2); polling, test timeout; sd-event, test-event",
    check: "how the timeout is rounded on its way to the system call",
    needs: &[Capability::OneWaitADispatch],
    alone: false,
};

fn lasts<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let quiet = insert_quiet(t)?;
    insert_once::<A>(&t.handle, FAR, t.marker("far timer"))?;
    let mut lateness_min = Duration::MAX;
    for micros in [1, 70, 333, 999, 1_000, 1_001, 1_900, 2_718, 4_999, 7_777] {
        let timeout = Duration::from_micros(micros);
        let elapsed = t.dispatch(Some(timeout))?;
        ensure!(
            elapsed >= timeout,
            format_args!("a dispatch of {timeout:?} that lasts as long"),
            "it lasted {elapsed:?}"
        );
        lateness_min = lateness_min.min(elapsed - timeout);
    }
    let limit = t.trial.limit(Duration::from_millis(20));
    ensure!(
        lateness_min < limit,
        format_args!("one dispatch at least that ends within {limit:?} of its timeout"),
        "the best was {lateness_min:?} late"
    );
    drop(quiet);
    t.expect_marks::<&str>(&[])
}

/// A descriptor that is not ready, if the loop watches any.
fn insert_quiet<A: Adapter>(t: &Fixture<'_, A>) -> Result<Option<(Wire, A::Source)>, Failure> {
    let insert = || insert_reader::<A>(&t.handle, t.marker("quiet descriptor"));
    has::<A>(Capability::Descriptors).then(insert).transpose()
}

const ZERO_RETURNS: Rule = Rule {
    id: "LOOP-101",
    level: Level::Must,
    sentence: "A dispatch with a timeout of zero MUST NOT wait, whatever is registered, and MUST NOT \
               call anything when nothing has happened.",
    why: "A game or a toolkit polls the loop in each frame and cannot afford to lose one.",
    source: "https://github.com/Smithay/calloop/issues/142; mio, test run_once_with_nothing",
    check: "whether a timeout of zero is rounded up, or taken for none",
    needs: &[],
    alone: false,
};

fn zero_returns<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let fastest = |t: &mut Fixture<'_, A>, what: &str| {
        let mut best = Duration::MAX;
        for _ in 0..50 {
            let start = Instant::now();
            t.event_loop.dispatch(Some(Duration::ZERO))?;
            best = best.min(start.elapsed());
        }
        t.trial.trace.note(format_args!("{what}: the fastest of 50 dispatches took {best:?}"));
        let limit = t.trial.limit(Duration::from_micros(500));
        ensure!(
            best < limit,
            format_args!("{what}: a dispatch with a timeout of zero within {limit:?}"),
            "the fastest of 50 took {best:?}"
        );
        Ok::<_, Deviation>(())
    };
    fastest(t, "nothing registered")?;
    let quiet = insert_quiet(t)?;
    fastest(t, "a quiet descriptor")?;
    insert_once::<A>(&t.handle, FAR, t.marker("far timer"))?;
    fastest(t, "a timer far ahead")?;
    drop(quiet);
    t.expect_marks::<&str>(&[])
}

const ZERO_LOOKS: Rule = Rule {
    id: "LOOP-102",
    level: Level::Must,
    sentence: "A dispatch with a timeout of zero MUST look at everything all the same: descriptors, \
               timers, pings.",
    why: "A program that only polls would never see an event.",
    source: "mio, test zero_duration_polls_events; glib, tests on ready_time and prepare",
    check: "whether the loop skips the system call when it may not wait",
    needs: &[],
    alone: false,
};

fn zero_looks<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut expected = vec!["timer"];
    let reader = if has::<A>(Capability::Descriptors) {
        expected.push("descriptor");
        Some(insert_reader::<A>(&t.handle, t.marker("descriptor"))?)
    } else {
        None
    };
    reader.iter().for_each(|(wire, _)| wire.send());
    insert_once::<A>(&t.handle, Duration::ZERO, t.marker("timer"))?;
    let ping = if has::<A>(Capability::Ping) {
        expected.push("ping");
        Some(A::insert_ping(&t.handle, t.marker("ping"))?)
    } else {
        None
    };
    ping.iter().for_each(|(ping, _)| ping.ping());
    for _ in 0..8 {
        t.poll()?;
    }
    for kind in expected {
        ensure_eq!(t.trial.trace.count(kind), 1, "calls of the {kind} in 8 dispatches of zero");
    }
    Ok(())
}

const SUB_MILLISECOND: Rule = Rule {
    id: "LOOP-31",
    level: Level::Should,
    sentence: "A timeout of less than a millisecond SHOULD be kept to, neither rounded to zero nor up \
               to a millisecond.",
    why: "Rounded to zero the loop spins; rounded up, audio and input are late.",
    source: "epoll_pwait2(2); polling, test precision; calloop, documentation of Timer",
    check: "whether the wait takes milliseconds (epoll_wait) or nanoseconds (epoll_pwait2, timerfd)",
    needs: &[Capability::SubMillisecondTimers, Capability::OneWaitADispatch],
    alone: true,
};

fn sub_millisecond<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMEOUT: Duration = Duration::from_micros(300);
    let mut best = Duration::MAX;
    for _ in 0..40 {
        let start = Instant::now();
        t.event_loop.dispatch(Some(TIMEOUT))?;
        let elapsed = start.elapsed();
        ensure!(elapsed >= TIMEOUT, "dispatches that last 300 µs", "one lasted {elapsed:?}");
        best = best.min(elapsed);
    }
    let limit = t.trial.limit(Duration::from_micros(950));
    ensure!(
        best < limit,
        "dispatches of 300 µs of which one at least ends before a millisecond is over",
        "the shortest of 40 lasted {best:?}"
    );
    Ok(())
}

const HUGE: Rule = Rule {
    id: "LOOP-30",
    level: Level::Must,
    sentence: "A timeout of any size MUST be taken as it is, or for no limit: it MUST NOT panic, \
               overflow or end the wait early.",
    why: "`Duration::MAX` is how programs say that they do not care.",
    source: "libuv, test timer_huge_timeout; tokio, test exactly_max; calloop, test no_overflow",
    check: "where the timeout is added to a time or converted to a smaller type",
    needs: &[Capability::OneWaitADispatch],
    alone: false,
};

fn huge<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let sizes = [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::from_secs(i64::MAX as u64),
        Duration::from_millis(u64::MAX),
        Duration::from_nanos(u64::MAX),
        Duration::from_millis(i32::MAX as u64 + 2),
        Duration::from_millis(u32::MAX as u64 + 2),
        Duration::from_secs(u32::MAX as u64 + 2),
    ];
    for timeout in sizes {
        // Without it, a loop that is right would wait for ever.
        const DELAY: Duration = Duration::from_millis(2);
        insert_once::<A>(&t.handle, DELAY, t.marker(format_args!("{timeout:?}")))?;
        let elapsed = t.dispatch(Some(timeout))?;
        let count = t.trial.trace.count(&format!("{timeout:?}"));
        ensure!(
            count == 1,
            format_args!("a dispatch of {timeout:?} that lasts until the timer after {DELAY:?}"),
            "it ended after {elapsed:?} without it"
        );
    }
    Ok(())
}

const TIMER_OR_TIMEOUT: Rule = Rule {
    id: "LOOP-03",
    level: Level::Must,
    sentence: "The wait MUST end with the timeout or with the earliest timer, whichever is first.",
    why: "A timer that waits for the timeout is late, a timeout that waits for a timer is none.",
    source: "libuv, test backend_timeout; Twisted, ReactorBuilder tests on the timeout of an \
             iteration; calloop, test simple_timer_instant",
    check: "which timers the timeout of the system call is computed from",
    needs: &[Capability::OneWaitADispatch],
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
    needs: &[Capability::Descriptors, Capability::OneWaitADispatch],
    alone: false,
};

fn without_limit<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const DELAY: Duration = Duration::from_millis(12);
    let (wire, _reader) = insert_reader::<A>(&t.handle, t.marker("descriptor"))?;
    insert_once::<A>(&t.handle, DELAY, t.marker("timer"))?;
    let elapsed = t.dispatch(None)?;
    ensure!(elapsed >= DELAY, "a wait of 12 ms, for the timer", "it lasted {elapsed:?}");
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
    const TIMEOUT: Duration = Duration::from_millis(15);
    /// A wait that begins anew with each signal lasts as long as this.
    const STORM: Duration = Duration::from_millis(400);
    let arrived = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(Signal::SIGUSR1 as i32, arrived.clone())?;
    let mut shortest = Duration::MAX;
    for _ in 0..3 {
        let over = AtomicBool::new(false);
        let elapsed = thread::scope(|scope| {
            scope.spawn(|| {
                // Not here, so that it interrupts the loop.
                let blocked = SigSet::from(Signal::SIGUSR1).thread_block();
                let start = Instant::now();
                while blocked.is_ok() && !over.load(Ordering::Relaxed) && start.elapsed() < STORM {
                    let _ = kill(Pid::this(), Signal::SIGUSR1);
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let elapsed = t.dispatch(Some(TIMEOUT));
            over.store(true, Ordering::Relaxed);
            elapsed
        })?;
        ensure!(elapsed >= TIMEOUT, "a wait of 15 ms", "it ended after {elapsed:?}");
        shortest = shortest.min(elapsed);
    }
    ensure!(arrived.load(Ordering::Relaxed), "signals to arrive", "none arrived");
    ensure!(
        shortest < STORM / 2,
        "waits of 15 ms of which one at least is not prolonged to a multiple",
        "the shortest of 3 lasted {shortest:?} while signals came every millisecond"
    );
    Ok(())
}
