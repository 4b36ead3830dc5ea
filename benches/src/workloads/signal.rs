//! A signal received by way of the loop.

use std::os::fd::AsFd;
use std::rc::Rc;

use conformance::adapter::{Adapter, Capability, Failure};
use nix::sys::signal::{SigSet, Signal as Number};

use super::drain;
use crate::baselines::Poller;
use crate::raw::{self, SignalFd};
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

pub(super) const SIGNAL: Number = Number::SIGUSR1;

#[derive(Copy, Clone)]
pub(super) struct Signal;

impl Workload for Signal {
    fn spec(self) -> Spec {
        Spec {
            name: "signal",
            about: "a signal sent to the thread itself, then dispatches until it has come",
            per: "event",
            units: 1,
            events: 1,
            needs: &[Capability::Signals],
            // To whom it is sent, and the sending.
            uncounted: vec![("getpid", 1), ("gettid", 1), ("tgkill", 1)],
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let seen = tally.clone();
        A::insert_signals(&event_loop.handle(), &[SIGNAL as i32], move |_, event| {
            seen.saw(u64::from(event.signal != SIGNAL as i32));
        })?;
        Ok(Run::new(tally.clone(), move || {
            raw::signal_this_thread(SIGNAL as i32)?;
            drain(&mut event_loop, &tally)
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mask = Blocked::new()?;
        let signals = mask.signalfd()?;
        let mut poller = P::new()?;
        poller.add(signals.as_fd(), 0)?;
        Ok(Run::new(tally.clone(), move || {
            let _ = &mask;
            raw::signal_this_thread(SIGNAL as i32)?;
            tally.saw_all(poller.poll()?);
            signals.read_signal().map_err(std::io::Error::from)?;
            Ok(())
        }))
    }
}

/// The signal is blocked in this thread as long as this exists.
pub(super) struct Blocked(SigSet);

impl Blocked {
    pub(super) fn new() -> Result<Self, Failure> {
        let mut signals = SigSet::empty();
        signals.add(SIGNAL);
        signals.thread_block().map_err(std::io::Error::from)?;
        Ok(Blocked(signals))
    }

    /// What can be read as long as the signal is blocked.
    pub(super) fn signalfd(&self) -> Result<SignalFd, Failure> {
        raw::signalfd(&self.0)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // Refused, it stays blocked, and nobody sends it any more.
        let _ = self.0.thread_unblock();
    }
}
