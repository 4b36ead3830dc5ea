//! Pings that come and go: what a source of wake-ups costs from its making to its end.

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure, Ping as _};

use super::WRONG;
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

/// How many come and go before one shows that it works.
const SOURCES: u64 = 100;

#[derive(Copy, Clone)]
pub(super) struct PingLife;

impl Workload for PingLife {
    fn spec(self) -> Spec {
        Spec {
            name: "ping-life",
            about: "a ping source made, inserted, removed and dropped, 100 times, then a dispatch \
                    that brings the ping of another",
            per: "source",
            units: SOURCES,
            events: 1,
            needs: &[Capability::Ping],
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let seen = tally.clone();
        let (ping, _) = A::insert_ping(&handle, move |_| seen.saw(0))?;
        Ok(Run::new(tally.clone(), move || {
            for _ in 0..SOURCES {
                let tally = tally.clone();
                let (ping, source) = A::insert_ping(&handle, move |_| tally.saw(WRONG))?;
                A::remove(&handle, source);
                drop(ping);
            }
            ping.ping();
            event_loop.dispatch(Some(Duration::ZERO))
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let eventfd = raw::eventfd(0)?;
        poller.add(&eventfd, 0)?;
        Ok(Run::new(tally.clone(), move || {
            for _ in 0..SOURCES {
                let eventfd = raw::eventfd(0)?;
                poller.add(&eventfd, WRONG)?;
                poller.remove(&eventfd)?;
            }
            raw::raise(&eventfd)?;
            tally.saw_all(poller.poll()?);
            P::acknowledge(&eventfd)
        }))
    }
}
