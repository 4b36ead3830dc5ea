//! Descriptors that are ready, level-triggered, all in one dispatch: the cost of an event.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure, Interest, Mode, Next};

use crate::raw::{self, Poller};
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct Ready {
    pub(super) ready: u64,
    pub(super) registered: u64,
}

impl Ready {
    /// The descriptors with their numbers; those that are ready come first.
    fn descriptors(self) -> impl Iterator<Item = Result<(u64, OwnedFd), Failure>> {
        (0..self.registered)
            .map(move |number| Ok((number, raw::eventfd(u32::from(number < self.ready))?)))
    }
}

impl Workload for Ready {
    fn spec(self) -> Spec {
        let Ready { ready, registered } = self;
        let all = ready == registered;
        Spec {
            name: "ready",
            parameters: format!("ready={ready}")
                + &if all { String::new() } else { format!(",registered={registered}") },
            about: "a dispatch that finds descriptors ready, which stay so",
            per: "event",
            units: ready,
            events: ready,
            needs: &[Capability::Level, Capability::OneWaitADispatch],
            floor: raw::subject(),
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        for descriptor in self.descriptors() {
            let (number, fd) = descriptor?;
            let tally = tally.clone();
            A::insert_fd(&handle, fd, Interest::Read, Mode::Level, move |_, _, _| {
                tally.saw(number);
                Next::Continue
            })?;
        }
        Ok(Run::new(tally, move || event_loop.dispatch(Some(Duration::ZERO))))
    }

    fn floor(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = Poller::new()?;
        let descriptors = self.descriptors().collect::<Result<Vec<_>, _>>()?;
        for (number, fd) in &descriptors {
            poller.add(fd, *number)?;
        }
        Ok(Run::new(tally.clone(), move || {
            // They have to stay open.
            let _ = &descriptors;
            tally.saw_all(poller.poll()?);
            Ok(())
        }))
    }
}
