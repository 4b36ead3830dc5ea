//! What timers cost.

use std::time::{Duration, Instant};

use super::mark_after;
use crate::adapter::{Adapter, Capability, TimerNext};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::FAR;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![Case::new::<A>(&CHURN_LEAVES_SPEED, churn_leaves_speed)]
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

const CHURN_LEAVES_SPEED: Rule = Rule {
    id: "TIMER-133",
    level: Level::Must,
    sentence: "Timers that were inserted and removed MUST NOT make the loop slow.",
    why: "A program that has run for a day is as quick as in its first minute.",
    source: "calloop, issue 233; smithay, pull request 1927",
    check: "whether entries of removed timers are walked over, at each removal or each dispatch",
    needs: &[Capability::Timers],
    alone: true,
};

fn churn_leaves_speed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    /// Of what is measured in microseconds; a list that is walked over is far slower.
    const SLOWER_MAX: u32 = 4;
    /// By so much a busy machine delays even the best of some thousand dispatches.
    const NOISE: Duration = Duration::from_micros(20);
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
            last < first * SLOWER_MAX + NOISE,
            format_args!("{what} to take about as long as at first, {first:?}"),
            "{last:?} after {timers} timers were inserted and removed"
        );
    }
    Ok(())
}
