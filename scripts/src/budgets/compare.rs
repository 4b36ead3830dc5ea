//! What was measured against the budgets.

use benches::Meter;
use reports::gate::{Finding, Judgement};
use reports::record::Measurement;

use super::ENGINE;
use super::file::{Conditions, File};

/// How much more instructions the same code can take, as a part: how the nanoseconds of deadlines
/// compare depends on the clock, and a little of what is inlined on other code.
const LEEWAY: f64 = 0.01;

/// Less than this is the division of a count by the number of operations.
const ROUNDING: f64 = 1e-6;

/// Says so if instructions cannot be compared, because they are counted under other conditions.
pub(super) fn of_other_conditions(budgets: &Conditions, here: &Conditions) -> Option<Finding> {
    let pairs = [
        (&budgets.rustc, &here.rustc, "compiler"),
        (&budgets.target, &here.target, "system"),
        (&budgets.processor, &here.processor, "processor"),
        (&budgets.libc, &here.libc, "libc"),
        (&budgets.valgrind, &here.valgrind, "valgrind"),
    ];
    // What is not there has no version.
    let shown = |version: &str| if version.is_empty() { "none" } else { version }.to_string();
    let differs = |(was, is, what): (&String, &String, &str)| {
        (was != is).then(|| format!("{what} {} here, {} of the budgets", shown(is), shown(was)))
    };
    let differences: Vec<String> = pairs.into_iter().filter_map(differs).collect();
    (!differences.is_empty()).then(|| Finding {
        what: Meter::Instructions.to_string(),
        judgement: Judgement::Inconclusive,
        why: format!("not compared: {}", differences.join(", ")),
        repeat: String::new(),
    })
}

/// Compares each budget with what was measured by these meters, the worst first.
pub(super) fn compare(file: &File, measured: &[Measurement], meters: &[Meter]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for &meter in meters {
        let of_meter: Vec<&Measurement> =
            measured.iter().filter(|it| it.meter == meter.name()).collect();
        // A meter that is not here was named as missing.
        if of_meter.is_empty() {
            continue;
        }
        for (workload, budget) in &file.workloads {
            let Some(&budget) = budget.get(meter.name()) else { continue };
            let now = of_meter.iter().find(|it| it.id() == *workload);
            let (judgement, why) = match now.and_then(|now| Some((now, now.minimum()?))) {
                Some((now, is)) => judge(meter, budget, is, &now.unit),
                None => (Judgement::Inconclusive, "it has a budget and was not measured".into()),
            };
            findings.push(finding(workload, meter, judgement, why));
        }
        for unknown in of_meter.iter().map(|it| it.id()) {
            if file.of(&unknown, meter).is_none() {
                let why = "it has no budget: `cargo suite budgets --renew REASON`".to_string();
                findings.push(finding(&unknown, meter, Judgement::Inconclusive, why));
            }
        }
    }
    findings.sort_by_key(|finding| finding.judgement);
    findings
}

fn judge(meter: Meter, budget: f64, is: f64, unit: &str) -> (Judgement, String) {
    let leeway = if meter == Meter::Instructions { LEEWAY } else { 0.0 };
    let judgement = if is > budget * (1.0 + leeway) + ROUNDING {
        Judgement::Regressed
    } else if is < budget * (1.0 - leeway) - ROUNDING {
        Judgement::Improved
    } else {
        Judgement::Ok
    };
    (judgement, format!("{is} {unit} an operation, the budget is {budget}"))
}

