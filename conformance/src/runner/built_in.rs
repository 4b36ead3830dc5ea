//! The loops that come with the suite, each with its profile and expectation file.

use super::Suite;
use crate::adapters::{Calloop013, Calloop014, CalloopRef};
use crate::profile;

/// All of them.
pub fn all() -> Vec<Suite> {
    vec![calloop_ref(), calloop_0_14(), calloop_0_13()]
}

/// `calloop-ref`, which has to keep every rule.
pub fn calloop_ref() -> Suite {
    Suite::of::<CalloopRef>().with_cases(profile::calloop_ref())
}

/// calloop 0.14, with its known deviations.
pub fn calloop_0_14() -> Suite {
    Suite::of::<Calloop014>().with_cases(profile::calloop_0_14()).with_expectations(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/calloop-0.14.toml"),
        include_str!("../../expectations/calloop-0.14.toml"),
    )
}

/// calloop 0.13, with its known deviations.
pub fn calloop_0_13() -> Suite {
    Suite::of::<Calloop013>().with_cases(profile::calloop_0_13()).with_expectations(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/calloop-0.13.toml"),
        include_str!("../../expectations/calloop-0.13.toml"),
    )
}
