//! What the event of a signal tells.

use std::io;

use nix::sys::signal::{self, Signal as Raw};

use super::calloop::signals::{Signal, Signals};
use super::fixture::{Context, Fixture};
use crate::ensure_eq;
use crate::rule::{Case, Check, Level, Rule, Trial};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::plain(&TOLD_OF_A_SIGNAL, told_of_a_signal)]
}

const TOLD_OF_A_SIGNAL: Rule = Rule {
    id: "SIG-10",
    level: Level::Must,
    sentence: "The event of a signal MUST tell its number, code, process and user as signalfd(2) \
               does.",
    why: "A service answers SIGTERM of its supervisor and not of others, and finds the child that \
          a SIGCHLD is about.",
    source: "signalfd(2), struct signalfd_siginfo; calloop, documentation of signals::Event",
    check: "which fields the accessors read",
    needs: &[],
    alone: false,
};

fn told_of_a_signal(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    f.handle.insert_source(
        Signals::new(&[Signal::SIGUSR1])?,
        |event, &mut (), cx: &mut Context| {
            let told = (event.signal(), event.code(), event.pid(), event.uid());
            cx.mark(&format!("{told:?}"));
        },
    )?;
    signal::raise(Raw::SIGUSR1).map_err(io::Error::from)?;
    f.poll()?;
    let (pid, uid) = (std::process::id(), rustix::process::getuid().as_raw());
    let expected = format!("{:?}", (Signal::SIGUSR1, libc::SI_TKILL, pid, uid));
    ensure_eq!(f.trace.marks(), [expected], "told");
    Ok(())
}
