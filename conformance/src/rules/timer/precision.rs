//! Neither early nor late, and asleep until then.

use std::cell::Cell;
use std::process::Command;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use rustix::time::{ClockId, clock_gettime};

use super::{RESOLUTION, mark_after};
use crate::adapter::{Adapter, Capability, Failure, TimerNext};
use crate::ensure;
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::rules::interrupted::expect_end_amid_signals;
use crate::rules::kit::{FAR, has};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&NEVER_EARLY, never_early),
        Case::new::<A>(&DEADLINE_NEVER_EARLY, deadline_never_early),
        Case::new::<A>(&ONE_DISPATCH, one_dispatch),
        Case::new::<A>(&DEADLINE_TOLD, deadline_told),
        Case::new::<A>(&NOT_LATE, not_late),
        Case::new::<A>(&NOT_ROUNDED_UP, not_rounded_up),
        Case::new::<A>(&NOT_BUSY, not_busy),
        Case::new::<A>(&INTERRUPTED, interrupted),
        Case::new::<A>(&STOPPED, stopped),
    ]
}

/// Delays from 1 µs up: about a third more each time, with those between that rounding would hurt.
fn delays() -> impl Iterator<Item = Duration> {
    let geometric =
        (0..).map(|power| Duration::from_nanos((1_000.0 * 1.31_f64.powi(power)) as u64));
    let awkward =
        [400, 500, 900, 999, 1_000, 1_001, 1_499, 1_500, 1_900, 2_900, 3_999, 9_900, 49_900];
    let awkward = awkward.into_iter().map(Duration::from_micros);
    geometric.take_while(|delay| *delay < Duration::from_secs(1)).chain(awkward)
}

/// Inserts a timer that marks whether it fires early.
fn insert_judged<A: Adapter>(
    t: &Fixture<'_, A>,
    delay: Duration,
    by_deadline: bool,
) -> Result<A::Source, Failure> {
    let (trace, start) = (t.trace(), Instant::now());
    let deadline = start + delay;
    let judge = move |_: &A::Handle, _| {
        let now = Instant::now();
        trace.mark(if now < deadline { "early" } else { "due" });
        trace.note(format_args!("{:?} after it was set to {delay:?}", now - start));
        TimerNext::Stop
    };
    if by_deadline {
        A::insert_deadline(&t.handle, deadline, judge)
    } else {
        A::insert_timer(&t.handle, delay, judge)
    }
}

fn expect_none_early<A: Adapter>(t: &Fixture<'_, A>) -> Check {
    let (early, all) = (t.trial.trace.count("early"), t.trial.trace.marks().len());
    ensure!(early == 0, "no timer fires before its time", "{early} of {all} did, see the trace");
    Ok(())
}

/// Each alone, so that the loop sleeps for it, then all together.
fn judge_all<A: Adapter>(t: &mut Fixture<'_, A>, by_deadline: bool, longest: Duration) -> Check {
    let mut fired = 0;
    for delay in delays().filter(|delay| *delay < Duration::from_millis(10)) {
        insert_judged(t, delay, by_deadline)?;
        fired += 1;
        t.dispatch_until("the timer to fire", |trace| trace.marks().len() == fired)?;
    }
    for delay in delays().filter(|delay| *delay <= longest).chain([longest]) {
        insert_judged(t, delay, by_deadline)?;
        fired += 1;
    }
    t.dispatch_until("the timers to fire", |trace| trace.marks().len() == fired)?;
    expect_none_early(t)
}

const NEVER_EARLY: Rule = Rule {
    id: "TIMER-01",
    level: Level::Must,
    sentence: "A timer MUST NOT fire before its delay is over.",
    why: "Whoever waits for a time acts on it: a frame drawn early, a retry sent early, a timeout \
          declared early are wrong, where a late one is only late.",
    source: "timer_settime(2): expirations are never early; libuv, test timer_early_check",
    check: "how the time to wait is rounded: towards zero makes it early",
    needs: &[Capability::Timers],
    alone: false,
};

