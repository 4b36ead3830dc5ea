//! A dispatch that finds nothing: what a loop costs before it does anything.

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Failure};

use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{Repeats, Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct Empty {
    /// How long the dispatch waits, in microseconds.
    pub(super) timeout_us: u64,
}

impl Empty {
    fn timeout(self) -> Duration {
        Duration::from_micros(self.timeout_us)
    }
}

impl Workload for Empty {
    fn spec(self) -> Spec {
        Spec {
            name: "empty",
            parameters: match self.timeout_us {
                0 => String::new(),
                timeout => format!("timeout={timeout}us"),
            },
            about: "a dispatch until its timeout, by default zero, with nothing registered",
            per: "dispatch",
            units: 1,
            events: 0,
            needs: &[],
            repeats: match self.timeout_us {
                0 => Repeats::Wholly,
                _ => Repeats::ButForInstructions,
            },
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        Ok(Run::new(tally, move || event_loop.dispatch(Some(self.timeout()))))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        Ok(Run::new(tally.clone(), move || {
            if self.timeout_us == 0 {
                tally.saw_all(poller.poll()?);
            } else {
                tally.saw_all(poller.wait_for(self.timeout())?);
            }
            Ok(())
        }))
    }
}
