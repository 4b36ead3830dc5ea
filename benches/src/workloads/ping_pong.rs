//! Two loops in two threads that ping each other: a wake-up across threads and back.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conformance::adapter::{Adapter, Capability, Failure, Ping as _};

use super::PATIENCE;
use super::partner::Partner;
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Repeats, Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct PingPong;

impl Workload for PingPong {
    fn spec(self) -> Spec {
        Spec {
            name: "ping-pong",
            parameters: String::new(),
            about: "a ping to a loop that sleeps in another thread on another processor, and its ping \
                    back",
            per: "round trip",
            units: 1,
            // One here, numbered 0, one there, numbered 1.
            events: 2,
            needs: &[Capability::Ping],
            repeats: Repeats::Never,
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let seen = tally.clone();
        let (answer, _) = A::insert_ping(&event_loop.handle(), move |_| seen.saw(0))?;
        let partner = Partner::start(move |served, introduce| {
            let mut event_loop = A::new()?;
            let counted = served.clone();
            let (ping, _) = A::insert_ping(&event_loop.handle(), move |_| {
                counted.pings.fetch_add(1, Ordering::Release);
                answer.ping();
            })?;
            introduce(Box::new(move || ping.ping()));
            while !served.is_over.load(Ordering::Acquire) {
                event_loop.dispatch(None)?;
            }
            Ok(())
        })?;
        Ok(Run::new(tally.clone(), move || {
            (partner.ping)();
            event_loop.dispatch(Some(PATIENCE))?;
            partner.tell(&tally, 1);
            Ok(())
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let eventfd = Arc::new(raw::eventfd(0)?);
        poller.add(&*eventfd, 0)?;
        let answer = eventfd.clone();
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
                raw::raise(&answer)?;
            }
            Ok(())
        })?;
        Ok(Run::new(tally.clone(), move || {
            (partner.ping)();
            tally.saw_all(poller.wait_for(PATIENCE)?);
            P::acknowledge(&eventfd)?;
            partner.tell(&tally, 1);
            Ok(())
        }))
    }
}
