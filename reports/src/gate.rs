//! Whether a change made anything worse: a record from before against one from after.
//!
//! Rules and the exact meters are compared: a loop that kept a rule has to keep it, and counts of
//! system calls, allocations and instructions may not grow beyond their [`Budgets`]. Times are not:
//! two records were not made side by side, and on a shared machine the same program differs from
//! itself by more than what a gate should find. Programs that take turns can be compared by the
//! clock, which is for whoever runs them; what comes of it is a [`Finding`], too.

use std::collections::BTreeMap;
use std::fmt;

use crate::record::{Machine, Measurement, Record, RuleResult, Verdict};

/// How much an exact meter may grow before it counts, as a part of what it was.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Budgets {
    /// System calls.
    pub system_calls: f64,
    /// Allocations.
    pub allocations: f64,
    /// Instructions.
    pub instructions: f64,
}

impl Default for Budgets {
    /// One system call or allocation more is one too many; half a hundredth of instructions is
    /// what another layout of the same code can make.
    fn default() -> Self {
        Budgets { system_calls: 0.0, allocations: 0.0, instructions: 0.005 }
    }
}

impl Budgets {
    /// That of a meter; `None` if it is not exact.
    fn of(self, meter: &str) -> Option<f64> {
        match meter {
            "system-calls" => Some(self.system_calls),
            "allocations" => Some(self.allocations),
            "instructions" => Some(self.instructions),
            _ => None,
        }
    }
}

/// What came of one comparison.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Judgement {
    /// It is worse than before.
    Regressed,
    /// It could not be judged.
    Inconclusive,
    /// It is better than before.
    Improved,
    /// It is as before.
    Ok,
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Judgement::Regressed => "regressed",
            Judgement::Inconclusive => "inconclusive",
            Judgement::Improved => "improved",
            Judgement::Ok => "ok",
        })
    }
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What was compared, as `ping on calloop-ref, system-calls`.
    pub what: String,
    /// What came of it.
    pub judgement: Judgement,
    /// What moved, by how much, or why that cannot be said.
    pub why: String,
    /// The command that shows it again, where there is one.
    pub repeat: String,
}

/// Compares everything that both records have, the worst first.
pub fn compare(base: &Record, head: &Record, budgets: Budgets) -> Vec<Finding> {
    let mut findings = rules(base, head);
    findings.extend(meters(base, head, budgets));
    findings.sort_by_key(|finding| finding.judgement);
    findings
}

/// How many of each judgement there are, in words.
pub fn count(findings: &[Finding]) -> String {
    use Judgement::{Improved, Inconclusive, Ok, Regressed};
    let counts = [Regressed, Inconclusive, Improved, Ok].map(|judgement| {
        let count = findings.iter().filter(|it| it.judgement == judgement).count();
        format!("{count} {judgement}")
    });
    counts.join(", ")
}

/// Whether any of them is worse.
pub fn is_regressed(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.judgement == Judgement::Regressed)
}

fn rules(base: &Record, head: &Record) -> Vec<Finding> {
    let now = results(head);
    let before = results(base);
    before
        .into_iter()
        .filter_map(|(key, before)| rule(key, before, now.get(&key).copied()))
        .collect()
}

type Key<'r> = (&'r str, &'r str);

/// The results by loop and rule.
fn results(record: &Record) -> BTreeMap<Key<'_>, &RuleResult> {
    let results = record.conformance.iter().flat_map(|conformance| {
        let name = conformance.subject.name.as_str();
        conformance.results.iter().map(move |result| ((name, result.id.as_str()), result))
    });
    results.collect()
}

