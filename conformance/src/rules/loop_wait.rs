//! How long one dispatch waits.

use std::thread;
use std::time::{Duration, Instant};

use super::kit::{Wire, has, insert_far, insert_once, insert_reader};
use crate::adapter::{Adapter, Capability, Failure, Ping};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&LASTS, lasts),
        Case::new::<A>(&ZERO_RETURNS, zero_returns),
        Case::new::<A>(&ZERO_LOOKS, zero_looks),
        Case::new::<A>(&SUB_MILLISECOND, sub_millisecond),
        Case::new::<A>(&HUGE, huge),
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
    insert_far::<A>(&t.handle, t.marker("far timer"))?;
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
    let limit = t.trial.tolerance(Duration::from_millis(20));
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
        let limit = t.trial.tolerance(Duration::from_micros(500));
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
    if insert_far::<A>(&t.handle, t.marker("far timer"))?.is_some() {
        fastest(t, "a timer far ahead")?;
    }
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
    let mut expected = Vec::new();
    let reader = if has::<A>(Capability::Descriptors) {
        expected.push("descriptor");
        Some(insert_reader::<A>(&t.handle, t.marker("descriptor"))?)
    } else {
        None
    };
    reader.iter().for_each(|(wire, _)| wire.send());
    if has::<A>(Capability::Timers) {
        expected.push("timer");
        insert_once::<A>(&t.handle, Duration::ZERO, t.marker("timer"))?;
    }
    let ping = if has::<A>(Capability::Ping) {
        expected.push("ping");
        Some(A::insert_ping(&t.handle, t.marker("ping"))?)
    } else {
        None
    };
    ping.iter().for_each(|(ping, _)| ping.ping());
    if !has::<A>(Capability::ImmediateTimers) {
        // A timer that is coarse is due when its millisecond is over.
        thread::sleep(Duration::from_millis(2));
    }
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
    let limit = t.trial.tolerance(Duration::from_micros(950));
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
    needs: &[Capability::Timers, Capability::OneWaitADispatch],
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
