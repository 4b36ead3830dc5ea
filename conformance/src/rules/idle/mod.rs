//! Idle callbacks.

use std::cell::Cell;
use std::rc::Rc;

use super::kit;
use crate::adapter::{Adapter, CancelIdle};
use crate::rule::Case;

mod cancel;
mod captured;
mod effects;
mod run;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(run::cases::<A>());
    cases.extend(cancel::cases::<A>());
    cases.extend(effects::cases::<A>());
    cases.extend(captured::cases::<A>());
    cases
}

/// Where a callback finds the idle callback that it is to cancel.
#[derive(Clone, Default)]
struct Canceller(Rc<Cell<Option<Cancel>>>);

type Cancel = Box<dyn FnOnce()>;

impl Canceller {
    fn set(&self, idle: impl CancelIdle) {
        self.0.set(Some(Box::new(|| idle.cancel())));
    }

    fn cancel(&self) {
        if let Some(cancel) = self.0.take() {
            cancel();
        }
    }
}
