//! What is left of a source of signals, and of two that share one.

use nix::sys::signal::Signal;

use super::{block, is_blocked, to_thread, watch};
use crate::adapter::{Adapter, Capability};
use crate::ensure_eq;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::has;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&MASK_RESTORED, mask_restored),
        Case::new::<A>(&PENDING_AT_REMOVAL, pending_at_removal),
        Case::new::<A>(&TWO_SOURCES, two_sources),
        Case::new::<A>(&ONE_IS_LEFT, one_is_left),
        Case::new::<A>(&DISABLED, disabled),
    ]
}

const MASK_RESTORED: Rule = Rule {
    id: "SIG-07",
    level: Level::Must,
    sentence: "When a source of signals is removed, each signal MUST be blocked for the thread if \
               and only if it was blocked before.",
    why: "Whoever blocked a signal does not expect to be killed by it because a source went away.",
    source: "pthread_sigmask(3), the old mask; libevent, test signal_restore; CPython, \
             set_wakeup_fd",
    check: "whether the mask that was found is kept, or every watched signal unblocked",
    needs: &[Capability::Signals, Capability::SignalMask],
    alone: false,
};

fn mask_restored<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    block(Signal::SIGUSR1)?;
    let signals = [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGHUP];
    let before = signals.map(|signal| is_blocked(signal).ok());
    for round in 1..=2 {
        let source = watch(t, "", &signals)?;
        t.deliver()?;
        A::remove(&t.handle, source);
        t.deliver()?;
        for (signal, before) in signals.into_iter().zip(before) {
            let after = is_blocked(signal).ok();
            ensure_eq!(after, before, "{signal} blocked after removal {round}");
        }
    }
    Ok(())
}

const PENDING_AT_REMOVAL: Rule = Rule {
    id: "SIG-109",
    level: Level::Must,
    sentence: "A signal that is pending when its source is removed MUST neither kill the process nor \
               be reported.",
    why: "A program that ends in order removes its sources, and may get a second SIGTERM meanwhile.",
    source: "signal(7), default actions; libuv, test signal_pending_on_close",
    check: "whether the signal is unblocked while it is pending",
    needs: &[Capability::Signals],
    alone: false,
};

fn pending_at_removal<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let source = watch(t, "", &[Signal::SIGUSR1, Signal::SIGTERM])?;
    to_thread(Signal::SIGUSR1)?;
    to_thread(Signal::SIGTERM)?;
    t.trial.trace.note("SIGUSR1 and SIGTERM are pending");
    A::remove(&t.handle, source);
    t.trial.trace.note("the source is removed");
    t.expect_silence()
}

const TWO_SOURCES: Rule = Rule {
    id: "SIG-08",
    level: Level::Must,
    sentence: "A signal that two sources watch MUST be reported to one of them at least, and to each \
               of them once at most.",
    why: "Libraries watch the same signals; they cannot know of each other.",
    source: "signalfd(2): a signal is read once; wayland and tokio tell all who watch it",
    check: "who reads the signal, and whom it is passed on to",
    needs: &[Capability::Signals, Capability::SignalSharing],
    alone: false,
};

fn two_sources<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    watch(t, "first: ", &[Signal::SIGUSR1])?;
    watch(t, "second: ", &[Signal::SIGUSR1])?;
    to_thread(Signal::SIGUSR1)?;
    // A loop that tells both may do so in two dispatches.
    let enough = if has::<A>(Capability::SignalFanOut) { 2 } else { 1 };
    let what = format!("{enough} reports to two sources");
    t.dispatch_until(&what, |trace| trace.marks().len() >= enough)?;
    t.expect_sleep()?;
    let reports = ["first: SIGUSR1", "second: SIGUSR1"].map(|it| t.trial.trace.count(it));
    let is_right =
        reports == [1, 1] || (!has::<A>(Capability::SignalFanOut) && reports.contains(&1));
    let expected = if has::<A>(Capability::SignalFanOut) { "to both" } else { "to one or both" };
    crate::ensure!(
        is_right && reports.iter().all(|reports| *reports <= 1),
        format_args!("one report {expected}"),
        "{} to the first, {} to the second",
        reports[0],
        reports[1]
    );
    Ok(())
}

const ONE_IS_LEFT: Rule = Rule {
    id: "SIG-110",
    level: Level::Must,
    sentence: "When one of two sources of a signal is removed, the other MUST go on, and the signal \
               MUST NOT take its default action.",
    why: "A library that is done with a signal does not take it away from the program.",
    source: "wayland, test event_loop_signal; tokio, test drop_then_get_a_signal",
    check: "whether sources are counted before a signal is unblocked or its handler taken back",
    needs: &[Capability::Signals, Capability::SignalSharing],
    alone: false,
};

fn one_is_left<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for remove_first in [true, false] {
        let first = watch(t, "first: ", &[Signal::SIGUSR1])?;
        let second = watch(t, "second: ", &[Signal::SIGUSR1])?;
        let (removed, left, report) = if remove_first {
            (first, second, "second: SIGUSR1")
        } else {
            (second, first, "first: SIGUSR1")
        };
        A::remove(&t.handle, removed);
        t.trial.trace.note("one is removed");
        to_thread(Signal::SIGUSR1)?;
        t.dispatch_until(&format!("{report}, as the other is removed"), |trace| {
            trace.count(report) == 1
        })?;
        A::remove(&t.handle, left);
    }
    t.expect_marks(&["second: SIGUSR1", "first: SIGUSR1"])
}

const DISABLED: Rule = Rule {
    id: "SIG-111",
    level: Level::Must,
    sentence: "A signal that comes while its source is disabled MUST NOT kill the process, and MUST \
               be reported once the source is enabled.",
    why: "To disable a source is to put its events off.",
    source: "calloop, documentation of LoopHandle::disable; signal(7), default actions",
    check: "whether disabling unblocks the signal or takes its handler back",
    needs: &[Capability::Signals, Capability::Disable],
    alone: false,
};

fn disabled<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let source = watch(t, "", &[Signal::SIGUSR1])?;
    A::disable(&t.handle, &source)?;
    to_thread(Signal::SIGUSR1)?;
    t.expect_silence()?;
    A::enable(&t.handle, &source)?;
    t.dispatch_until("a report of the signal that came before", |trace| trace.count("SIGUSR1") == 1)
}
