//! The adapter of the faulty loops, which is that of calloop-ref.

use crate as calloop;

#[path = "../../src/adapters/calloop_api.rs"]
mod api;

pub(crate) use api::Calloop as Faulty;

use crate::adapter::{Adapter, Capabilities};
use conformance::adapters::CalloopRef;

const NAME: &str = "faulty-calloop";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A fault does not change what a loop claims to have.
fn capabilities() -> Capabilities {
    CalloopRef::capabilities()
}

/// The process and the user that sent a signal.
#[cfg(target_os = "linux")]
fn sender(event: &calloop::signals::Event) -> (u32, u32) {
    (event.pid(), event.uid())
}
