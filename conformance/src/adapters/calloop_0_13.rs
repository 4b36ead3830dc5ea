//! calloop 0.13.0, as released.

use ::calloop_0_13 as calloop;

#[path = "calloop_api.rs"]
mod api;

pub use api::Calloop as Calloop013;

use crate::adapter::{Capabilities, Capability};

const NAME: &str = "calloop-0.13";
const VERSION: &str = "0.13.0";

fn capabilities() -> Capabilities {
    // The same as of 0.14: neither makes more or fewer promises.
    api::COMMON.with(&[Capability::EqualDeadlinesFifo, Capability::Rendezvous])
}

/// The process and the user that sent a signal.
#[cfg(target_os = "linux")]
fn sender(event: &calloop::signals::Event) -> (u32, u32) {
    let info = event.full_info();
    (info.ssi_pid, info.ssi_uid)
}
