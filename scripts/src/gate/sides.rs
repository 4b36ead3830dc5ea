//! Two programs, measured side by side and judged.

use std::ops::ControlFlow;

use anyhow::Result;
use benches::burden::Burden;
use benches::engine::Role;
use benches::paired::{Settings, Verdict, compare, judge};
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
        let (judgement, why) = self.judge(&ratio);
        if judgement != Judgement::Regressed {
            return Ok(finding(bench, judgement, why));
        }
        let again = again()?;
        let (confirmed, why_again) = self.judge(&again);
        Ok(match confirmed {
            Judgement::Regressed => finding(bench, Judgement::Regressed, why_again),
            _ => {
                let why = format!("{why}, not confirmed: {why_again}");
                finding(bench, Judgement::Inconclusive, why)
            }
        })
    }

    fn judge(&self, ratio: &Ratio) -> (Judgement, String) {
        let Ratio { value, low, high, noise } = ratio;
        let moved = format!(
            "{:+.1} % ({:+.1} to {:+.1}, noise {:.1})",
            percent(*value),
            percent(*low),
            percent(*high),
            100.0 * noise
        );
        let judgement = match judge(ratio, self.wall) {
            Verdict::Slower if *value >= 1.0 + self.wall => Judgement::Regressed,
            Verdict::Faster if *value <= 1.0 / (1.0 + self.wall) => Judgement::Improved,
            Verdict::Inconclusive => Judgement::Inconclusive,
            // Less than what was asked for.
            Verdict::Slower | Verdict::Faster | Verdict::Same => Judgement::Ok,
        };
        (judgement, moved)
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
        let (judgement, why) = self.judge(&same);
        if matches!(judgement, Judgement::Regressed | Judgement::Improved) {
            return Ok(Err(format!("{floor}, which is the same in both, moved by {why}")));
        }
        let percent = (200.0 * self.wall).ceil().clamp(1.0, 100.0) as u8;
        let slowed = Program { burden: Burden::Work { percent }, ..self.base.clone() };
        let clean = Program { burden: Burden::Work { percent: 0 }, ..self.base.clone() };
        let slower = compare((floor, &clean), (floor, &slowed), &settings)?;
        let (judgement, why) = self.judge(&slower);
        if judgement != Judgement::Regressed {
            return Ok(Err(format!("{percent} % more work on {floor} was seen as {why}")));
        }
        Ok(Ok(()))
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
