//! Two programs, measured side by side and judged.

use std::ops::ControlFlow;

use anyhow::Result;
use benches::burden::Burden;
use benches::engine::Role;
use benches::paired::{self, Settings, Verdict, compare};
use benches::workload::Repeats;
use benches::{Bench, Faulty, Meter, Outcome, Program, exact};
use reports::gate::{self, Budgets, Finding, Judgement};
use reports::record::{Ratio, Record};

/// A program from before a change and one from after it.
pub(super) struct Sides {
    pub(super) base: Program,
    pub(super) head: Program,
    pub(super) budgets: Budgets,
    /// How much more time counts, as a part.
    pub(super) wall: f64,
}

/// As before is what is not slower by this part of the limit, by its whole interval.
const RULED_OUT: f64 = 0.2;

impl Sides {
    /// Compares them by these meters, the worst first.
    pub(super) fn compare(&self, benches: &[Bench], meters: &[Meter]) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for &meter in meters {
            match meter {
                Meter::Wall => findings.extend(self.times(benches)?),
                _ => findings.extend(self.counts(benches, meter)?),
            }
        }
        findings.sort_by_key(|finding| finding.judgement);
        Ok(findings)
    }

    /// Compares them by an exact meter.
    pub(super) fn counts(&self, benches: &[Bench], meter: Meter) -> Result<Vec<Finding>> {
        let mut records = [Record::begin(""), Record::begin("")];
        let mut findings = Vec::new();
        for bench in loops(benches) {
            eprintln!("{meter}: {bench}");
            let measured = [&self.base, &self.head].map(|program| {
                let one = std::slice::from_ref(bench);
                exact(one, meter, program, |_| ControlFlow::Continue(())).faultless()
            });
            match measured {
                [Ok(base), Ok(head)] => {
                    for (record, outcome) in records.iter_mut().zip([base, head]) {
                        let Outcome { measurements, missing, .. } = outcome;
                        record.measurements.extend(measurements);
                        record.missing.extend(missing);
                    }
                }
                [base, head] => findings.push(not_compared(bench, meter, base, head)),
            }
        }
        let [base, head] = &records;
        findings.extend(gate::compare(base, head, self.budgets));
        // What the machine lacks is the same for both.
        findings.extend(base.missing.iter().map(|missing| Finding {
            what: missing.what.clone(),
            judgement: Judgement::Inconclusive,
            why: missing.why.clone(),
            repeat: missing.mend.clone(),
        }));
        Ok(findings)
    }

    /// Compares them by the clock.
    fn times(&self, benches: &[Bench]) -> Result<Vec<Finding>> {
        let is_trusted = self.controls(benches)?;
        let mut findings = Vec::new();
        for bench in loops(benches) {
            eprintln!("{}: {bench}", Meter::Wall);
            let mut finding = self.time(bench)?;
            // A clock that does not see what is there cannot say that nothing is.
            if let Err(why) = &is_trusted {
                finding.judgement = Judgement::Inconclusive;
                finding.why = format!("{}; but {why}", finding.why);
            }
            findings.push(finding);
        }
        Ok(findings)
    }

    /// Compares them by the clock for one benchmark; what is worse has to be so twice.
    pub(super) fn time(&self, bench: &Bench) -> Result<Finding> {
        let again = || compare((bench, &self.base), (bench, &self.head), &Settings::default());
        let ratio = match again() {
            Ok(ratio) => ratio,
            Err(faulty) => return Ok(finding(bench, Judgement::Inconclusive, faulty.to_string())),
        };
        let (judgement, why) = judge(&ratio, self.wall);
        if judgement != Judgement::Regressed {
            return Ok(finding(bench, judgement, why));
        }
        let again = again()?;
        let (confirmed, why_again) = judge(&again, self.wall);
        Ok(match confirmed {
            Judgement::Regressed => finding(bench, Judgement::Regressed, why_again),
            _ => {
                let why = format!("{why}, not confirmed: {why_again}");
                finding(bench, Judgement::Inconclusive, why)
            }
        })
    }

    /// Whether the clock can be believed: the floor has no part of a loop in it, so that it is as
    /// fast in both programs, and twice the limit of work on top of it has to be seen.
    fn controls(&self, benches: &[Bench]) -> Result<Result<(), String>, Faulty> {
        let Some(floor) = benches.iter().find(|bench| bench.is_floor() && is_clocked(bench)) else {
            return Ok(Err("there was no floor to compare with".to_string()));
        };
        eprintln!("{}: {floor}, which does not change", Meter::Wall);
        let settings = Settings::default();
        let same = compare((floor, &self.base), (floor, &self.head), &settings)?;
        let (judgement, why) = judge(&same, self.wall);
        if matches!(judgement, Judgement::Regressed | Judgement::Improved) {
            return Ok(Err(format!("{floor}, which is the same in both, moved by {why}")));
        }
        let percent = (200.0 * self.wall).ceil().clamp(1.0, 100.0) as u8;
        let slowed = Program { burden: Burden::Work { percent }, ..self.base.clone() };
        let clean = Program { burden: Burden::Work { percent: 0 }, ..self.base.clone() };
        let slower = compare((floor, &clean), (floor, &slowed), &settings)?;
        let (judgement, why) = judge(&slower, self.wall);
        if judgement != Judgement::Regressed {
            return Ok(Err(format!("{percent} % more work on {floor} was seen as {why}")));
        }
        Ok(Ok(()))
    }
}

