//! The profile against calloop 0.13.

use ::calloop_0_13 as calloop;

use crate::rule::Case;

#[path = "cases/mod.rs"]
mod cases;

pub(super) fn cases() -> Vec<Case> {
    cases::cases()
}
