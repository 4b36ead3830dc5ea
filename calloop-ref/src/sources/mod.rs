//! The built-in sources.

pub mod channel;
#[cfg(feature = "executor")]
pub mod futures;
pub mod generic;
pub mod ping;
#[cfg(all(feature = "signals", any(target_os = "linux", target_os = "android")))]
pub mod signals;
#[cfg(feature = "stream")]
pub mod stream;
pub mod timer;
pub mod transient;

mod rendezvous;
mod turn;
