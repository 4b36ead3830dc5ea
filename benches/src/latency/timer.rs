//! A timer that is set to one instant after the other, and how late it fires.

use std::time::{Duration, Instant};

use conformance::adapter::{Adapter, Capability, Failure, TimerNext};

use super::{Scenario, Sends, Spec, Stage};
use crate::baselines::{Kernel, Poller, subject};

/// How far away an instant is. A loop that counts delays only is given that.
fn until(due: Instant) -> Duration {
    due.saturating_duration_since(Instant::now())
}

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
            needs: &[Capability::TimerRepeat],
            floor: subject::<Kernel>(),
        }
    }

    fn on<A: Adapter>(self, stage: &Stage) -> Result<(), Failure> {
        let mut event_loop = A::new()?;
        let watch = stage.watch();
        stage.begin();
        let Some(first) = stage.next_due() else { return Ok(()) };
        let has_deadlines = A::capabilities().has(Capability::Deadlines);
        let next = move |due| match has_deadlines {
            true => TimerNext::At(due),
            false => TimerNext::After(until(due)),
        };
        let callback = move |_: &A::Handle, _| {
            watch.saw(1);
            watch.next_due().map_or(TimerNext::Stop, next)
        };
        let handle = event_loop.handle();
        if has_deadlines {
            A::insert_deadline(&handle, first, callback)?;
        } else {
            A::insert_timer(&handle, until(first), callback)?;
        }
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
                let left = until(due);
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
