//! A signal sent to the thread of a loop that sleeps.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure};
use nix::sys::signal::{SigSet, Signal as Number};

use super::handler::Kept;
use super::{Scenario, Sends, Spec, Stage};
use crate::baselines::{Kernel, Poller, subject};
use crate::raw;

/// One that does nothing where it comes too late to be received.
const SIGNAL: Number = Number::SIGURG;

#[derive(Copy, Clone)]
pub(super) struct Signal;

impl Scenario for Signal {
    fn spec(self) -> Spec {
        Spec {
            name: "signal-latency",
            parameters: "rate=5k".to_string(),
            about: "a signal is sent by another thread to that of a sleeping loop",
            period: Duration::from_micros(200),
            sends: Sends::OneByOne,
            is_loaded: false,
            needs: &[Capability::Signals],
            floor: subject::<Kernel>(),
        }
    }

    fn on<A: Adapter>(self, stage: &Stage) -> Result<(), Failure> {
        let _kept = Kept::of(SIGNAL as i32);
        let mut event_loop = A::new()?;
        let watch = stage.watch();
        A::insert_signals(&event_loop.handle(), &[SIGNAL as i32], move |_, event| {
            // Another signal is none of ours.
            watch.saw(u64::from(event.signal == SIGNAL as i32));
        })?;
        let thread = raw::this_thread();
        stage.sent_by(move |_| raw::signal_thread(thread, SIGNAL as i32));
        while !stage.is_over() {
            event_loop.dispatch(None)?;
        }
        Ok(())
    }

    fn floor(self, stage: &Stage) -> Result<(), Failure> {
        // For as long as this thread exists, which was made for it.
        let mut mask = SigSet::empty();
        mask.add(SIGNAL);
        mask.thread_block().map_err(io::Error::from)?;
        let signals = raw::signalfd(&mask)?;
        let mut poller = Kernel::new()?;
        poller.add(signals.as_fd(), 0)?;
        let watch = stage.watch();
        let thread = raw::this_thread();
        stage.sent_by(move |_| raw::signal_thread(thread, SIGNAL as i32));
        while !stage.is_over() {
            for _ in poller.wait()? {
                let signal = signals.read_signal().map_err(io::Error::from)?;
                watch.saw(u64::from(signal.is_some()));
            }
        }
        Ok(())
    }
}
