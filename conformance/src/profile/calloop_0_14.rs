//! The profile against calloop 0.14.

use ::calloop_0_14 as calloop;

#[path = "cases/mod.rs"]
pub(super) mod cases;
