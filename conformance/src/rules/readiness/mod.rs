//! What is reported of descriptors, when, and how often.

mod answers;
mod basics;
mod ends;
mod links;
mod load;
mod sharing;
mod triggers;

use crate::adapter::Adapter;
use crate::rule::Case;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(basics::cases::<A>());
    cases.extend(triggers::cases::<A>());
    cases.extend(ends::cases::<A>());
    cases.extend(sharing::cases::<A>());
    cases.extend(load::cases::<A>());
    cases.extend(answers::cases::<A>());
    cases
}
