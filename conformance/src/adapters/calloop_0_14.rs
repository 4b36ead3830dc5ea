//! calloop 0.14.5, as released.

use ::calloop_0_14 as calloop;

#[path = "calloop_api.rs"]
mod api;

pub use api::Calloop as Calloop014;

use crate::adapter::{Capabilities, Capability};

const NAME: &str = "calloop-0.14";
const VERSION: &str = "0.14.5";

fn capabilities() -> Capabilities {
    // A capacity of zero is offered, and timers are documented without a word on equal deadlines.
    api::COMMON.with(&[Capability::EqualDeadlinesFifo, Capability::Rendezvous])
}

/// The process and the user that sent a signal.
#[cfg(target_os = "linux")]
fn sender(event: &calloop::signals::Event) -> (u32, u32) {
    (event.pid(), event.uid())
}
