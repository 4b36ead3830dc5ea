//! A ping to a loop that sleeps in another thread: what waking it costs on both sides.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conformance::adapter::{Adapter, Capability, Failure, Ping as _};

use super::partner::{Partner, WAITING};
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Repeats, Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct WakeAsleep;

impl WakeAsleep {
    /// Pings the sleeping loop, and waits until it sleeps again.
    fn repeat(partner: Partner, tally: Rc<Tally>) -> Result<Run, Failure> {
        partner.await_sleep()?;
        Ok(Run::new(tally.clone(), move || {
            (partner.ping)();
            partner.await_ping()?;
            partner.tell(&tally, 0);
            partner.await_sleep()
        }))
    }
}

impl Workload for WakeAsleep {
    fn spec(self) -> Spec {
        Spec {
            name: "wake",
            parameters: "loop=asleep".to_string(),
            about: "a ping to a loop that is seen to sleep in another thread, until it has come and \
                    the loop sleeps again",
            per: "event",
            units: 1,
            events: 1,
            needs: &[Capability::Ping],
            repeats: Repeats::ButForInstructions,
            uncounted: WAITING.to_vec(),
            sees_sleep: true,
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let partner = Partner::start(move |served, introduce| {
            let mut event_loop = A::new()?;
            let counted = served.clone();
            let (ping, _) = A::insert_ping(&event_loop.handle(), move |_| {
                counted.pings.fetch_add(1, Ordering::Release);
            })?;
            introduce(Box::new(move || ping.ping()));
            while !served.is_over.load(Ordering::Acquire) {
                event_loop.dispatch(None)?;
            }
            Ok(())
        })?;
        WakeAsleep::repeat(partner, tally)
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let partner = Partner::start(move |served, introduce| {
            let mut poller = P::new()?;
            let eventfd = Arc::new(raw::eventfd(0)?);
            poller.add(&*eventfd, 0)?;
            let ping = eventfd.clone();
            introduce(Box::new(move || raw::raise(&ping).expect("an eventfd can be written")));
            while !served.is_over.load(Ordering::Acquire) {
                let pings = poller.wait()?.count();
                P::acknowledge(&eventfd)?;
                served.pings.fetch_add(pings as u64, Ordering::Release);
            }
            Ok(())
        })?;
        WakeAsleep::repeat(partner, tally)
    }
}
