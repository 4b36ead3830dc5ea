//! Every benchmark counts right on the loops that keep the rules, and fails on one that does not.

mod broken;
mod faults;
mod latency;
mod quick;

use std::time::Duration;

use benches::builtin;
use benches::workload::Repeats;

/// How long a benchmark may take on a busy machine, without optimization.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn every_workload_counts_right_on_every_engine() {
    for bench in builtin() {
        assert!(bench.lacks.is_empty(), "{bench} lacks {:?}", bench.lacks);
        bench.check(2, LIMIT).unwrap_or_else(|fault| panic!("{bench}: {fault}"));
    }
}

#[test]
fn every_workload_has_one_floor_and_its_engines_in_one_order() {
    let benches = builtin();
    let ids = |name: &str| -> Vec<String> {
        let own = benches.iter().filter(|bench| match name {
            "floor" => bench.is_floor,
            _ => bench.engine.name == name,
        });
        own.map(|bench| bench.spec.id()).collect()
    };
    assert_eq!(ids("calloop-ref"), ids("floor"));
    assert_eq!(ids("calloop-0.14"), ids("floor"));
    assert_eq!(ids("calloop-0.13"), ids("floor"));
    let mut unique = ids("floor");
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids("floor").len(), "two workloads have one name");
}

#[test]
fn the_list_for_iai_callgrind_has_all_that_repeats_to_the_instruction() {
    let benches = builtin();
    let repeating = benches.iter().filter(|bench| bench.spec.repeats == Repeats::Wholly);
    let lines: Vec<String> = repeating.map(ToString::to_string).collect();
    let list: Vec<&str> = include_str!("../../instr/benchmarks.txt").lines().collect();
    assert_eq!(list, lines, "benches/instr/benchmarks.txt is to be:\n{}", lines.join("\n"));
}
