//! When a signal is reported, and how often.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{block, numbers, to_process, to_thread, watch};
use crate::adapter::{Adapter, Capability, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&IN_A_DISPATCH, in_a_dispatch),
        Case::new::<A>(&EACH_NUMBER, each_number),
        Case::new::<A>(&PENDING_BEFORE, pending_before),
        Case::new::<A>(&ENDS_A_WAIT, ends_a_wait),
        Case::new::<A>(&RAISED_BY_ITS_CALLBACK, raised_by_its_callback),
        Case::new::<A>(&STORM, storm),
    ]
}

const IN_A_DISPATCH: Rule = Rule {
    id: "SIG-01",
    level: Level::Must,
    sentence: "A watched signal MUST be reported by a dispatch, once, and MUST NOT call back where \
               it strikes.",
    why: "A callback may do what a signal handler must not: allocate, lock, print.",
    source: "signal-safety(7); IO::Async, tests of watch_signal; Revolt, tests of onSignal",
    check: "what the handler does, or how the signal is blocked and read",
    needs: &[Capability::Signals],
    alone: false,
};

fn in_a_dispatch<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    watch(t, "", &[Signal::SIGUSR1])?;
    for round in 1..=3 {
        to_thread(Signal::SIGUSR1)?;
        let calls = t.trial.trace.marks().len();
        ensure!(calls + 1 == round, "no call before the dispatch", "{calls} calls, round {round}");
        t.dispatch_until("a report of SIGUSR1", |trace| trace.marks().len() >= round)?;
        t.expect_sleep()?;
    }
    t.expect_marks(&["SIGUSR1"; 3])
}

const EACH_NUMBER: Rule = Rule {
    id: "SIG-02",
    level: Level::Must,
    sentence: "Of several signals that were raised before a dispatch each MUST be reported under its \
               own number, at least once and at most as often as it was raised.",
    why: "A service that is to reload and to end must do both, and end once.",
    source: "signal(7): a standard signal that is pending is not queued again; sd-event, test \
             rtqueue",
    check: "how many are read at once, and what their number is taken from",
    needs: &[Capability::Signals],
    alone: false,
};

fn each_number<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let raised = [
        (Signal::SIGTERM, 1),
        (Signal::SIGUSR1, 3),
        (Signal::SIGHUP, 1),
        (Signal::SIGWINCH, 2),
        (Signal::SIGUSR2, 1),
    ];
    watch(t, "", &raised.map(|(signal, _)| signal))?;
    for (signal, times) in raised {
        for _ in 0..times {
            to_thread(signal)?;
        }
    }
    for (signal, _) in raised {
        let what = format!("a report of {signal}");
        t.dispatch_until(&what, |trace| trace.count(signal.as_str()) > 0)?;
    }
    t.expect_sleep()?;
    for (signal, times) in raised {
        let reports = t.trial.trace.count(signal.as_str());
        ensure!(
            reports <= times,
            format_args!("{signal} reported at most as often as raised, {times}"),
            "{reports} reports"
        );
    }
    let others = t.trial.trace.marks().len()
        - raised.iter().map(|(signal, _)| t.trial.trace.count(signal.as_str())).sum::<usize>();
    ensure_eq!(others, 0, "reports of signals that were not raised");
    Ok(())
}

const PENDING_BEFORE: Rule = Rule {
    id: "SIG-04",
    level: Level::Must,
    sentence: "A signal that was blocked and pending when its source was inserted MUST be reported.",
    why: "A program blocks its signals first of all, so that none is missed while it starts.",
    source: "signalfd(2): pending signals are read; calloop, test usr2_signal_removed",
    check: "whether signals that are pending are looked for, or only new ones waited for",
    needs: &[Capability::Signals, Capability::SignalMask],
    alone: false,
};

fn pending_before<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    block(Signal::SIGUSR1)?;
    to_thread(Signal::SIGUSR1)?;
    watch(t, "", &[Signal::SIGUSR1, Signal::SIGUSR2])?;
    t.dispatch_until("a report of the signal that was pending", |trace| !trace.marks().is_empty())?;
    t.expect_sleep()?;
    t.expect_marks(&["SIGUSR1"])
}

