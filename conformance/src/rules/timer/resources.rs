//! What timers cost.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use super::mark_after;
use crate::adapter::{Adapter, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::{FAR, open_descriptors};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&NO_DESCRIPTORS, no_descriptors),
        Case::new::<A>(&CHURN, churn),
        Case::new::<A>(&CHURN_LEAVES_SPEED, churn_leaves_speed),
    ]
}

const NO_DESCRIPTORS: Rule = Rule {
    id: "TIMER-16",
    level: Level::Should,
    sentence: "Timers SHOULD take no file descriptors.",
    why: "A program may have a timer for each connection, and descriptors are scarce: 1024 by default.",
    source: "getrlimit(2), RLIMIT_NOFILE; calloop, pull request 89, timers without a thread or timerfd",
    check: "whether each timer makes a timerfd",
    needs: &[],
    alone: false,
};

fn no_descriptors<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // One for the whole loop may come with the first timer.
    mark_after(t, FAR, "first")?;
    t.poll()?;
    let before = open_descriptors()?;
    for _ in 0..200 {
        mark_after(t, FAR, "more")?;
    }
    t.poll()?;
    ensure_eq!(open_descriptors()?, before, "descriptors with 200 timers more");
    Ok(())
}

/// How many timers are inserted and removed, and how many at a time.
const TIMERS: usize = 100_000;
const BLOCK: usize = 500;

/// A loop that is too slow for that many is judged by what it has done until then.
const TIME: Duration = Duration::from_secs(2);

/// Inserts and removes timers, as a program does that puts a timeout on each of its events.
fn insert_and_remove<A: Adapter>(t: &Fixture<'_, A>, count: usize) -> Check {
    for _ in 0..count {
        let source = A::insert_timer(&t.handle, FAR, |_, _| TimerNext::Stop)?;
        A::remove(&t.handle, source);
    }
    Ok(())
}

const CHURN: Rule = Rule {
    id: "TIMER-17",
    level: Level::Must,
    sentence: "Timers that are inserted and removed for ever MUST NOT take ever more memory.",
    why: "A thousand events a second with a timeout each are 86 million a day.",
    source: "calloop, issue 233; smithay, pull request 1927",
    check: "whether a timer that is removed leaves its entry until its deadline",
    needs: &[],
    alone: true,
};

fn churn<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    /// What an entry takes at the very least, in bytes.
    const ENTRY: u64 = 20;
    mark_after(t, FAR * 2, "remains")?;
    insert_and_remove(t, BLOCK)?;
    t.poll()?;
    let before = memory()?;
    let start = Instant::now();
    let mut timers = 0;
    while timers < TIMERS && start.elapsed() < TIME {
        insert_and_remove(t, BLOCK)?;
        timers += BLOCK;
    }
    let growth = memory()?.saturating_sub(before);
    t.trial.trace.note(format_args!("{} kB more after {timers} timers", growth / 1024));
    ensure!(
        growth < ENTRY * timers as u64,
        format_args!("memory as before after {timers} timers inserted and removed"),
        "{} kB more",
        growth / 1024
    );
    Ok(())
}

/// The memory that this process has for itself, in bytes; where the system does not tell, the most
/// that it had so far.
fn memory() -> std::io::Result<u64> {
    if cfg!(target_os = "linux") {
        // proc_pid_statm(5): the size, what of it is resident, and what of that is shared.
        let statm = std::fs::read_to_string("/proc/self/statm")?;
        let pages: Vec<u64> = statm.split(' ').flat_map(str::parse).collect();
        let own = pages[1].saturating_sub(pages[2]);
        return Ok(own * rustix::param::page_size() as u64);
    }
    // Apple's systems count bytes, the others kilobytes.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    Ok(getrusage(UsageWho::RUSAGE_SELF)?.max_rss() as u64 * unit)
}

const CHURN_LEAVES_SPEED: Rule = Rule {
    id: "TIMER-133",
    level: Level::Must,
    sentence: "Timers that were inserted and removed MUST NOT make the loop slow.",
    why: "A program that has run for a day is as quick as in its first minute.",
    source: "calloop, issue 233; smithay, pull request 1927",
    check: "whether entries of removed timers are walked over, at each removal or each dispatch",
    needs: &[],
    alone: true,
};

fn churn_leaves_speed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    /// Of what is measured in microseconds; a list that is walked over is far slower.
    const SLOWER_MAX: u32 = 4;
    mark_after(t, FAR * 2, "remains")?;
    let start = Instant::now();
    let (mut changes, mut dispatches) = (Vec::new(), Vec::new());
    while changes.len() * BLOCK < TIMERS && start.elapsed() < TIME {
        let block = Instant::now();
        insert_and_remove(t, BLOCK)?;
        changes.push(block.elapsed());
        let dispatch = Instant::now();
        t.event_loop.dispatch(Some(Duration::ZERO))?;
        dispatches.push(dispatch.elapsed());
    }
    let timers = changes.len() * BLOCK;
    for (what, times) in
        [("inserting and removing 500 timers", changes), ("a dispatch", dispatches)]
    {
        // The best of several, because a busy machine delays some.
        let best = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
        let (first, last) = (best(&times[..times.len().min(5)]), best(&times[times.len() / 2..]));
        t.trial.trace.note(format_args!("{what}: {first:?} at first, {last:?} in the end"));
        ensure!(
            last < first * SLOWER_MAX,
            format_args!("{what} to take about as long as at first, {first:?}"),
            "{last:?} after {timers} timers were inserted and removed"
        );
    }
    Ok(())
}
