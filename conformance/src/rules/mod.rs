//! The rules that any loop can be held to, a file or a folder for each group.

use crate::adapter::Adapter;
use crate::rule::Case;

mod fds;
mod idle;
mod kit;
mod registration;
mod timer;

/// Every rule with its test for one loop, in the order of the specification.
pub fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(idle::cases::<A>());
    cases.extend(registration::cases::<A>());
    cases.extend(timer::cases::<A>());
    cases
}
