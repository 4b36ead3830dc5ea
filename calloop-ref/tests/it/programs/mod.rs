//! Programs as people write them for calloop, with nothing changed but the name of the crate: what
//! calloop's README and book teach, each kind of source once.

#![allow(elided_lifetimes_in_paths, reason = "calloop's documentation writes them so")]

/// The one line that a program changes.
use calloop_ref as calloop;

#[cfg(all(feature = "executor", feature = "futures-io", feature = "block_on", feature = "stream"))]
mod asynchronous;
mod channel;
mod custom_source;
mod errors;
mod generic;
mod ping;
mod readme;
#[cfg(all(feature = "signals", any(target_os = "linux", target_os = "android")))]
mod signals;
mod timers;
