//! A second thread with a loop of its own, on another processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use conformance::adapter::Failure;

use super::PATIENCE;
use crate::processors::{self, Pin};
use crate::raw;
use crate::tally::Tally;

/// What has the partner called.
pub(super) type Wake = Box<dyn Fn() + Send>;

/// What both threads look at.
#[derive(Default)]
pub(super) struct Served {
    /// The pings that came there and were not told to the tally here.
    pub(super) pings: AtomicU64,
    pub(super) is_over: AtomicBool,
}

/// The other thread, on another processor; ends when this is dropped.
pub(super) struct Partner {
    pub(super) ping: Wake,
    served: Arc<Served>,
    thread: Option<JoinHandle<()>>,
    /// What the kernel tells of the thread.
    state: raw::State,
    /// Keeps this thread off the other's processor.
    _pin: Pin,
}

impl Partner {
    /// Starts `serve` on a thread, which introduces itself by what wakes it.
    pub(super) fn start(
        serve: impl FnOnce(Arc<Served>, &dyn Fn(Wake)) -> Result<(), Failure> + Send + 'static,
    ) -> Result<Self, Failure> {
        let (sender, receiver) = mpsc::channel();
        let served = Arc::new(Served::default());
        let partner = served.clone();
        let pin = Pin::here();
        let elsewhere = pin.elsewhere();
        let thread = thread::spawn(move || {
            elsewhere.iter().for_each(processors::stay_on);
            let introduce = |wake| drop(sender.send(Ok((raw::this_thread(), wake))));
            if let Err(failure) = serve(partner, &introduce) {
                // Later than at the start nobody listens, and the missing answer tells.
                drop(sender.send(Err(failure)));
            }
        });
        let (id, ping) = receiver.recv().expect("the thread introduces itself or fails")?;
        let state = raw::State::of(id)?;
        Ok(Partner { ping, served, thread: Some(thread), state, _pin: pin })
    }

    /// Waits until the thread sleeps.
    pub(super) fn await_sleep(&self) -> Result<(), Failure> {
        await_until("the other thread did not fall asleep", || self.state.is_asleep())
    }

    /// Waits until a ping has come there.
    pub(super) fn await_ping(&self) -> Result<(), Failure> {
        await_until("a ping did not come", || Ok(self.served.pings.load(Ordering::Acquire) > 0))
    }

    /// Reports each ping that came there as the event of this number.
    pub(super) fn tell(&self, tally: &Tally, number: u64) {
        for _ in 0..self.served.pings.swap(0, Ordering::Acquire) {
            tally.saw(number);
        }
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.served.is_over.store(true, Ordering::Release);
        (self.ping)();
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) if !thread::panicking() => std::panic::resume_unwind(panic),
            _ => {}
        }
    }
}

/// System calls by which a thread waits for another; a workload that does so does not count them.
pub(super) const WAITING: &[(&str, u64)] =
    &[("futex", u64::MAX), ("pread64", u64::MAX), ("sched_yield", u64::MAX)];

/// Looks again and again.
pub(super) fn await_until(
    failure: &str,
    mut is_so: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > PATIENCE {
            return Err(Failure::Other(failure.to_string()));
        }
        // Where there is one processor only, the other thread needs it.
        thread::yield_now();
    }
    Ok(())
}
