//! The calloop profile: rules about calloop's own interface.
//!
//! They are plain Rust modules written against the name `calloop`, and compiled once for each crate
//! that has the interface: the compiler proves that it does, the tests how it behaves. What a crate
//! does not have is left out of its profile, a module at a time.

#[cfg(feature = "calloop")]
mod calloop_0_13;
#[cfg(feature = "calloop")]
mod calloop_0_14;
mod calloop_ref;

use crate::rule::Case;

/// The rules for `calloop-ref`.
pub fn calloop_ref() -> Vec<Case> {
    calloop_ref::cases()
}

/// The rules for calloop 0.14.
#[cfg(feature = "calloop")]
pub fn calloop_0_14() -> Vec<Case> {
    calloop_0_14::cases()
}

/// The rules for calloop 0.13, which has less.
#[cfg(feature = "calloop")]
pub fn calloop_0_13() -> Vec<Case> {
    calloop_0_13::cases()
}
