//! A descriptor silenced and brought back, or asked for anew: the cost of changing a registration.

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure, Interest, Mode, Next};

use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

/// How many changes there are before a dispatch shows that the last was made.
const CHANGES: u64 = 100;

#[derive(Copy, Clone)]
pub(super) enum FdChange {
    /// Disabled and enabled.
    Toggle,
    /// Asked for the same again.
    Update,
}

impl Workload for FdChange {
    fn spec(self) -> Spec {
        let spec = Spec {
            units: CHANGES,
            events: 1,
            needs: &[Capability::Level, Capability::Disable, Capability::Update],
            ..Spec::default()
        };
        match self {
            FdChange::Toggle => Spec {
                name: "fd-toggle",
                about: "a descriptor disabled and enabled 100 times, then a dispatch that finds it",
                per: "pair",
                ..spec
            },
            FdChange::Update => Spec {
                name: "fd-update",
                about: "a descriptor updated 100 times, then a dispatch that finds it",
                per: "update",
                ..spec
            },
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let seen = tally.clone();
        let fd = raw::eventfd(1)?;
        let source = A::insert_fd(&handle, fd, Interest::Read, Mode::Level, move |_, _, _| {
            seen.saw(0);
            Next::Continue
        })?;
        Ok(Run::new(tally, move || {
            for _ in 0..CHANGES {
                match self {
                    FdChange::Toggle => {
                        A::disable(&handle, &source)?;
                        A::enable(&handle, &source)?;
                    }
                    FdChange::Update => {
                        A::update_fd(&handle, &source, Interest::Read, Mode::Level)?;
                    }
                }
            }
            event_loop.dispatch(Some(Duration::ZERO))
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let fd = raw::eventfd(1)?;
        poller.add(&fd, 0)?;
        Ok(Run::new(tally.clone(), move || {
            for _ in 0..CHANGES {
                if let FdChange::Toggle = self {
                    poller.modify(&fd, 0, None)?;
                }
                poller.modify(&fd, 0, Some(P::MODE))?;
            }
            tally.saw_all(poller.poll()?);
            Ok(())
        }))
    }
}
