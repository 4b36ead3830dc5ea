//! The profile against `calloop-ref`.

use ::calloop_ref as calloop;

#[path = "cases/mod.rs"]
pub(super) mod cases;
