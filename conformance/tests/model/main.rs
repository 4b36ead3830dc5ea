//! Tests of the model-based part: that the reference loop follows the model, and that loops that do
//! not are found out.

use conformance::adapters::CalloopRef;
use conformance::model::check;

/// Another seed than that of the rule, so that the two together see more.
const SEED: u64 = 1_000_000;

#[test]
fn the_reference_loop_follows_the_model() {
    let checked = check::<CalloopRef>(SEED, 500);
    let stats = checked.unwrap_or_else(|counterexample| panic!("{counterexample}"));
    assert_eq!(stats.programs, 500);
    assert!(stats.operations > 2500, "{stats:?}");
}
