//! An eventfd written by another thread: what the kernel and the loop take to tell of a descriptor.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure, Interest, Next};

use super::{Scenario, Sends, Spec, Stage};
use crate::baselines::{Kernel, Poller, subject};
use crate::raw;
use crate::workloads::reading_mode;

#[derive(Copy, Clone)]
pub(super) struct Eventfd;

impl Scenario for Eventfd {
    fn spec(self) -> Spec {
        Spec {
            name: "eventfd-latency",
            parameters: "rate=5k".to_string(),
            about: "an eventfd that a sleeping loop watches is written by another thread",
            period: Duration::from_micros(200),
            // It counts how often it was written.
            sends: Sends::Freely,
            is_loaded: false,
            needs: &[Capability::Descriptors],
            floor: subject::<Kernel>(),
        }
    }

    fn on<A: Adapter>(self, stage: &Stage) -> Result<(), Failure> {
        let mut event_loop = A::new()?;
        let eventfd = raw::eventfd(0)?;
        let written = raw::duplicate(&eventfd)?;
        let watch = stage.watch();
        A::insert_fd(
            &event_loop.handle(),
            eventfd,
            Interest::Read,
            reading_mode::<A>(),
            move |_, fd, _| {
                // Where nothing can be read, the loop tells of an event that there is not.
                watch.saw(raw::take(fd).unwrap_or(0));
                Next::Continue
            },
        )?;
        stage.sent_by(move |_| raw::raise(&written));
        while !stage.is_over() {
            event_loop.dispatch(None)?;
        }
        Ok(())
    }

    fn floor(self, stage: &Stage) -> Result<(), Failure> {
        let eventfd = Arc::new(raw::eventfd(0)?);
        let written = eventfd.clone();
        receive(stage, &eventfd, move || raw::raise(&written))
    }
}

/// The loop by hand over an eventfd, and what writes it.
pub(super) fn receive(
    stage: &Stage,
    eventfd: &OwnedFd,
    write: impl Fn() -> Result<(), Failure> + Send + 'static,
) -> Result<(), Failure> {
    let mut poller = Kernel::new()?;
    poller.add(eventfd, 0)?;
    let watch = stage.watch();
    stage.sent_by(move |_| write());
    while !stage.is_over() {
        for _ in poller.wait()? {
            watch.saw(raw::take(eventfd)?);
        }
    }
    Ok(())
}
