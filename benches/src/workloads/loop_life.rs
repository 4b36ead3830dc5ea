//! A loop made and dropped.

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Failure};

use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct LoopLife;

impl Workload for LoopLife {
    fn spec(self) -> Spec {
        Spec {
            name: "loop-life",
            about: "a loop made, dispatched without waiting, and dropped",
            per: "loop",
            units: 1,
            events: 0,
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        Ok(Run::new(tally, move || A::new()?.dispatch(Some(Duration::ZERO))))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        Ok(Run::new(tally.clone(), move || {
            tally.saw_all(P::new()?.poll()?);
            Ok(())
        }))
    }
}