fn finding(workload: &str, meter: Meter, judgement: Judgement, why: String) -> Finding {
    Finding {
        what: format!("{workload} on {ENGINE}, {meter}"),
        judgement,
        why,
        repeat: format!(
            "cargo suite bench --meter {meter} --workload {workload} --engine {ENGINE}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budgets::file::budgets;

    const METERS: [Meter; 3] = [Meter::SystemCalls, Meter::Allocations, Meter::Instructions];

    fn measured(counts: [f64; 3]) -> Vec<Measurement> {
        let measurement = |(meter, count): (Meter, f64)| Measurement {
            workload: "ready".into(),
            parameters: "ready=1".into(),
            meter: meter.to_string(),
            samples: vec![count],
            ..Measurement::default()
        };
        METERS.into_iter().zip(counts).map(measurement).collect()
    }

    fn file(counts: [f64; 3]) -> File {
        File { workloads: budgets(&measured(counts)), ..File::default() }
    }

    fn judgements(counts: [f64; 3]) -> Vec<Judgement> {
        let findings = compare(&file([1.0, 0.0, 1000.0]), &measured(counts), &METERS);
        findings.iter().map(|finding| finding.judgement).collect()
    }

    #[test]
    fn what_was_measured_is_within_a_budget_made_of_it() {
        assert_eq!(judgements([1.0, 0.0, 1000.0]), [Judgement::Ok; 3]);
        assert_eq!(judgements([1.0, 0.0, 1009.0]), [Judgement::Ok; 3], "a little more code");
    }

    #[test]
    fn one_more_of_each_exceeds_the_budget() {
        for more in [[2.0, 0.0, 1000.0], [1.0, 1.0, 1000.0], [1.0, 0.0, 1011.0], [1.1, 0.0, 1000.0]]
        {
            assert_eq!(judgements(more), [Judgement::Regressed, Judgement::Ok, Judgement::Ok]);
        }
        let findings = compare(&file([1.0, 0.0, 1000.0]), &measured([2.0, 0.0, 1000.0]), &METERS);
        assert_eq!(findings[0].what, "ready/ready=1 on calloop-ref, system-calls");
        assert!(findings[0].why.starts_with("2 "), "{}", findings[0].why);
    }

    #[test]
    fn less_is_told_and_no_failure() {
        let improved = [Judgement::Improved, Judgement::Ok, Judgement::Ok];
        assert_eq!(judgements([0.0, 0.0, 1000.0]), improved);
        assert_eq!(judgements([1.0, 0.0, 900.0]), improved);
    }

    #[test]
    fn a_meter_that_is_not_here_is_no_failure_and_a_workload_without_a_budget_is_named() {
        let file = file([1.0, 0.0, 1000.0]);
        let calls = &measured([1.0, 0.0, 1000.0])[..1];
        assert_eq!(compare(&file, calls, &METERS).len(), 1);
        let other = Measurement { workload: "other".into(), ..calls[0].clone() };
        let findings = compare(&file, &[other], &METERS);
        let whats: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
        let expected = ["ready/ready=1", "other/ready=1"];
        assert_eq!(whats, expected.map(|it| format!("{it} on calloop-ref, system-calls")));
        assert!(findings.iter().all(|it| it.judgement == Judgement::Inconclusive));
    }

    #[test]
    fn instructions_of_another_toolchain_are_not_compared_and_it_is_said_why() {
        let budgets = Conditions {
            rustc: "rustc 1.86.0".into(),
            valgrind: "valgrind-3.19.0".into(),
            ..Conditions::default()
        };
        assert_eq!(of_other_conditions(&budgets, &budgets.clone()).map(|it| it.why), None);
        let newer = Conditions { rustc: "rustc 1.99.0".into(), ..budgets.clone() };
        let finding = of_other_conditions(&budgets, &newer).expect("they differ");
        assert_eq!(finding.judgement, Judgement::Inconclusive);
        let expected = "not compared: compiler rustc 1.99.0 here, rustc 1.86.0 of the budgets";
        assert_eq!(finding.why, expected);
        let bare = Conditions { valgrind: String::new(), ..budgets.clone() };
        let finding = of_other_conditions(&budgets, &bare).expect("it cannot be counted here");
        let expected = "not compared: valgrind none here, valgrind-3.19.0 of the budgets";
        assert_eq!(finding.why, expected);
    }
}
