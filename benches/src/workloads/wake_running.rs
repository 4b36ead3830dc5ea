//! A ping to a loop that is in a callback in another thread: what the one who pings pays.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conformance::adapter::{Adapter, Capability, Failure, Interest, Mode, Next, Ping as _};

use super::partner::{Partner, Served, WAITING, await_until};
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Repeats, Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct WakeRunning;

/// Keeps the loop's thread in a callback until it is pinged.
#[derive(Default)]
struct Gate {
    /// How often the thread went in to wait.
    entered: AtomicU64,
    /// How often it was let out.
    opened: AtomicU64,
}

impl Gate {
    /// Called on the loop's thread. A ping that it was let out for has to come first.
    fn pass(&self, served: &Served, came: u64) {
        if self.opened.load(Ordering::Acquire) > came {
            return;
        }
        self.entered.store(came + 1, Ordering::Release);
        while self.opened.load(Ordering::Acquire) == came && !served.is_over.load(Ordering::Acquire)
        {
            std::thread::yield_now();
        }
    }

    /// Pings the loop while it is in its callback, then lets it out.
    fn repeat(self: Arc<Self>, partner: Partner, tally: Rc<Tally>) -> Run {
        let mut pinged = 0;
        Run::new(tally.clone(), move || {
            await_until("the loop did not call back", || {
                Ok(self.entered.load(Ordering::Acquire) > pinged)
            })?;
            (partner.ping)();
            pinged += 1;
            self.opened.store(pinged, Ordering::Release);
            partner.await_ping()?;
            partner.tell(&tally, 0);
            Ok(())
        })
    }
}

impl Workload for WakeRunning {
    fn spec(self) -> Spec {
        Spec {
            name: "wake",
            parameters: "loop=running".to_string(),
            about: "a ping to a loop that is in a callback in another thread, until it has come",
            per: "event",
            units: 1,
            events: 1,
            needs: &[Capability::Ping, Capability::Level],
            repeats: Repeats::ButForInstructions,
            uncounted: WAITING.to_vec(),
            is_one_sided: true,
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let gate = Arc::new(Gate::default());
        let there = gate.clone();
        let partner = Partner::start(move |served, introduce| {
            let mut event_loop = A::new()?;
            let handle = event_loop.handle();
            let came = Rc::new(Cell::new(0));
            let (seen, counted) = (came.clone(), served.clone());
            let (ping, _) = A::insert_ping(&handle, move |_| {
                seen.set(seen.get() + 1);
                counted.pings.fetch_add(1, Ordering::Release);
            })?;
            let looked = served.clone();
            A::insert_fd(
                &handle,
                raw::eventfd(1)?,
                Interest::Read,
                Mode::Level,
                move |_, _, _| {
                    there.pass(&looked, came.get());
                    Next::Continue
                },
            )?;
            introduce(Box::new(move || ping.ping()));
            while !served.is_over.load(Ordering::Acquire) {
                event_loop.dispatch(None)?;
            }
            Ok(())
        })?;
        Ok(gate.repeat(partner, tally))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        const PING: u64 = 0;
        const READY: u64 = 1;

        let gate = Arc::new(Gate::default());
        let there = gate.clone();
        let partner = Partner::start(move |served, introduce| {
            let mut poller = P::new()?;
            let (eventfd, ready) = (Arc::new(raw::eventfd(0)?), raw::eventfd(1)?);
            poller.add(&*eventfd, PING)?;
            poller.add(&ready, READY)?;
            let ping = eventfd.clone();
            introduce(Box::new(move || raw::raise(&ping).expect("an eventfd can be written")));
            let mut came = 0;
            while !served.is_over.load(Ordering::Acquire) {
                for key in poller.wait()? {
                    if key == READY {
                        there.pass(&served, came);
                        continue;
                    }
                    P::acknowledge(&eventfd)?;
                    came += 1;
                    served.pings.fetch_add(1, Ordering::Release);
                }
            }
            Ok(())
        })?;
        Ok(gate.repeat(partner, tally))
    }
}
