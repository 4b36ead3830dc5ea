//! Changing which signals a source watches.

use nix::sys::signal::Signal;

use super::{block, numbers, to_thread, watch};
use crate::adapter::{Adapter, Capability};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&SET_CHANGED, set_changed),
        Case::new::<A>(&IN_BOTH_SETS, in_both_sets),
        Case::new::<A>(&LEAVES_THE_SET, leaves_the_set),
    ]
}

const NEEDS: &[Capability] = &[Capability::Signals, Capability::SignalSet];

const SET_CHANGED: Rule = Rule {
    id: "SIG-03",
    level: Level::Must,
    sentence: "A source whose set of signals is changed MUST report exactly those of the new set from \
               then on.",
    why: "A program handles SIGINT while it edits, and not while it runs something else.",
    source: "signalfd(2) on an existing descriptor; calloop, tests of Signals::add_signals and \
             remove_signals",
    check: "whether both what is blocked and what is read are changed",
    needs: NEEDS,
    alone: false,
};

fn set_changed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let source = watch(t, "", &[Signal::SIGUSR1])?;
    A::set_signals(&t.handle, &source, &numbers(&[Signal::SIGUSR2, Signal::SIGWINCH]))?;
    for signal in [Signal::SIGUSR2, Signal::SIGWINCH] {
        to_thread(signal)?;
        let what = format!("a report of {signal}, which was added");
        t.dispatch_until(&what, |trace| trace.count(signal.as_str()) == 1)?;
    }
    // By hand, so that it does not take its default action.
    block(Signal::SIGUSR1)?;
    to_thread(Signal::SIGUSR1)?;
    t.expect_silence()
}

const IN_BOTH_SETS: Rule = Rule {
    id: "SIG-05",
    level: Level::Must,
    sentence: "A change of the set MUST NOT touch a signal that is in both sets: one that is pending \
               MUST be reported, and not take its default action.",
    why: "The program never stopped handling it, and is killed by it.",
    source: "signal(7), default actions; pthread_sigmask(3), SIG_UNBLOCK",
    check: "whether the old set is unblocked before the new one is blocked",
    needs: NEEDS,
    alone: false,
};

fn in_both_sets<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let source = watch(t, "", &[Signal::SIGUSR1])?;
    to_thread(Signal::SIGUSR1)?;
    t.trial.trace.note("SIGUSR1 is pending");
    A::set_signals(&t.handle, &source, &numbers(&[Signal::SIGUSR2, Signal::SIGUSR1]))?;
    t.trial.trace.note("SIGUSR2 is watched, too");
    t.dispatch_until("a report of SIGUSR1, which was watched all along", |trace| {
        trace.count("SIGUSR1") == 1
    })
}

const LEAVES_THE_SET: Rule = Rule {
    id: "SIG-06",
    level: Level::Must,
    sentence: "A signal that is pending when it leaves the set MUST NOT take its default action.",
    why: "It was sent to a process that handled it: to be killed by it is the worst answer.",
    source: "signal(7), default actions; signalfd(2)",
    check: "whether the signal is unblocked while it is pending",
    needs: NEEDS,
    alone: false,
};

fn leaves_the_set<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let source = watch(t, "", &[Signal::SIGUSR1, Signal::SIGUSR2])?;
    to_thread(Signal::SIGUSR1)?;
    t.trial.trace.note("SIGUSR1 is pending");
    A::set_signals(&t.handle, &source, &numbers(&[Signal::SIGUSR2]))?;
    t.trial.trace.note("SIGUSR1 is not watched any more");
    to_thread(Signal::SIGUSR2)?;
    t.dispatch_until("a report of SIGUSR2", |trace| trace.count("SIGUSR2") == 1)
}
