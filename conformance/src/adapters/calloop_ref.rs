//! `calloop-ref`, the reference loop.

use ::calloop_ref as calloop;

#[path = "calloop_api.rs"]
mod api;

pub use api::Calloop as CalloopRef;

use crate::adapter::{Capabilities, Capability};

const NAME: &str = "calloop-ref";
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn capabilities() -> Capabilities {
    api::COMMON.with(&[Capability::EqualDeadlinesFifo, Capability::Rendezvous])
}

/// The process and the user that sent a signal.
#[cfg(target_os = "linux")]
fn sender(event: &calloop::signals::Event) -> (u32, u32) {
    (event.pid(), event.uid())
}
