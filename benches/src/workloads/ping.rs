//! A ping and the dispatch that brings it, on one thread: the least that waking a loop costs.

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure, Ping as _, TimerNext};

use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Repeats, Run, Spec, Workload};

const FAR: Duration = Duration::from_secs(3600);

#[derive(Copy, Clone)]
pub(super) struct Ping {
    /// With a timer that is far from due, so that the wait has to have a limit.
    pub(super) timer_ahead: bool,
}

impl Workload for Ping {
    fn spec(self) -> Spec {
        Spec {
            name: "ping",
            parameters: if self.timer_ahead { "timer=far".to_string() } else { String::new() },
            about: "a ping, then a dispatch without limit, on one thread",
            per: "event",
            units: 1,
            events: 1,
            needs: &[Capability::Ping],
            repeats: if self.timer_ahead { Repeats::ButForTheClock } else { Repeats::Wholly },
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        if self.timer_ahead {
            let seen = tally.clone();
            A::insert_timer(&handle, FAR, move |_, _| {
                seen.saw(0);
                TimerNext::Stop
            })?;
        }
        let seen = tally.clone();
        let (ping, _) = A::insert_ping(&handle, move |_| seen.saw(0))?;
        Ok(Run::new(tally.clone(), move || {
            ping.ping();
            event_loop.dispatch(None)
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let eventfd = raw::eventfd(0)?;
        poller.add(&eventfd, 0)?;
        Ok(Run::new(tally.clone(), move || {
            raw::raise(&eventfd)?;
            tally.saw_all(poller.wait()?);
            P::acknowledge(&eventfd)
        }))
    }
}
