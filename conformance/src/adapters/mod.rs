//! The loops that come with the suite, a file each.
//!
//! The releases of calloop and `calloop-ref` have one interface, and one adapter: `calloop_api.rs`
//! is compiled once for each. Those of calloop come with the feature `calloop`, the loops written in
//! C with the feature `foreign`, the others each with one by its name.

#[cfg(feature = "async-io")]
mod async_io;
#[cfg(feature = "calloop")]
mod calloop_0_13;
#[cfg(feature = "calloop")]
mod calloop_0_14;
mod calloop_ref;
#[cfg(feature = "foreign")]
pub mod foreign;
#[cfg(feature = "mio")]
mod mio;
#[cfg(feature = "tokio")]
mod tokio;

#[cfg(feature = "async-io")]
pub use self::async_io::AsyncIo;
#[cfg(feature = "calloop")]
pub use self::calloop_0_13::Calloop013;
#[cfg(feature = "calloop")]
pub use self::calloop_0_14::Calloop014;
pub use self::calloop_ref::CalloopRef;
#[cfg(feature = "mio")]
pub use self::mio::Mio;
#[cfg(feature = "tokio")]
pub use self::tokio::Tokio;
