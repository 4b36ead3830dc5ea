//! What timers cost.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::io::dup;

use super::{HOUR, mark_after};
use crate::adapter::{Adapter, TimerNext};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&NO_DESCRIPTORS, no_descriptors),
        Case::new::<A>(&CHURN, churn),
        Case::new::<A>(&CHURN_LEAVES_SPEED, churn_leaves_speed),
    ]
}

/// The lowest number that the next descriptor gets: it rises with those that are taken.
fn next_descriptor() -> std::io::Result<i32> {
    use std::os::fd::AsRawFd;
    Ok(dup(rustix::stdio::stderr())?.as_raw_fd())
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
    mark_after(t, HOUR, "first")?;
    t.poll()?;
    let before = next_descriptor()?;
    for _ in 0..200 {
        mark_after(t, HOUR, "more")?;
    }
    t.poll()?;
    let taken = next_descriptor()? - before;
    ensure!(taken <= 0, "200 timers without a descriptor", "the next one rises by {taken}");
    Ok(())
}

/// Inserts and removes timers, as a program does that puts a timeout on each of its events.
fn insert_and_remove<A: Adapter>(t: &Fixture<'_, A>, count: usize) -> Check {
    for _ in 0..count {
        let source = A::insert_timer(&t.handle, HOUR, |_, _| TimerNext::Stop)?;
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
    const TIMERS: usize = 100_000;
    // 20 bytes a timer would be less than any entry has.
    const GROWTH_MAX: u64 = 20 * TIMERS as u64;
    mark_after(t, HOUR * 2, "remains")?;
    insert_and_remove(t, TIMERS / 50)?;
    t.poll()?;
    let before = peak_memory()?;
    insert_and_remove(t, TIMERS)?;
    let growth = peak_memory()?.saturating_sub(before);
    ensure!(
        growth < GROWTH_MAX,
        format_args!("memory as before after {TIMERS} timers inserted and removed"),
        "{} kB more",
        growth / 1024
    );
    Ok(())
}

/// The most memory that this process had so far, in bytes.
fn peak_memory() -> std::io::Result<u64> {
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
    const ROUNDS: usize = 40;
    const TIMERS: usize = 500;
    /// Of what is measured in microseconds; a list that is walked over is 40 times slower at least.
    const SLOWER_MAX: u32 = 8;
    mark_after(t, HOUR * 2, "remains")?;
    let round = |t: &mut Fixture<'_, A>| -> Result<[Duration; 2], crate::rule::Deviation> {
        let start = Instant::now();
        insert_and_remove(t, TIMERS)?;
        let changes = start.elapsed() / TIMERS as u32;
        let start = Instant::now();
        t.event_loop.dispatch(Some(Duration::ZERO))?;
        Ok([changes, start.elapsed()])
    };
    // The best of several, because a busy machine delays some.
    let best = |t: &mut Fixture<'_, A>, rounds: usize| {
        let mut best = [Duration::MAX; 2];
        for _ in 0..rounds {
            for (best, this) in best.iter_mut().zip(round(t)?) {
                *best = this.min(*best);
            }
        }
        Ok::<_, crate::rule::Deviation>(best)
    };
    let first = best(t, 4)?;
    best(t, ROUNDS * 4)?;
    let last = best(t, ROUNDS)?;
    for (what, first, last) in
        [("inserting and removing a timer", first[0], last[0]), ("a dispatch", first[1], last[1])]
    {
        t.trial.trace.note(format_args!("{what}: {first:?} at first, {last:?} in the end"));
        ensure!(
            last < first * SLOWER_MAX + Duration::from_micros(5),
            format_args!("{what} to take as long as at first, {first:?}"),
            "{last:?} after {} timers",
            ROUNDS * 5 * TIMERS
        );
    }
    Ok(())
}