/// Judges a ratio by how much more time counts, and tells what moved.
///
/// What may have become slower, by less than that, is neither regressed nor as before.
fn judge(ratio: &Ratio, limit: f64) -> (Judgement, String) {
    let Ratio { value, low, high, noise } = ratio;
    let moved = format!(
        "{:+.1} % ({:+.1} to {:+.1}, noise {:.1})",
        percent(*value),
        percent(*low),
        percent(*high),
        100.0 * noise
    );
    match paired::judge(ratio, limit) {
        Verdict::Slower if *value >= 1.0 + limit => (Judgement::Regressed, moved),
        Verdict::Faster if *value <= 1.0 / (1.0 + limit) => (Judgement::Improved, moved),
        Verdict::Inconclusive => (Judgement::Inconclusive, moved),
        _ if *high <= 1.0 + RULED_OUT * limit => (Judgement::Ok, moved),
        _ => {
            let slower = percent(*high);
            (Judgement::Inconclusive, format!("{moved}: {slower:.1} % slower is not ruled out"))
        }
    }
}

/// The benchmarks of loops that are worth comparing.
fn loops(benches: &[Bench]) -> impl Iterator<Item = &Bench> {
    benches.iter().filter(|bench| bench.role == Role::Loop && is_clocked(bench))
}

/// Where threads race, a time says as much of the scheduler.
fn is_clocked(bench: &Bench) -> bool {
    bench.spec.repeats != Repeats::Never && !bench.spec.is_large
}

fn not_compared(
    bench: &Bench,
    meter: Meter,
    base: Result<Outcome, Faulty>,
    head: Result<Outcome, Faulty>,
) -> Finding {
    let said = |side, outcome: Result<Outcome, Faulty>| {
        outcome.err().map(|faulty| format!("{side}: {}", faulty.fault))
    };
    let why: Vec<String> = [said("base", base), said("head", head)].into_iter().flatten().collect();
    Finding {
        what: format!("{bench}, {meter}"),
        judgement: Judgement::Inconclusive,
        why: why.join("; "),
        repeat: String::new(),
    }
}

fn finding(bench: &Bench, judgement: Judgement, why: String) -> Finding {
    let repeat = format!(
        "cargo suite gate --base REVISION --meter wall --workload {} --engine {}",
        bench.spec.id(),
        bench.engine.name
    );
    Finding { what: format!("{bench}, {}", Meter::Wall), judgement, why, repeat }
}

fn percent(ratio: f64) -> f64 {
    100.0 * (ratio - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(value: f64, low: f64, high: f64, noise: f64) -> Judgement {
        judge(&Ratio { value, low, high, noise }, 0.05).0
    }

    #[test]
    fn a_time_is_as_before_if_its_interval_rules_out_that_it_is_slower() {
        assert_eq!(judged(1.000, 0.995, 1.009, 0.01), Judgement::Ok);
        assert_eq!(judged(0.980, 0.970, 0.990, 0.01), Judgement::Ok);
        assert_eq!(judged(1.000, 0.980, 1.020, 0.01), Judgement::Inconclusive);
        assert_eq!(judged(1.000, 0.995, 1.005, 0.06), Judgement::Inconclusive);
    }

    #[test]
    fn what_is_slower_by_less_than_the_limit_is_not_as_before() {
        assert_eq!(judged(1.010, 1.005, 1.015, 0.01), Judgement::Inconclusive);
        assert_eq!(judged(1.049, 1.045, 1.055, 0.01), Judgement::Inconclusive);
        assert_eq!(judged(1.051, 1.045, 1.055, 0.01), Judgement::Regressed);
        assert_eq!(judged(1.051, 0.990, 1.100, 0.01), Judgement::Inconclusive);
    }

    #[test]
    fn what_is_faster_by_the_limit_is_improved() {
        assert_eq!(judged(0.950, 0.940, 0.960, 0.01), Judgement::Improved);
        assert_eq!(judged(0.960, 0.950, 0.970, 0.01), Judgement::Ok);
    }

    #[test]
    fn what_is_not_ruled_out_is_said() {
        let (_, why) = judge(&Ratio { value: 1.01, low: 1.0, high: 1.021, noise: 0.02 }, 0.05);
        assert_eq!(why, "+1.0 % (+0.0 to +2.1, noise 2.0): 2.1 % slower is not ruled out");
    }
}