/// `None` for what is neither better nor worse, which is not worth a line for each rule.
fn rule(key: Key<'_>, before: &RuleResult, now: Option<&RuleResult>) -> Option<Finding> {
    let (name, id) = key;
    let finding = |judgement, why: String, repeat: &str| Finding {
        what: format!("{id} on {name}"),
        judgement,
        why,
        repeat: repeat.to_string(),
    };
    let was_kept = before.verdict() == Verdict::Pass;
    let Some(now) = now else {
        let why = "the rule was kept before and not run now".to_string();
        return was_kept.then(|| finding(Judgement::Inconclusive, why, &before.repeat));
    };
    let why =
        || format!("{:?} before, {:?} now: {}", before.verdict(), now.verdict(), now.sentence);
    match (was_kept, now.verdict()) {
        (true, Verdict::Pass) => None,
        (true, Verdict::Skipped) => Some(finding(Judgement::Inconclusive, why(), &now.repeat)),
        (true, _) => Some(finding(Judgement::Regressed, why(), &now.repeat)),
        (false, Verdict::Pass | Verdict::UnexpectedPass)
            if before.verdict() != Verdict::Skipped =>
        {
            Some(finding(Judgement::Improved, why(), &now.repeat))
        }
        (false, verdict) if !verdict.is_as_expected() && before.verdict().is_as_expected() => {
            Some(finding(Judgement::Regressed, why(), &now.repeat))
        }
        (false, _) => None,
    }
}

fn meters(base: &Record, head: &Record, budgets: Budgets) -> Vec<Finding> {
    let other = other_conditions(&base.machine, &head.machine);
    let mut findings = Vec::new();
    for before in &base.measurements {
        let Some(budget) = budgets.of(&before.meter) else { continue };
        let now = head.measurements.iter().find(|now| is_same(before, now));
        let (judgement, why) = match now {
            None => (Judgement::Inconclusive, "measured before and not now".to_string()),
            Some(_) if before.meter == "instructions" && !other.is_empty() => {
                (Judgement::Inconclusive, other.clone())
            }
            Some(now) => meter(before, now, budget),
        };
        let (workload, engine) = (before.id(), &before.engine.name);
        let what = format!("{workload} on {engine}, {}", before.meter);
        let repeat = format!(
            "cargo suite bench --meter {} --workload {workload} --engine {engine}",
            before.meter
        );
        findings.push(Finding { what, judgement, why, repeat });
    }
    findings
}

/// In what the machines differ of which the number of instructions depends: libc chooses its
/// functions by what the processor can do.
fn other_conditions(base: &Machine, head: &Machine) -> String {
    let of = |machine: &Machine| {
        let Machine { rustc, processor, libc, valgrind, .. } = machine.clone();
        [Some(rustc), Some(processor), libc, valgrind]
    };
    let differ = of(base).into_iter().zip(of(head)).filter_map(|(was, is)| {
        // What one of them does not tell cannot be held against it.
        let (was, is) = (was?, is?);
        (was != is).then(|| format!("{was} before and {is} now"))
    });
    differ.collect::<Vec<_>>().join(", ")
}

fn is_same(one: &Measurement, other: &Measurement) -> bool {
    let key = |it: &Measurement| {
        (it.workload.clone(), it.parameters.clone(), it.engine.name.clone(), it.meter.clone())
    };
    key(one) == key(other)
}

