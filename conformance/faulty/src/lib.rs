//! calloop-ref with faults: its source as it is, and one edit for each fault, behind a switch.
//!
//! The build script copies calloop-ref and makes the edits that `faults/*.toml` list, so that all
//! faulty loops are one crate and calloop-ref itself knows nothing of them. A process has at most
//! one [fault], which an environment variable names, and [`suite`] holds the loop with that fault
//! to the rules.

#![allow(
    warnings,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    missing_docs,
    missing_debug_implementations,
    reason = "an edit may leave something unused, or be something that a lint warns of"
)]

pub mod fault;
mod profile;
mod subject;

// What the adapter and the profile find at the root of `conformance`, where they belong.
use conformance::{adapter, ensure, ensure_eq, fixture, rule, trace};

include!(concat!(env!("OUT_DIR"), "/loop/lib.rs"));

/// The loop with every rule that loops of calloop's interface are held to.
pub fn suite() -> conformance::Suite {
    conformance::Suite::of::<subject::Faulty>().with_cases(profile::cases())
}
