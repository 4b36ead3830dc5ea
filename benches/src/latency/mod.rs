//! How long events take to come, one by one: histograms where the other meters tell one number.
//!
//! A scenario sends a loop events at a fixed rate, whatever became of those before, and each
//! counts from when it was due: a loop that falls behind is charged with all that had to wait. The
//! raw floor of each stands beside it, as for a [workload](crate::workload). A loop that loses,
//! doubles, swaps or advances an event gets no histogram but an error.

mod channel;
mod eventfd;
mod handler;
mod load;
mod probe;
mod schedule;
mod signal;
mod stage;
mod timer;
mod wake;
mod watch;

use std::ops::ControlFlow;
use std::time::Duration;

use reports::record::{Latency, Missing};

use self::probe::Scenario;
pub use self::probe::{Probe, Sends, Spec, builtin, not_here, of, select};
use self::schedule::Plan;
use self::stage::Stage;
use self::watch::Counted;
use crate::outcome::{Faulty, Outcome, Progress};
use crate::select::rows;

/// How much is measured.
#[derive(Copy, Clone, Debug)]
pub struct Settings {
    /// How often the engines take turns. In each turn a loop is made anew.
    pub rounds: usize,
    /// How long a turn is.
    pub slice: Duration,
    /// How many events are counted in a turn at least, however far apart they are.
    pub at_least: u64,
    /// How long an event may take before it counts as lost.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rounds: 2,
            slice: Duration::from_millis(40),
            at_least: 2,
            patience: Duration::from_secs(10),
        }
    }
}

/// Measures the latencies of these probes, in some seconds for all that are built in.
///
/// `progress` is called before each turn and can end the run: what was measured until then is the
/// outcome.
///
/// An engine that loses, doubles, swaps or advances an event, or whose operation fails, is told of in
/// the outcome.
pub fn measure(
    probes: &[Probe],
    settings: &Settings,
    mut progress: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let (able, unable): (Vec<&Probe>, Vec<&Probe>) =
        probes.iter().partition(|probe| probe.missing().is_none());
    unable.iter().filter_map(|probe| probe.missing()).for_each(|gap| outcome.miss(gap));
    let rows = rows(able);
    for (done, (what, row)) in rows.iter().enumerate() {
        let mut is_over = || progress(Progress { what, done, total: rows.len() }).is_break();
        let mut counts = vec![Counted::default(); row.len()];
        outcome.is_interrupted =
            !turns(row, settings, &mut counts, &mut outcome.faulty, &mut is_over);
        for (probe, counted) in row.iter().zip(&counts).filter(|(_, it)| it.samples() > 0) {
            outcome.missing.extend(shortfall(probe, counted));
            outcome.latencies.push(latency(probe, counted));
        }
        if outcome.is_interrupted {
            break;
        }
    }
    outcome
}

/// Has the engines of a scenario take turns, there and back; says whether all did.
fn turns(
    row: &[&Probe],
    settings: &Settings,
    counts: &mut [Counted],
    faulty: &mut Vec<Faulty>,
    is_over: &mut dyn FnMut() -> bool,
) -> bool {
    let mut is_out = vec![false; row.len()];
    for round in 0..settings.rounds {
        for place in 0..row.len() {
            let at = if round % 2 == 0 { place } else { row.len() - 1 - place };
            if is_over() {
                return false;
            }
            if is_out[at] {
                continue;
            }
            let probe = row[at];
            let plan = Plan::within(settings.slice, probe.spec.period, settings.at_least)
                .one_by_one(probe.spec.sends == Sends::OneByOne);
            match stage::play(probe, plan, settings.patience) {
                Ok(counted) => counts[at].add(&counted),
                // An interruption may have ended a wait before its event came.
                Err(_) if is_over() => return false,
                Err(fault) => {
                    // What it told before is worth nothing.
                    counts[at] = Counted::default();
                    is_out[at] = true;
                    faulty.push(Faulty { bench: probe.to_string(), fault });
                }
            }
        }
    }
    true
}

/// Says so if not every event was sent.
fn shortfall(probe: &Probe, counted: &Counted) -> Option<Missing> {
    let Counted { missed, .. } = counted;
    (*missed > 0).then(|| Missing {
        what: format!("{probe}: {missed} events, beside {} that came", counted.samples()),
        why: "the rate could not be kept".to_string(),
        mend: "a machine that is less busy, or a build that is optimized".to_string(),
    })
}

fn latency(probe: &Probe, counted: &Counted) -> Latency {
    Latency {
        workload: probe.spec.name.to_string(),
        parameters: probe.spec.parameters.clone(),
        engine: probe.engine.clone(),
        is_floor: probe.is_floor(),
        missed: counted.missed,
        buckets: counted.buckets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_events_are_told_of() {
        let probe = &builtin()[0];
        let mut counted = Counted::default();
        counted.missed = 3;
        let told = shortfall(probe, &counted).expect("three are missed").what;
        assert_eq!(told, "wake-latency/rate=5k on epoll: 3 events, beside 0 that came");
        assert_eq!(latency(probe, &counted).missed, 3);
        assert_eq!(shortfall(probe, &Counted::default()), None);
    }
}
