//! A timer that fires again and again: what a frame clock costs.

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure, TimerNext};

use super::drain;
use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{Repeats, Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct TimerRepeat;

impl Workload for TimerRepeat {
    fn spec(self) -> Spec {
        Spec {
            name: "timer-repeat",
            about: "a dispatch in which a timer fires that is due again at once",
            per: "event",
            units: 1,
            events: 1,
            needs: &[
                Capability::TimerRepeat,
                Capability::ImmediateTimers,
                Capability::OneWaitADispatch,
            ],
            repeats: Repeats::ButForTheClock,
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let seen = tally.clone();
        A::insert_timer(&event_loop.handle(), Duration::ZERO, move |_, _| {
            // Some loops would not come to an end.
            let is_again = seen.awaited() == 0;
            seen.saw(0);
            if is_again { TimerNext::Stop } else { TimerNext::After(Duration::ZERO) }
        })?;
        Ok(Run::new(tally.clone(), move || drain(&mut event_loop, &tally)))
    }

    /// The kernel's wait with a limit that is over.
    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        Ok(Run::new(tally.clone(), move || {
            tally.saw_all(poller.poll()?);
            tally.saw(0);
            Ok(())
        }))
    }
}