const ENDS_A_WAIT: Rule = Rule {
    id: "SIG-101",
    level: Level::Must,
    sentence: "A watched signal that comes while the loop waits MUST end the wait and be reported \
               then.",
    why: "Who presses Ctrl-C does not wait for the next timer.",
    source: "CPython, test_signal while selecting; wayland, test event_loop_signal",
    check: "whether the signal is something that the wait waits for",
    needs: &[Capability::Signals],
    alone: false,
};

fn ends_a_wait<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    watch(t, "", &[Signal::SIGUSR1])?;
    let limit = t.trial.limit(Duration::from_secs(10));
    // From a thread that the loop knows nothing of, to the process.
    let sender = thread::spawn(|| {
        thread::sleep(Duration::from_millis(20));
        to_process(Signal::SIGUSR1)
    });
    let start = Instant::now();
    while t.trial.trace.marks().is_empty() && start.elapsed() < limit {
        t.dispatch(Some(limit.saturating_sub(start.elapsed())))?;
    }
    let elapsed = start.elapsed();
    ensure!(elapsed < limit / 2, "the signal to end the wait", "waited for {elapsed:?}");
    sender.join().map_err(|_| std::io::Error::other("the sender panicked"))??;
    t.expect_marks(&["SIGUSR1"])
}

const RAISED_BY_ITS_CALLBACK: Rule = Rule {
    id: "SIG-102",
    level: Level::Must,
    sentence: "A signal that is raised by its own callback MUST be reported again, and not within \
               that callback.",
    why: "A program passes the signal on, or sends it to its group, to which it belongs.",
    source: "libevent, test signal_while_processing",
    check: "whether what is pending is marked as done before or after the callback",
    needs: &[Capability::Signals],
    alone: false,
};

fn raised_by_its_callback<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, depth, calls) = (t.trace(), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let counter = calls.clone();
    A::insert_signals(&t.handle, &numbers(&[Signal::SIGUSR1]), move |_, _| {
        depth.set(depth.get() + 1);
        trace.mark(format_args!("depth {}", depth.get()));
        counter.set(counter.get() + 1);
        if counter.get() < 4 && to_thread(Signal::SIGUSR1).is_err() {
            trace.mark("it could not be raised");
        }
        depth.set(depth.get() - 1);
    })?;
    to_thread(Signal::SIGUSR1)?;
    t.dispatch_until("four reports, three of signals raised by the one before", |_| {
        calls.get() >= 4
    })?;
    t.expect_sleep()?;
    t.expect_marks(&["depth 1"; 4])
}

const STORM: Rule = Rule {
    id: "SIG-103",
    level: Level::Must,
    sentence: "A storm of signals MUST keep neither other sources from their turn nor a later signal \
               from being reported.",
    why: "A process with many children gets as many signals when they end.",
    source: "signal(7), standard signals do not queue; libevent, test signal_pipeloss",
    check: "what happens when the pipe of a handler is full, and whether reading has an end",
    needs: &[Capability::Timers, Capability::Signals],
    alone: false,
};

fn storm<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const SIGNALS: usize = 20_000;
    let calls = Rc::new(Cell::new(0));
    let counter = calls.clone();
    A::insert_signals(&t.handle, &numbers(&[Signal::SIGUSR1]), move |_, _| {
        counter.set(counter.get() + 1);
    })?;
    let mut mark = t.marker("timer");
    A::insert_timer(&t.handle, Duration::from_millis(1), move |handle, _| {
        mark(handle);
        TimerNext::Stop
    })?;
    let sender = thread::spawn(|| (0..SIGNALS).try_for_each(|_| to_process(Signal::SIGUSR1)));
    t.dispatch_until("a timer to fire in a storm of signals", |trace| trace.count("timer") == 1)?;
    let patience = Duration::from_millis(1);
    while !sender.is_finished() {
        t.event_loop.dispatch(Some(patience))?;
    }
    sender.join().map_err(|_| std::io::Error::other("the sender panicked"))??;
    // Whatever is left of it.
    t.expect_sleep()?;
    let reports = calls.get();
    ensure!(
        (1..=SIGNALS).contains(&reports),
        format_args!("from 1 to {SIGNALS} reports of {SIGNALS} signals"),
        "{reports} reports"
    );
    to_thread(Signal::SIGUSR1)?;
    t.dispatch_until("a report of a signal after the storm", |_| calls.get() > reports)
}
