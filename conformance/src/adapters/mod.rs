//! The loops that come with the suite, a file each.
//!
//! The releases of calloop and `calloop-ref` have one interface, and one adapter: `calloop_api.rs`
//! is compiled once for each.

mod calloop_0_13;
mod calloop_0_14;
mod calloop_ref;

pub use self::calloop_0_13::Calloop013;
pub use self::calloop_0_14::Calloop014;
pub use self::calloop_ref::CalloopRef;
