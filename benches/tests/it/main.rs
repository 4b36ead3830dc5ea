//! Every benchmark counts right on the loops that keep the rules, and fails on one that does not.

mod broken;
mod faults;
mod latency;

use std::time::Duration;

use benches::workload::Repeats;
use benches::{Profile, builtin};

/// How long a benchmark may take on a busy machine, without optimization.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn every_workload_counts_right_on_every_engine() {
    for bench in builtin() {
        assert!(bench.lacks.is_empty(), "{bench} lacks {:?}", bench.lacks);
        // Without optimization a hundred thousand of anything take long.
        if !bench.spec.is_large {
            bench.check(2, LIMIT).unwrap_or_else(|fault| panic!("{bench}: {fault}"));
        }
    }
}

#[test]
fn every_workload_has_one_floor_and_its_engines_in_one_order() {
    let benches = builtin();
    let ids = |name: &str| -> Vec<String> {
        let own = benches.iter().filter(|bench| match name {
            "floor" => bench.is_floor(),
            _ => bench.engine.name == name,
        });
        own.map(|bench| bench.spec.id()).collect()
    };
    assert_eq!(ids("calloop-ref"), ids("floor"));
    assert_eq!(ids("calloop-0.14"), ids("floor"));
    assert_eq!(ids("calloop-0.13"), ids("floor"));
    // The baselines leave out what they cannot do, and what has nothing to do with descriptors.
    let all = ids("floor");
    for (name, cannot) in
        [("epoll-pwait2", "channel/"), ("epoll-edge", "ready/ready"), ("poll", "ready/mode")]
    {
        let own = ids(name);
        assert!(own.contains(&"ping".to_string()) && own.len() < all.len(), "{name}: {own:?}");
        assert!(!own.iter().any(|id| id.starts_with(cannot)), "{name}: {own:?}");
        let mut rest = all.iter();
        assert!(own.iter().all(|id| rest.any(|other| other == id)), "{name}: {own:?}");
    }
    let mut unique = ids("floor");
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids("floor").len(), "two workloads have one name");
}

#[test]
fn the_list_for_iai_callgrind_has_all_of_a_short_run_that_repeats_to_the_instruction() {
    let benches = Profile::Quick.select::<&str>(builtin(), &[], &[]).expect("nothing is named");
    let repeating = benches.iter().filter(|bench| bench.spec.repeats == Repeats::Wholly);
    let lines: Vec<String> = repeating.map(ToString::to_string).collect();
    let list: Vec<&str> = include_str!("../../instr/benchmarks.txt").lines().collect();
    assert_eq!(list, lines, "benches/instr/benchmarks.txt is to be:\n{}", lines.join("\n"));
}
