//! A dispatch that finds nothing: what a loop costs before it does anything.

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Failure};

use crate::raw::{self, Poller};
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct Empty;

impl Workload for Empty {
    fn spec(self) -> Spec {
        Spec {
            name: "empty",
            parameters: String::new(),
            about: "a dispatch with a timeout of zero, with nothing registered",
            per: "dispatch",
            units: 1,
            events: 0,
            needs: &[],
            floor: raw::subject(),
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        Ok(Run::new(tally, move || event_loop.dispatch(Some(Duration::ZERO))))
    }

    fn floor(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = Poller::new()?;
        Ok(Run::new(tally.clone(), move || {
            tally.saw_all(poller.poll()?);
            Ok(())
        }))
    }
}
