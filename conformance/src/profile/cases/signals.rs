//! Signals as calloop's interface has them.

use std::io;

use nix::sys::signal::{self, SigSet, Signal as Raw};

use super::calloop::Dispatcher;
use super::calloop::signals::{Event, Signal, Signals};
use super::fixture::{Context, Fixture};
use crate::rule::{Case, Check, Level, Rule, Trial};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&SET_CHANGES_AT_ONCE, set_changes_at_once),
        Case::plain(&REMOVED_WHILE_PENDING, removed_while_pending),
    ]
}

/// Sends a signal to this thread.
fn raise(signal: Raw) -> io::Result<()> {
    Ok(signal::raise(signal)?)
}

/// Blocks a signal by hand, so that it does not take its default action.
fn block(signal: Raw) -> io::Result<()> {
    Ok(SigSet::from(signal).thread_block()?)
}

fn mark(event: Event, (): &mut (), cx: &mut Context) {
    cx.mark(&format!("{:?}", event.signal()));
}

const SET_CHANGES_AT_ONCE: Rule = Rule {
    id: "SIG-51",
    level: Level::Must,
    sentence: "`add_signals`, `remove_signals` and `set_signals` MUST take effect without an update \
               of the source.",
    why: "The source watches one descriptor; only what the kernel reports on it changes.",
    source: "calloop, documentation of Signals; signalfd(2)",
    check: "whether the signalfd is given the new set",
    needs: &[],
    alone: false,
};

fn set_changes_at_once(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let dispatcher = Dispatcher::new(Signals::new(&[Signal::SIGUSR1])?, mark);
    f.handle.register_dispatcher(dispatcher.clone())?;
    dispatcher.as_source_mut().add_signals(&[Signal::SIGUSR2])?;
    raise(Raw::SIGUSR2)?;
    f.poll()?;
    f.expect_marks(["SIGUSR2"])?;
    dispatcher.as_source_mut().set_signals(&[Signal::SIGUSR1, Signal::SIGWINCH])?;
    raise(Raw::SIGWINCH)?;
    f.poll()?;
    f.expect_marks(["SIGUSR2", "SIGWINCH"])?;
    dispatcher.as_source_mut().remove_signals(&[Signal::SIGUSR1])?;
    block(Raw::SIGUSR1)?;
    raise(Raw::SIGUSR1)?;
    f.expect_quiet()
}

const REMOVED_WHILE_PENDING: Rule = Rule {
    id: "SIG-52",
    level: Level::Must,
    sentence: "`remove_signals` of a signal that is pending MUST NOT let it take its default action.",
    why: "The signal was sent to a process that handled it; to die of it is the worst answer.",
    source: "signal(7), default actions; calloop, documentation of Signals::remove_signals",
    check: "whether the signal is unblocked before the signalfd has let go of it",
    needs: &[],
    alone: false,
};

fn removed_while_pending(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let dispatcher = Dispatcher::new(Signals::new(&[Signal::SIGUSR1, Signal::SIGUSR2])?, mark);
    f.handle.register_dispatcher(dispatcher.clone())?;
    raise(Raw::SIGUSR1)?;
    dispatcher.as_source_mut().remove_signals(&[Signal::SIGUSR1])?;
    raise(Raw::SIGUSR2)?;
    f.poll()?;
    f.expect_marks(["SIGUSR2"])
}