fn never_early<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // A run that is made shorter waits for shorter delays.
    let second = Duration::from_secs(1);
    judge_all(t, false, t.trial.limit(second).min(second))
}

const DEADLINE_NEVER_EARLY: Rule = Rule {
    id: "TIMER-101",
    level: Level::Must,
    sentence: "A timer MUST NOT fire before the instant that it was set to.",
    why: "A deadline is shared: the clock on the wall, the next frame, the partner of a protocol.",
    source: "timer_settime(2), TIMER_ABSTIME; calloop, documentation of Timer::from_deadline",
    check: "whether the deadline becomes a duration on the way to the wait, and how that is rounded",
    needs: &[Capability::Timers, Capability::Deadlines],
    alone: false,
};

fn deadline_never_early<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    judge_all(t, true, Duration::from_millis(50))
}

const ONE_DISPATCH: Rule = Rule {
    id: "TIMER-02",
    level: Level::Must,
    sentence: "A dispatch without limit MUST NOT end before the timer that it waits for has fired.",
    why: "A dispatch that returns with nothing is a wake-up for nothing, and the one after it comes \
          late.",
    source: "IO::Async, test of timers, one loop_once for one timer; polling, test precision",
    check: "whether the wait is rounded down and ends just before the deadline",
    needs: &[Capability::Timers],
    alone: false,
};

fn one_dispatch<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut empty = Vec::new();
    for micros in [100, 900, 999, 1_500, 1_900, 2_999, 4_999, 10_000].repeat(3) {
        let delay = Duration::from_micros(micros);
        mark_after(t, delay, "fired")?;
        let before = t.trial.trace.count("fired");
        let mut dispatches = 0;
        while t.trial.trace.count("fired") == before {
            t.dispatch(None)?;
            dispatches += 1;
        }
        if dispatches > 1 {
            empty.push(format!("{} for {delay:?}", dispatches - 1));
        }
    }
    ensure!(
        empty.is_empty(),
        "one dispatch for each timer",
        "dispatches that ended with nothing: {}",
        empty.join(", ")
    );
    Ok(())
}

const DEADLINE_TOLD: Rule = Rule {
    id: "TIMER-03",
    level: Level::Must,
    sentence: "The deadline that a timer's callback is told MUST be the one that was set, not the \
               time of the call.",
    why: "The next deadline is counted from it; counted from the call, each lateness would be kept.",
    source: "calloop, documentation of Timer: the event is the deadline",
    check: "what the callback is handed: the entry's deadline or the loop's time",
    needs: &[Capability::Timers, Capability::DeadlineTold],
    alone: false,
};

fn deadline_told<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let delay = Duration::from_millis(2);
    let told = Rc::new(Cell::new(None));
    let tell = |told: &Rc<Cell<Option<Instant>>>| {
        let told = told.clone();
        move |_: &A::Handle, deadline| {
            told.set(deadline);
            TimerNext::Stop
        }
    };
    if has::<A>(Capability::Deadlines) {
        for deadline in [Instant::now() + delay, Instant::now() - Duration::from_millis(1)] {
            told.set(None);
            A::insert_deadline(&t.handle, deadline, tell(&told))?;
            t.dispatch_until("the timer to fire", |_| told.get().is_some())?;
            let late = told.get().map(|told| format!("{:?}", signed(deadline, told)));
            let is_it = |told: Instant| (told.max(deadline) - told.min(deadline)) < RESOLUTION;
            ensure!(told.get().is_some_and(is_it), "the deadline that was set", "{late:?} from it");
        }
    }
    let before = Instant::now();
    told.set(None);
    A::insert_timer(&t.handle, delay, tell(&told))?;
    let after = Instant::now();
    // The call is made late on purpose, so that the deadline and the time of the call differ.
    thread::sleep(delay * 5);
    t.dispatch_until("the timer to fire", |_| told.get().is_some())?;
    let Some(told) = told.get() else { return Err(Failure::Unsupported.into()) };
    ensure!(
        before + delay <= told && told < after + delay + RESOLUTION,
        format_args!("a deadline {delay:?} after the timer was set"),
        "{} after it",
        signed(before, told)
    );
    Ok(())
}

