//! The calloop profile against the faulty loops.

use crate as calloop;

use crate::rule::Case;

#[path = "../../src/profile/cases/mod.rs"]
mod cases;
#[path = "../../src/profile/since_0_14/mod.rs"]
mod since_0_14;

pub(super) fn cases() -> Vec<Case> {
    cases::cases().into_iter().chain(since_0_14::cases()).collect()
}
