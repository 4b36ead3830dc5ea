//! What a loop declares, held against what it does. These rules need no capability: they are about
//! those that are not declared, too.

mod answers;
mod claims;
mod operations;
mod order;

use std::fmt;

use crate::adapter::{Adapter, Capability};
use crate::rule::{Case, Check, Deviation};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(operations::cases::<A>());
    cases.extend(claims::cases::<A>());
    cases.extend(order::cases::<A>());
    cases.extend(answers::cases::<A>());
    cases
}

/// Compares what a loop declares with what was seen.
fn compare<A: Adapter>(capability: Capability, is_so: bool, seen: impl fmt::Display) -> Check {
    match (A::capabilities().has(capability), is_so) {
        (true, false) => Err(Deviation::new(
            format_args!("{capability}, as declared:{}", capability.meaning()),
            format_args!("it is not so: {seen}"),
        )),
        (false, true) => Err(Deviation::new(
            format_args!("{capability} not so, or declared:{}", capability.meaning()),
            format_args!("it is so, and not declared: {seen}"),
        )),
        _ => Ok(()),
    }
}
