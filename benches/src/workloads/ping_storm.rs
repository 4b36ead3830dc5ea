//! Pings from several threads at once, most of which meet one that is on its way.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conformance::adapter::{Adapter, Capability, Failure, Ping};

use super::crew::Crew;
use super::{WRONG, await_all};
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Repeats, Run, Spec, Workload};

/// How often each thread pings in an operation.
const EACH: u64 = 1_000;

#[derive(Copy, Clone)]
pub(super) struct PingStorm {
    pub(super) threads: u64,
}

/// What the threads have done and the loop has noticed, since the beginning.
#[derive(Clone, Default)]
struct Heard {
    /// Counted before the ping that tells of it.
    pings: Arc<AtomicU64>,
    /// How many pings there had been when the loop was called last.
    noticed: Rc<Cell<u64>>,
    calls: Rc<Cell<u64>>,
}

impl Heard {
    /// The loop was called.
    fn hear(&self) {
        self.calls.set(self.calls.get() + 1);
        self.noticed.set(self.pings.load(Ordering::Acquire));
    }

    /// One event if the last ping was noticed, and another if there were more calls than pings.
    fn tell(&self, tally: &Tally) {
        let pings = self.pings.load(Ordering::Acquire);
        if self.noticed.get() == pings {
            tally.saw(0);
        }
        if self.calls.get() > pings {
            tally.saw(WRONG);
        }
    }
}

impl PingStorm {
    fn crew(self, heard: &Heard, ping: impl Fn() + Clone + Send + 'static) -> Crew {
        Crew::of((0..self.threads).map(|_| {
            let (pings, ping) = (heard.pings.clone(), ping.clone());
            move || {
                for _ in 0..EACH {
                    pings.fetch_add(1, Ordering::Release);
                    ping();
                }
            }
        }))
    }

    fn pings(self) -> u64 {
        self.threads * EACH
    }
}

impl Workload for PingStorm {
    fn spec(self) -> Spec {
        Spec {
            name: "ping-storm",
            parameters: format!("threads={}", self.threads),
            about: "1000 pings by each of some threads, while the loop is dispatched until it was \
                    called after the last",
            per: "ping",
            units: self.pings(),
            events: 1,
            needs: &[Capability::Ping],
            is_extra: true,
            repeats: Repeats::Never,
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let heard = Heard::default();
        let seen = heard.clone();
        let (ping, _) = A::insert_ping(&event_loop.handle(), move |_| seen.hear())?;
        let crew = self.crew(&heard, move || ping.ping());
        let mut aim = 0;
        Ok(Run::new(tally.clone(), move || {
            aim += self.pings();
            crew.begin();
            await_all(&mut event_loop, || aim - heard.noticed.get())?;
            crew.await_end()?;
            // The last may have been noticed by the count before it pinged.
            event_loop.dispatch(Some(std::time::Duration::ZERO))?;
            heard.tell(&tally);
            Ok(())
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let eventfd = Arc::new(raw::eventfd(0)?);
        poller.add(&*eventfd, 0)?;
        let heard = Heard::default();
        let raised = eventfd.clone();
        let ping = move || raw::raise(&raised).expect("an eventfd can be written");
        let crew = self.crew(&heard, ping);
        let mut aim = 0;
        Ok(Run::new(tally.clone(), move || {
            aim += self.pings();
            crew.begin();
            while heard.noticed.get() < aim {
                poller.wait()?.count();
                P::acknowledge(&eventfd)?;
                heard.hear();
            }
            crew.await_end()?;
            if poller.poll()?.count() > 0 {
                P::acknowledge(&eventfd)?;
                heard.hear();
            }
            heard.tell(&tally);
            Ok(())
        }))
    }
}