fn meter(before: &Measurement, now: &Measurement, budget: f64) -> (Judgement, String) {
    // Less than this is the division of a count by the number of operations.
    const ROUNDING: f64 = 1e-6;
    let (Some(was), Some(is)) = (before.minimum(), now.minimum()) else {
        return (Judgement::Inconclusive, "there are no samples".to_string());
    };
    let unit = format!("{} per {}", now.unit, now.per);
    let moved = if was == 0.0 {
        format!("{was} {unit} before, {is} now")
    } else {
        format!("{was} {unit} before, {is} now, {:+.2} %", (is / was - 1.0) * 100.0)
    };
    let judgement = if is > was * (1.0 + budget) + ROUNDING {
        Judgement::Regressed
    } else if is < was * (1.0 - budget) - ROUNDING {
        Judgement::Improved
    } else {
        Judgement::Ok
    };
    (judgement, moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Conformance, Outcome, Subject};

    fn record(outcome: Outcome, meters: &[(&str, f64)]) -> Record {
        let result = RuleResult {
            id: "PING-01".into(),
            level: "MUST".into(),
            sentence: "It MUST.".into(),
            why: String::new(),
            check: String::new(),
            outcome,
            expected: None,
            detail: None,
            elapsed_ms: 1,
            repeat: "again".into(),
        };
        let measurement = |(meter, value): &(&str, f64)| Measurement {
            workload: "ping".into(),
            parameters: String::new(),
            engine: Subject { name: "swift".into(), version: "1".into() },
            is_floor: false,
            meter: (*meter).into(),
            unit: "calls".into(),
            per: "event".into(),
            samples: vec![*value],
            ..Measurement::default()
        };
        let subject = Subject { name: "swift".into(), version: "1".into() };
        Record {
            machine: Machine { rustc: "rustc 1.86".into(), ..Machine::default() },
            conformance: vec![Conformance { subject, capabilities: vec![], results: vec![result] }],
            measurements: meters.iter().map(measurement).collect(),
            ..Record::default()
        }
    }

    fn judgements(base: &Record, head: &Record) -> Vec<Judgement> {
        let findings = compare(base, head, Budgets::default());
        findings.iter().map(|finding| finding.judgement).collect()
    }

    const EXACT: [(&str, f64); 3] =
        [("system-calls", 1.0), ("allocations", 0.0), ("instructions", 1000.0)];

    #[test]
    fn a_record_is_as_good_as_itself() {
        let record = record(Outcome::Pass, &EXACT);
        assert_eq!(judgements(&record, &record), [Judgement::Ok; 3]);
        assert!(!is_regressed(&compare(&record, &record, Budgets::default())));
    }

    #[test]
    fn one_more_of_what_is_exact_is_found() {
        let base = record(Outcome::Pass, &EXACT);
        for (position, (meter, was)) in EXACT.iter().enumerate() {
            let more = if *meter == "instructions" { was * 1.006 } else { was + 1.0 };
            let mut meters = EXACT;
            meters[position].1 = more;
            let findings = compare(&base, &record(Outcome::Pass, &meters), Budgets::default());
            assert_eq!(findings[0].judgement, Judgement::Regressed, "{meter}");
            assert!(findings[0].what.ends_with(meter), "{findings:?}");
            assert_eq!(findings[1..].iter().map(|it| it.judgement).max(), Some(Judgement::Ok));
        }
    }

    #[test]
    fn less_is_better_and_a_little_more_is_within_the_budget() {
        let base = record(Outcome::Pass, &[("system-calls", 7.0), ("instructions", 1000.0)]);
        let head = record(Outcome::Pass, &[("system-calls", 1.0), ("instructions", 1004.0)]);
        assert_eq!(judgements(&base, &head), [Judgement::Improved, Judgement::Ok]);
    }

    #[test]
    fn a_rule_that_was_kept_has_to_be_kept() {
        let (kept, broken) = (record(Outcome::Pass, &[]), record(Outcome::Fail, &[]));
        assert_eq!(judgements(&kept, &broken), [Judgement::Regressed]);
        assert_eq!(judgements(&broken, &kept), [Judgement::Improved]);
        assert_eq!(judgements(&broken, &broken), []);
        let skipped = record(Outcome::Skipped { missing: vec!["ping".into()] }, &[]);
        assert_eq!(judgements(&kept, &skipped), [Judgement::Inconclusive]);
        assert_eq!(judgements(&kept, &Record::default()), [Judgement::Inconclusive]);
    }

    #[test]
    fn what_cannot_be_compared_is_not_judged() {
        let base = record(Outcome::Pass, &[("instructions", 1000.0), ("wall", 10.0)]);
        let mut head = record(Outcome::Pass, &[("instructions", 2000.0), ("wall", 99.0)]);
        type Change = fn(&mut Machine);
        let changes: [(Change, &str); 3] = [
            (|it| it.rustc = "rustc 1.99".into(), "rustc 1.86 before and rustc 1.99 now"),
            (|it| it.processor = "slow".into(), " before and slow now"),
            (|it| it.libc = Some("glibc 3".into()), "glibc 2 before and glibc 3 now"),
        ];
        for (change, expected) in changes {
            let mut base = base.clone();
            base.machine.libc = Some("glibc 2".into());
            let mut head = Record { machine: base.machine.clone(), ..head.clone() };
            assert_eq!(judgements(&base, &head), [Judgement::Regressed]);
            change(&mut head.machine);
            let findings = compare(&base, &head, Budgets::default());
            assert_eq!(findings[0].judgement, Judgement::Inconclusive);
            assert_eq!(findings[0].why, expected);
        }
        head.measurements.clear();
        assert_eq!(judgements(&base, &head), [Judgement::Inconclusive]);
    }
}
