//! Callbacks that fail or panic.

use std::panic::resume_unwind;

use super::fds::usual_mode;
use super::kit;
use super::kit::{Wire, drain};
use crate::adapter::{Adapter, Failure, Interest, Next};
use crate::fixture::Fixture;
use crate::rule::Case;

mod lost;
mod told;
mod usable;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(lost::cases::<A>());
    cases.extend(told::cases::<A>());
    cases.extend(usable::cases::<A>());
    cases
}

/// How a callback goes wrong.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Trouble {
    Error,
    Panic,
}

impl Trouble {
    fn strike(self) -> Next {
        match self {
            Trouble::Error => Next::Fail("on purpose"),
            Trouble::Panic => panic_on_purpose(),
        }
    }

    /// How it shows outside of the loop.
    fn name(self) -> &'static str {
        match self {
            Trouble::Error => "an error",
            Trouble::Panic => "a panic",
        }
    }
}

/// Unwinds as a panic does, but prints nothing.
fn panic_on_purpose() -> ! {
    resume_unwind(Box::new("on purpose"))
}

/// A descriptor that is ready and whose callback goes wrong, once for each byte sent.
fn insert_trouble<A: Adapter>(t: &Fixture<'_, A>, trouble: Trouble) -> Result<Wire, Failure> {
    let (trace, (wire, fd)) = (t.trace(), Wire::new()?);
    A::insert_fd(&t.handle, fd, Interest::Read, usual_mode::<A>(), move |_, fd, _| {
        drain(fd);
        trace.mark("trouble");
        trouble.strike()
    })?;
    wire.send();
    Ok(wire)
}
