//! The rules that any loop can be held to, a file or a folder for each group.

use crate::adapter::Adapter;
use crate::rule::Case;

mod capabilities;
mod channel;
mod embed;
mod err;
mod fair;
mod fds;
mod futures;
mod idle;
mod interrupted;
mod kinds;
mod kit;
mod loop_batch;
mod loop_ends;
mod loop_life;
mod loop_nested;
mod loop_run;
mod loop_wait;
mod model;
mod order;
mod ping;
mod readiness;
mod registration;
mod res;
mod signals;
mod timer;

/// Every rule with its test for one loop, in the order of the specification.
pub fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(loop_wait::cases::<A>());
    cases.extend(loop_ends::cases::<A>());
    cases.extend(loop_batch::cases::<A>());
    cases.extend(loop_nested::cases::<A>());
    cases.extend(loop_run::cases::<A>());
    cases.extend(loop_life::cases::<A>());
    cases.extend(order::cases::<A>());
    cases.extend(embed::cases::<A>());
    cases.extend(registration::cases::<A>());
    cases.extend(readiness::cases::<A>());
    cases.extend(timer::cases::<A>());
    cases.extend(ping::cases::<A>());
    cases.extend(channel::cases::<A>());
    cases.extend(signals::cases::<A>());
    cases.extend(idle::cases::<A>());
    cases.extend(futures::cases::<A>());
    cases.extend(err::cases::<A>());
    cases.extend(fair::cases::<A>());
    cases.extend(res::cases::<A>());
    cases.extend(capabilities::cases::<A>());
    cases.extend(model::cases::<A>());
    cases
}
