//! Inserting, changing and removing sources, from anywhere and in any order.

mod changes;
mod drops;
mod insertion;
mod names;
mod removal;

use crate::adapter::Adapter;
use crate::rule::Case;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(insertion::cases::<A>());
    cases.extend(removal::cases::<A>());
    cases.extend(drops::cases::<A>());
    cases.extend(names::cases::<A>());
    cases.extend(changes::cases::<A>());
    cases
}