/// The time from one instant to another, which may be before it.
fn signed(from: Instant, to: Instant) -> String {
    match to.checked_duration_since(from) {
        Some(after) => format!("{after:?}"),
        None => format!("-{:?}", from - to),
    }
}

/// How late a timer fires, at best, and how late the thread wakes up from a plain sleep as long.
///
/// Tries until both differ by no more than `tolerance`, because a busy machine delays a single try.
fn lateness<A: Adapter>(
    t: &mut Fixture<'_, A>,
    delay: Duration,
    tolerance: Duration,
) -> Result<(Duration, Duration), Deviation> {
    const TRIES: usize = 40;
    let (mut best, mut floor) = (Duration::MAX, Duration::MAX);
    for _ in 0..TRIES {
        let start = Instant::now();
        thread::sleep(delay);
        floor = floor.min(start.elapsed() - delay);
        let fired = Rc::new(Cell::new(None));
        let (set, start) = (fired.clone(), Instant::now());
        A::insert_timer(&t.handle, delay, move |_, _| {
            set.set(Some(start.elapsed()));
            TimerNext::Stop
        })?;
        let limit = t.trial.limit(PATIENCE);
        while fired.get().is_none() && start.elapsed() < limit {
            t.event_loop.dispatch(Some(limit))?;
        }
        let Some(elapsed) = fired.get() else {
            let actual = format_args!("it did not within {limit:?}").to_string();
            return Err(Deviation::new(format_args!("a timer of {delay:?} to fire"), actual));
        };
        best = best.min(elapsed.saturating_sub(delay));
        if best <= floor + tolerance {
            break;
        }
    }
    t.trial.trace.note(format_args!("{delay:?}: late by {best:?}, a plain sleep by {floor:?}"));
    Ok((best, floor))
}

fn expect_lateness<A: Adapter>(
    t: &mut Fixture<'_, A>,
    micros: &[u64],
    tolerance: Duration,
) -> Check {
    for delay in micros.iter().copied().map(Duration::from_micros) {
        let (best, floor) = lateness(t, delay, tolerance)?;
        ensure!(
            best <= floor + tolerance,
            format_args!("a timer of {delay:?} at best {:?} late", floor + tolerance),
            "at best {best:?} late, where a plain sleep is {floor:?} late"
        );
    }
    Ok(())
}

const NOT_LATE: Rule = Rule {
    id: "TIMER-102",
    level: Level::Must,
    sentence: "A timer MUST NOT fire more than 5 ms later than a plain sleep ends, at best.",
    why: "A loop that looks at its timers at intervals, or rounds them coarsely, spoils animations, \
          key repeat and timeouts.",
    source: "polling, test precision; libuv, documentation of uv_timer_t: milliseconds",
    check: "whether the wait is bounded by the next deadline, and in which unit",
    needs: &[Capability::Timers],
    alone: true,
};

fn not_late<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    expect_lateness(t, &[200, 1_000, 4_300, 11_700], Duration::from_millis(5))
}

const NOT_ROUNDED_UP: Rule = Rule {
    id: "TIMER-103",
    level: Level::Should,
    sentence: "A delay SHOULD NOT be rounded up to whole milliseconds.",
    why: "At 144 frames a second a millisecond is a seventh of a frame.",
    source: "epoll_pwait2(2), which has nanoseconds for that; calloop, issue 142",
    check: "whether the time to wait is handed to the kernel in milliseconds",
    needs: &[Capability::Timers, Capability::SubMillisecondTimers],
    alone: true,
};

fn not_rounded_up<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    expect_lateness(t, &[100, 300, 1_300, 2_200], Duration::from_micros(500))
}

