//! Descriptors.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::kinds::insert_kinds;
use super::kit::{FAR, Wire, has, insert_far, insert_once, insert_reader, open_descriptors};
use crate::adapter::{Adapter, Capability, Failure, Ping, Sender, Spawn};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&ALL_CLOSED, all_closed),
        Case::new::<A>(&TIMERS_HAVE_NONE, timers_have_none),
        Case::new::<A>(&NOT_INHERITED, not_inherited),
    ]
}

const ALL_CLOSED: Rule = Rule {
    id: "RES-105",
    level: Level::Must,
    sentence: "Sources of every kind that come and go MUST leave no descriptor open.",
    why: "A server opens and closes millions of connections between two restarts.",
    source: "https://github.com/Smithay/calloop/issues/104; libevent, test fdleak",
    check: "who owns the descriptor of each kind of source, and whether a removal drops it",
    needs: &[Capability::Timers],
    alone: false,
};

fn all_closed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const ROUNDS: usize = 120;
    let mut before = None;
    for round in 0..ROUNDS {
        let sources = come_and_go::<A>(&t.handle)?;
        if round % 3 == 0 {
            t.event_loop.dispatch(Some(Duration::ZERO))?;
        }
        sources.into_iter().for_each(|source| A::remove(&t.handle, source));
        t.event_loop.dispatch(Some(Duration::ZERO))?;
        let mut open = open_descriptors()?;
        // What is opened once, with the first source of a kind, is no leak.
        let before = *before.get_or_insert(open);
        // Nor is what a thread of the loop was about when the source was removed.
        let (start, limit) = (Instant::now(), t.trial.limit(Duration::from_millis(100)));
        while open > before && start.elapsed() < limit {
            t.event_loop.dispatch(Some(Duration::ZERO))?;
            open = open_descriptors()?;
        }
        ensure!(
            open <= before,
            format_args!("{before} open descriptors, as after the first round"),
            "{open} in round {round}"
        );
    }
    Ok(())
}

/// Inserts a source of each kind, gives them something to do, and lets go of what is outside.
fn come_and_go<A: Adapter>(handle: &A::Handle) -> Result<Vec<A::Source>, Failure> {
    let mut sources = vec![insert_once::<A>(handle, FAR, |_| {})?];
    if has::<A>(Capability::Descriptors) {
        let (wire, source) = insert_reader::<A>(handle, |_| {})?;
        wire.send();
        sources.push(source);
    }
    if has::<A>(Capability::Ping) {
        let (ping, source) = A::insert_ping(handle, |_| {})?;
        ping.ping();
        sources.push(source);
    }
    if has::<A>(Capability::Channel) {
        let (sender, source) = A::insert_channel(handle, |_, _| {})?;
        let _ = sender.send(1);
        sources.push(source);
    }
    if has::<A>(Capability::BoundedChannel) {
        let (sender, source) = A::insert_bounded_channel(handle, 2, |_, _| {})?;
        let _ = sender.send(1);
        sources.push(source);
    }
    if has::<A>(Capability::Signals) {
        sources.push(A::insert_signals(handle, &[Signal::SIGUSR1 as i32], |_, _| {})?);
    }
    if has::<A>(Capability::Executor) {
        let (spawner, source) = A::insert_executor(handle, |_, ()| {})?;
        spawner.spawn(std::future::pending());
        sources.push(source);
    }
    if has::<A>(Capability::AsyncIo) {
        let (_wire, end) = Wire::new()?;
        drop(A::adapt_io(handle, end)?);
    }
    Ok(sources)
}

const TIMERS_HAVE_NONE: Rule = Rule {
    id: "RES-106",
    level: Level::Should,
    sentence: "Timers SHOULD need no descriptor each: a thousand of them no more than one.",
    why: "Descriptors are limited, timers come by the thousand: one for each request.",
    source: "https://github.com/Smithay/calloop/pull/89; calloop, documentation of Timer",
    check: "whether each timer has a timerfd of its own",
    needs: &[Capability::Timers],
    alone: false,
};

fn timers_have_none<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMERS: usize = 1_000;
    insert_once::<A>(&t.handle, FAR, |_| {})?;
    t.poll()?;
    let before = open_descriptors()?;
    for _ in 0..TIMERS {
        let inserted = insert_once::<A>(&t.handle, FAR, |_| {});
        if inserted.is_err() {
            break;
        }
    }
    t.poll()?;
    let more = open_descriptors()?.saturating_sub(before);
    ensure!(more <= 1, "at most one more descriptor for a thousand timers", "{more} more");
    Ok(())
}

const NOT_INHERITED: Rule = Rule {
    id: "RES-107",
    level: Level::Must,
    sentence: "Descriptors that a loop or its sources open MUST be closed in a program that is \
               started meanwhile.",
    why: "A child that inherits them keeps connections open, and can read what is not its own.",
    source: "open(2), on O_CLOEXEC; epoll_create1(2), eventfd(2), signalfd(2)",
    check: "which descriptor is made without its CLOEXEC flag",
    needs: &[],
    alone: false,
};

fn not_inherited<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let alone = inherited()?;
    let _kinds = insert_kinds::<A>(&t.handle)?;
    let mut other = A::new()?;
    // One of each kind is in the first; not every loop shares signals with another.
    insert_far::<A>(&other.handle(), |_| {})?;
    other.dispatch(Some(Duration::ZERO))?;
    if has::<A>(Capability::Embed) {
        other.as_fd()?;
    }
    t.poll()?;
    ensure_eq!(inherited()?, alone, "descriptors of a program that is started");
    Ok(())
}

/// The descriptors that a program has which is started now.
fn inherited() -> Result<String, Deviation> {
    let listed = Command::new("ls").arg("/dev/fd/").output()?;
    ensure!(listed.status.success(), "ls to list /dev/fd", "{listed:?}");
    let text = String::from_utf8_lossy(&listed.stdout);
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}
