//! A timer that is set to one instant after the other, and how late it fires.

use std::time::{Duration, Instant};

use conformance::adapter::{Adapter, Capability, Failure, TimerNext};

use super::{Scenario, Sends, Spec, Stage};
use crate::baselines::{Kernel, Poller, subject};

#[derive(Copy, Clone)]
pub(super) struct Timer {
    pub(super) delay_us: u64,
    pub(super) is_loaded: bool,
}

impl Scenario for Timer {
    fn spec(self) -> Spec {
        let load = if self.is_loaded { ",load=busy" } else { "" };
        Spec {
            name: "timer-lateness",
            parameters: format!("delay={}ms{load}", self.delay_us as f64 / 1e3),
            about: "a timer is set to the next of a row of instants, each so long after the last",
            period: Duration::from_micros(self.delay_us),
            sends: Sends::Nobody,
            is_loaded: self.is_loaded,
            needs: &[Capability::Deadlines],
            floor: subject::<Kernel>(),
        }
    }

    fn on<A: Adapter>(self, stage: &Stage) -> Result<(), Failure> {
        let mut event_loop = A::new()?;
        let watch = stage.watch();
        stage.begin();
        let Some(first) = stage.next_due() else { return Ok(()) };
        A::insert_deadline(&event_loop.handle(), first, move |_, _| {
            watch.saw(1);
            watch.next_due().map_or(TimerNext::Stop, TimerNext::At)
        })?;
        while !stage.is_over() {
            event_loop.dispatch(None)?;
        }
        Ok(())
    }

    /// The kernel's wait with a limit, which is given in nanoseconds.
    fn floor(self, stage: &Stage) -> Result<(), Failure> {
        let mut poller = Kernel::new()?;
        let watch = stage.watch();
        stage.begin();
        while let Some(due) = stage.next_due() {
            loop {
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                poller.wait_for(left)?.for_each(drop);
            }
            watch.saw(1);
        }
        Ok(())
    }
}
