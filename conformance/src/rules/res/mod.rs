//! What a loop uses: the processor, descriptors, memory.

use super::{kinds, kit};
use crate::adapter::Adapter;
use crate::rule::Case;

mod descriptors;
mod memory;
mod quiet;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(quiet::cases::<A>());
    cases.extend(descriptors::cases::<A>());
    cases.extend(memory::cases::<A>());
    cases
}
