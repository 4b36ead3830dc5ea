//! Signals between threads and processes.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::getuid;

use super::{is_blocked, numbers, to_process, watch};
use crate::adapter::{Adapter, Capability, SignalEvent};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&SENDER, sender),
        Case::new::<A>(&OTHER_THREADS, other_threads),
        Case::new::<A>(&CHILDREN, children),
        Case::new::<A>(&NOT_WATCHED, not_watched),
        Case::new::<A>(&CANNOT_BE_WATCHED, cannot_be_watched),
    ]
}

const SENDER: Rule = Rule {
    id: "SIG-104",
    level: Level::Must,
    sentence: "The report of a signal MUST tell the process and the user that sent it.",
    why: "A service obeys its supervisor, and finds the child that has ended.",
    source: "signalfd(2), ssi_pid and ssi_uid; sigaction(2), siginfo_t",
    check: "which fields are read, and whether two signals share them",
    needs: &[Capability::Signals, Capability::SignalInfo],
    alone: false,
};

fn sender<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (told, events) = mpsc::channel();
    A::insert_signals(&t.handle, &numbers(&[Signal::SIGUSR1]), move |_, event| {
        let _ = told.send(event);
    })?;
    let uid = Some(getuid().as_raw());
    let mut received = Vec::new();
    let signal = Signal::SIGUSR1 as i32;

    to_process(Signal::SIGUSR1)?;
    t.dispatch_until("a report of a signal of its own", |_| {
        received.extend(events.try_iter());
        !received.is_empty()
    })?;
    let expected = SignalEvent { signal, pid: Some(std::process::id()), uid };
    ensure_eq!(received.remove(0), expected, "a signal that the process sent to itself");

    let script = format!("kill -USR1 {}", std::process::id());
    let mut child = Command::new("sh").args(["-c", &script]).spawn()?;
    t.dispatch_until("a report of a signal of a child", |_| {
        received.extend(events.try_iter());
        !received.is_empty()
    })?;
    let expected = SignalEvent { signal, pid: Some(child.id()), uid };
    child.wait()?;
    ensure_eq!(received.remove(0), expected, "a signal that the child {} sent", child.id());
    Ok(())
}

const OTHER_THREADS: Rule = Rule {
    id: "SIG-105",
    level: Level::Must,
    sentence: "A signal to the process MUST be reported also while threads run that were started \
               after its source was inserted, and MUST NOT take its default action in one of them.",
    why: "The system gives the signal to any thread that does not block it.",
    source: "signal(7): process-directed signals; pthread_sigmask(3): a thread inherits the mask",
    check: "for which threads the signal is blocked or handled",
    needs: &[Capability::Signals],
    alone: false,
};

fn other_threads<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const ROUNDS: usize = 50;
    watch(t, "", &[Signal::SIGUSR1])?;
    let (end, ended) = mpsc::channel::<()>();
    let other = thread::spawn(move || ended.recv());
    for round in 1..=ROUNDS {
        to_process(Signal::SIGUSR1)?;
        let what = format!("report {round} of a signal to the process, which has two threads");
        t.dispatch_until(&what, |trace| trace.marks().len() == round)?;
    }
    drop(end);
    let _ = other.join();
    Ok(())
}

const CHILDREN: Rule = Rule {
    id: "SIG-106",
    level: Level::Must,
    sentence: "The ends of several children MUST be reported by SIGCHLD so that none is left when \
               the callback reaps all it finds.",
    why: "Signals join, children do not: one that is missed stays a zombie.",
    source: "wait(2); signal(7), standard signals do not queue; libuv, test sigchld; IO::Async, \
             tests of watch_process",
    check: "whether a signal that comes while another is delivered is lost",
    needs: &[Capability::Signals],
    alone: false,
};

fn children<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const CHILDREN: usize = 8;
    let reaped = Arc::new(AtomicUsize::new(0));
    let counter = reaped.clone();
    A::insert_signals(&t.handle, &numbers(&[Signal::SIGCHLD]), move |_, _| {
        let any = None::<Pid>;
        while let Ok(WaitStatus::Exited(..)) = waitpid(any, Some(WaitPidFlag::WNOHANG)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    })?;
    let count = || reaped.load(Ordering::Relaxed);
    for _ in 0..CHILDREN {
        // The callback reaps it.
        #[allow(clippy::zombie_processes, reason = "the callback reaps all children")]
        Command::new("true").stdin(Stdio::null()).spawn()?;
    }
    let limit = t.trial.limit(Duration::from_secs(5));
    let start = std::time::Instant::now();
    while count() < CHILDREN && start.elapsed() < limit {
        t.dispatch(Some(limit.saturating_sub(start.elapsed())))?;
    }
    ensure!(count() == CHILDREN, format_args!("{CHILDREN} children reaped"), "{}", count());
    Ok(())
}

const NOT_WATCHED: Rule = Rule {
    id: "SIG-107",
    level: Level::Must,
    sentence: "A signal that no source watches MUST be left to its own handler and its own mask, and \
               MUST NOT call anybody back.",
    why: "Libraries have handlers of their own, for SIGCHLD or SIGALRM.",
    source: "sigprocmask(2), SIG_BLOCK adds to the mask; signalfd(2); signal-hook",
    check: "which signals are blocked, handled and read: those of the source or all",
    needs: &[Capability::Signals],
    alone: false,
};

fn not_watched<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let handled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(Signal::SIGALRM as i32, handled.clone())?;
    let source = watch(t, "", &[Signal::SIGUSR1])?;
    for (situation, is_watched) in [("while another is watched", true), ("after that", false)] {
        if !is_watched {
            A::remove(&t.handle, source.clone());
        }
        ensure!(!is_blocked(Signal::SIGALRM)?, "SIGALRM not blocked", "blocked {situation}");
        handled.store(false, Ordering::Relaxed);
        to_process(Signal::SIGALRM)?;
        t.deliver()?;
        let is_handled = handled.load(Ordering::Relaxed);
        ensure!(is_handled, format_args!("SIGALRM handled {situation}"), "its handler did not run");
    }
    t.expect_marks::<&str>(&[])
}

const CANNOT_BE_WATCHED: Rule = Rule {
    id: "SIG-108",
    level: Level::Should,
    sentence: "SIGKILL and SIGSTOP SHOULD be refused.",
    why: "Nobody can receive them; a program that believes it can has a plan that will not work.",
    source: "signal(7): they cannot be caught, blocked or ignored; uvloop, test of invalid signals",
    check: "whether the answer of sigprocmask(2) or signalfd(2) is relied on: both ignore them",
    needs: &[Capability::Signals],
    alone: false,
};

fn cannot_be_watched<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        for signals in [&[signal][..], &[Signal::SIGUSR1, signal]] {
            let answer = watch(t, "", signals).map(drop);
            ensure!(answer.is_err(), format_args!("{signal} refused"), "accepted");
        }
    }
    ensure!(!is_blocked(Signal::SIGUSR1)?, "a refusal that blocks nothing", "SIGUSR1 is blocked");
    // The loop goes on.
    watch(t, "", &[Signal::SIGUSR1])?;
    to_process(Signal::SIGUSR1)?;
    t.dispatch_until("a report of SIGUSR1", |trace| trace.count("SIGUSR1") == 1)
}
