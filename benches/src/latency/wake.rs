//! A ping from another thread to a loop that sleeps.

use std::sync::Arc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure, Ping as _};

use super::{Scenario, Sends, Spec, Stage, eventfd};
use crate::baselines::{Kernel, subject};
use crate::raw;

#[derive(Copy, Clone)]
pub(super) struct Wake;

impl Scenario for Wake {
    fn spec(self) -> Spec {
        Spec {
            name: "wake-latency",
            parameters: "rate=5k".to_string(),
            about: "a sleeping loop is pinged by another thread",
            period: Duration::from_micros(200),
            sends: Sends::OneByOne,
            is_loaded: false,
            needs: &[Capability::Ping],
            floor: subject::<Kernel>(),
        }
    }

    fn on<A: Adapter>(self, stage: &Stage) -> Result<(), Failure> {
        let mut event_loop = A::new()?;
        let watch = stage.watch();
        let (ping, _) = A::insert_ping(&event_loop.handle(), move |_| watch.saw(1))?;
        stage.sent_by(move |_| {
            ping.ping();
            Ok(())
        });
        while !stage.is_over() {
            event_loop.dispatch(None)?;
        }
        Ok(())
    }

    fn floor(self, stage: &Stage) -> Result<(), Failure> {
        let eventfd = Arc::new(raw::eventfd(0)?);
        let written = eventfd.clone();
        eventfd::receive(stage, &eventfd, move || raw::raise(&written))
    }
}