const NOT_BUSY: Rule = Rule {
    id: "TIMER-104",
    level: Level::Must,
    sentence: "A loop MUST sleep until a timer is due, also for the last part of a millisecond.",
    why: "A loop that goes round until the time has come takes a processor, and the battery.",
    source: "epoll_wait(2): a timeout of zero returns at once; polling, test precision",
    check: "whether a rest below a millisecond becomes a wait of zero",
    needs: &[Capability::Timers],
    alone: true,
};

fn not_busy<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMERS: u32 = 60;
    const TRIES: u32 = 3;
    let delay = Duration::from_micros(950);
    let mut least = (Duration::MAX, 0);
    for _ in 0..TRIES {
        least = least.min(processor_time(t, TIMERS, delay)?);
        // The machine may be busy; a loop that goes round is so each time.
        if least.0 < delay * TIMERS / 2 {
            return Ok(());
        }
    }
    let (used, dispatches) = least;
    Err(Deviation::new(
        format_args!("a loop that sleeps for {TIMERS} times {delay:?}"),
        format_args!("{used:?} of processor time and {dispatches} dispatches"),
    ))
}

/// What so many timers one after the other take, and how many dispatches.
fn processor_time<A: Adapter>(
    t: &mut Fixture<'_, A>,
    timers: u32,
    delay: Duration,
) -> Result<(Duration, u32), Deviation> {
    let cpu = || Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
    let fired = Rc::new(Cell::new(0));
    let mut dispatches = 0;
    let before = cpu();
    for number in 0..timers {
        let fired_here = fired.clone();
        A::insert_timer(&t.handle, delay, move |_, _| {
            fired_here.set(fired_here.get() + 1);
            TimerNext::Stop
        })?;
        while fired.get() == number {
            t.event_loop.dispatch(None)?;
            dispatches += 1;
        }
    }
    let used = cpu() - before;
    t.trial.trace.note(format_args!("{dispatches} dispatches, {used:?} of processor time"));
    Ok((used, dispatches))
}

const INTERRUPTED: Rule = Rule {
    id: "TIMER-105",
    level: Level::Must,
    sentence: "Signals that are handled while the loop waits MUST NOT have a timer fire early or late.",
    why: "Programs have handlers for SIGCHLD, SIGWINCH and profilers' SIGPROF; time goes on meanwhile.",
    source: "signal(7), system calls that fail with EINTR; polling, test concurrent_interruption",
    check: "whether a wait that was interrupted begins anew with its full length",
    needs: &[Capability::Timers],
    alone: true,
};

fn interrupted<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let delay = Duration::from_millis(20);
    expect_end_amid_signals(delay, || {
        let begin = Instant::now();
        insert_judged(t, delay, false)?;
        let before = t.trial.trace.marks().len();
        t.dispatch_until("the timer to fire", |trace| trace.marks().len() > before)?;
        let elapsed = begin.elapsed();
        ensure!(
            elapsed >= delay,
            "a timer of 20 ms that fires in time",
            "it did after {elapsed:?}"
        );
        Ok(())
    })
}

const STOPPED: Rule = Rule {
    id: "TIMER-106",
    level: Level::Must,
    sentence: "When a stopped process goes on, a timer whose time came meanwhile MUST fire once, and \
               one whose time did not come MUST NOT fire.",
    why: "Shells and debuggers stop processes, machines are suspended.",
    source: "signal(7), interruption by stop signals, which fail epoll_wait(2) with EINTR",
    check: "what becomes of a wait that ends with EINTR though no handler ran",
    needs: &[Capability::Timers],
    alone: true,
};

fn stopped<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let this = Pid::this();
    let script = format!("kill -STOP {this}; sleep 0.05; kill -CONT {this}");
    mark_after(t, Duration::from_millis(25), "came")?;
    mark_after(t, FAR, "did not come")?;
    let mut shell = Command::new("sh").args(["-c", &script]).spawn()?;
    let outcome = t.dispatch_until("the timer to fire", |trace| trace.count("came") > 0);
    let status = shell.wait()?;
    outcome?;
    ensure!(status.success(), "a shell that stops this process", "{status}");
    t.expect_silence()?;
    t.expect_marks(&["came"])
}
