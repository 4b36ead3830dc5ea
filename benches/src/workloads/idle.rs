//! An idle callback that is inserted and runs in the next dispatch.

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure};

use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct Idle;

impl Workload for Idle {
    fn spec(self) -> Spec {
        Spec {
            name: "idle",
            parameters: String::new(),
            about: "an idle callback inserted, then a dispatch with a timeout of zero",
            per: "event",
            units: 1,
            events: 1,
            needs: &[Capability::Idle],
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        Ok(Run::new(tally.clone(), move || {
            let tally = tally.clone();
            // What could cancel it is let go.
            let _ = A::insert_idle(&handle, move |_| tally.saw(0))?;
            event_loop.dispatch(Some(Duration::ZERO))
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        Ok(Run::new(tally.clone(), move || {
            tally.saw_all(poller.poll()?);
            tally.saw(0);
            Ok(())
        }))
    }
}
