//! The profile against `calloop-ref`.

use ::calloop_ref as calloop;

use crate::rule::Case;

#[path = "cases/mod.rs"]
mod cases;
#[path = "since_0_14/mod.rs"]
mod since_0_14;

pub(super) fn cases() -> Vec<Case> {
    cases::cases().into_iter().chain(since_0_14::cases()).collect()
}
