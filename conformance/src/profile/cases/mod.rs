//! The rules about what every release has, a file for each group. `calloop` is the crate under test.

use super::calloop;
use crate::rule::{Case, Deviation};

mod async_io;
mod block_on;
mod channel;
mod composed;
mod dispatch;
mod dispatcher;
mod errors;
mod executor;
pub(super) mod fixture;
mod generic;
mod hooks;
mod ping;
mod post_action;
mod registration;
#[cfg(target_os = "linux")]
mod signals;
mod sources;
mod timers;
mod tokens;
mod transient;

/// Every such rule with its test.
pub(super) fn cases() -> Vec<Case> {
    let groups: &[fn() -> Vec<Case>] = &[
        dispatch::cases,
        block_on::cases,
        registration::cases,
        tokens::cases,
        composed::cases,
        post_action::cases,
        timers::cases,
        ping::cases,
        channel::cases,
        #[cfg(target_os = "linux")]
        signals::cases,
        hooks::cases,
        executor::cases,
        async_io::cases,
        transient::cases,
        dispatcher::cases,
        generic::cases,
        errors::cases,
    ];
    groups.iter().flat_map(|cases| cases()).collect()
}

impl From<calloop::Error> for Deviation {
    fn from(error: calloop::Error) -> Self {
        Deviation::new("the operation to succeed", error)
    }
}

impl<T> From<calloop::InsertError<T>> for Deviation {
    fn from(error: calloop::InsertError<T>) -> Self {
        Deviation::new("the insertion to succeed", error.error)
    }
}
