//! Tests of the model-based part: that the reference loop follows the model, and that loops that do
//! not are found out.

mod faulty;
mod printed;
mod regressions;

use conformance::adapters::CalloopRef;
use conformance::model::{Counterexample, check};

use faulty::{Faulty, fault};

/// Another seed than that of the rule, so that the two together see more.
const SEED: u64 = 1_000_000;

#[test]
fn the_reference_loop_follows_the_model() {
    let checked = check::<CalloopRef>(SEED, 500);
    let stats = checked.unwrap_or_else(|counterexample| panic!("{counterexample}"));
    assert_eq!(stats.programs, 500);
    assert!(stats.operations > 2500, "{stats:?}");
}

#[test]
fn the_wrapper_of_the_faulty_loops_has_no_fault_of_its_own() {
    check::<Faulty<{ fault::NONE }>>(SEED, 300).unwrap_or_else(|found| panic!("{found}"));
}

/// No fault may need more operations than this to be shown.
const OPERATIONS_MAX: usize = 6;

/// Finds a fault, and says how.
fn find<const FAULT: u8>() -> Result<Counterexample, String> {
    match check::<Faulty<FAULT>>(SEED, 5000) {
        Ok(stats) => Err(format!("fault {FAULT} is not found by {stats:?}")),
        Err(found) if found.program.operations() > OPERATIONS_MAX => {
            Err(format!("fault {FAULT} is shown by a long program:\n{found}"))
        }
        Err(found) => Ok(*found),
    }
}

macro_rules! faults_are_found {
    ($($name:ident),+) => {
        [$((stringify!($name), find::<{ fault::$name }>())),+]
    };
}

#[test]
fn faults_are_found_by_small_programs() {
    let found = faults_are_found!(
        TIMER_IS_EARLY,
        DISABLE_DOES_NOTHING,
        ENABLE_DOES_NOTHING,
        UPDATE_DOES_NOTHING,
        RESET_DOES_NOTHING,
        REMOVE_ONLY_DISABLES,
        EDGE_IS_LEVEL,
        ONE_SHOT_IS_LEVEL,
        LOSES_A_PING,
        LOSES_A_MESSAGE,
        HAS_NO_BOUND,
        CANCEL_DOES_NOTHING,
        WAITS_TWICE,
        HIDES_ERRORS,
        WAITS_LESS,
        TELLS_ANOTHER_DEADLINE,
        REARM_IS_CONTINUE,
        KEEPS_CALLBACKS,
        IDLE_FIRST,
        OUTPUT_IS_LATE,
        SLEEPS_LESS,
        KEEPS_ITS_SIGNALS,
        IGNORES_A_STOP
    );
    assert_eq!(found.len(), fault::ALL.count(), "every fault is looked for");
    let missed: Vec<_> =
        found.iter().filter_map(|(name, found)| Some((name, found.as_ref().err()?))).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
