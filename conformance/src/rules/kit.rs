//! What the rules of several groups insert and look at.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::fds::{go_on, usual_mode};
use crate::adapter::{Adapter, Capability, Failure, Interest, Mode, TimerNext};
use crate::ensure;
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Check, Deviation};
pub(super) use crate::system::open_descriptors;
use crate::trace::Trace;

/// What the shortest delay of a loop may come to that counts milliseconds.
const SHORTEST_DELAY: Duration = Duration::from_millis(2);

/// A deadline that no test lives to see.
pub(super) const FAR: Duration = Duration::from_secs(3600);

/// The end of a stream that the test holds; the other end is in the loop.
#[derive(Debug)]
pub(super) struct Wire(UnixStream);

impl Wire {
    /// A stream: the test's end, and the end for the loop, which does not block.
    pub(super) fn new() -> io::Result<(Wire, OwnedFd)> {
        let (test, subject) = UnixStream::pair()?;
        test.set_nonblocking(true)?;
        subject.set_nonblocking(true)?;
        Ok((Wire(test), subject.into()))
    }

    /// Makes the other end readable.
    pub(super) fn send(&self) {
        // A stream that is full is readable already.
        let _ = io::Write::write(&mut &self.0, b"!");
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Reads what there is, so that the descriptor is not readable any more.
pub(super) fn drain(fd: BorrowedFd<'_>) {
    let mut buffer = [0; 64];
    while rustix::io::read(fd, &mut buffer).is_ok_and(|read| read == buffer.len()) {}
}

/// Raises the limit of open descriptors as far as it goes; returns how many of `wanted` the test
/// may open.
pub(super) fn allow_descriptors(wanted: usize) -> io::Result<usize> {
    const OTHERS: u64 = 100;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let allowed = limit.maximum.map_or(u64::MAX, |maximum| maximum.saturating_sub(OTHERS));
    Ok(wanted.min(allowed.try_into().unwrap_or(usize::MAX)))
}

/// Calls a function when it is dropped.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Whether the loop has this.
pub(super) fn has<A: Adapter>(capability: Capability) -> bool {
    A::capabilities().has(capability)
}

/// Watches the loop's end of a stream: the callback reads all there is and then acts.
pub(super) fn insert_end<A: Adapter>(
    handle: &A::Handle,
    end: OwnedFd,
    mode: Mode,
    mut act: impl FnMut(&A::Handle) + 'static,
) -> Result<A::Source, Failure> {
    A::insert_fd(handle, end, Interest::Read, mode, move |handle, fd, _| {
        drain(fd);
        act(handle);
        go_on::<A>(mode)
    })
}

/// The same for a new stream, in the usual mode.
pub(super) fn insert_reader<A: Adapter>(
    handle: &A::Handle,
    act: impl FnMut(&A::Handle) + 'static,
) -> Result<(Wire, A::Source), Failure> {
    let (wire, end) = Wire::new()?;
    Ok((wire, insert_end::<A>(handle, end, usual_mode::<A>(), act)?))
}

/// A timer that acts once. Without a delay it is due when this returns, or as soon as the time has
/// gone on; where the loop has no such timers, their shortest delay passes here.
pub(super) fn insert_once<A: Adapter>(
    handle: &A::Handle,
    delay: Duration,
    mut act: impl FnMut(&A::Handle) + 'static,
) -> Result<A::Source, Failure> {
    let timer = A::insert_timer(handle, delay, move |handle, _| {
        act(handle);
        TimerNext::Stop
    })?;
    if delay.is_zero() && !has::<A>(Capability::ImmediateTimers) {
        std::thread::sleep(SHORTEST_DELAY);
    }
    Ok(timer)
}

/// A timer that is far ahead, where the loop has timers.
pub(super) fn insert_far<A: Adapter>(
    handle: &A::Handle,
    act: impl FnMut(&A::Handle) + 'static,
) -> Result<Option<A::Source>, Failure> {
    has::<A>(Capability::Timers).then(|| insert_once::<A>(handle, FAR, act)).transpose()
}

/// Sends this process a signal. A loop that receives signals takes it; other threads have to block
/// it.
pub(super) fn raise(signal: Signal) {
    // It fails for a number that is none.
    let _ = kill(Pid::this(), signal);
}

/// Lets the clock go on, so that a timer that was set to now is due, also in a loop that counts
/// microseconds and rounds up.
pub(super) fn let_time_pass() {
    let now = Instant::now();
    while now.elapsed() < Duration::from_micros(2) {
        std::hint::spin_loop();
    }
}

impl<A: Adapter> Fixture<'_, A> {
    /// A callback that marks its name.
    pub(super) fn marker(&self, name: impl fmt::Display) -> impl FnMut(&A::Handle) + 'static {
        let (trace, name) = (self.trace(), name.to_string());
        move |_: &A::Handle| trace.mark(&name)
    }

    /// As [`deliver`](Fixture::deliver), but no further than until the condition holds.
    pub(super) fn deliver_until(&mut self, holds: impl Fn() -> bool) -> Result<(), Failure> {
        if has::<A>(Capability::OneWaitADispatch) {
            return self.deliver();
        }
        for _ in 0..16 {
            if holds() {
                break;
            }
            self.dispatch(Some(Duration::from_millis(1)))?;
        }
        Ok(())
    }

    /// Dispatches again and again, hardly waiting, until the condition holds: for what does not end
    /// a wait by itself.
    pub(super) fn poll_until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Trace) -> bool,
    ) -> Check {
        const PATIENT: Duration = Duration::from_millis(10);
        let limit = self.trial.limit(PATIENCE);
        let start = Instant::now();
        let mut dispatches = 0;
        while !holds(&self.trial.trace) {
            ensure!(start.elapsed() < limit, what, "it did not happen within {limit:?}");
            dispatches += 1;
            self.dispatch(Some(if dispatches <= 8 { Duration::ZERO } else { PATIENT }))?;
        }
        Ok(())
    }

    /// As [`poll_until`](Fixture::poll_until) for dispatches that are meant to fail or to panic;
    /// returns how many did.
    pub(super) fn survive_until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Trace) -> bool,
    ) -> Result<usize, Deviation> {
        const DISPATCHES_MAX: usize = 60;
        let mut failures = 0;
        for dispatch in 0..DISPATCHES_MAX {
            if holds(&self.trial.trace) {
                return Ok(failures);
            }
            let timeout = Duration::from_millis(if dispatch < 8 { 0 } else { 10 });
            match catch_unwind(AssertUnwindSafe(|| self.dispatch(Some(timeout)))) {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => failures += 1,
                Err(_) => {
                    self.trial.trace.note("the dispatch panicked");
                    failures += 1;
                }
            }
        }
        let marks = self.trial.trace.marks().join(", ");
        Err(Deviation::new(
            what,
            format_args!(
                "only [{marks}] in {DISPATCHES_MAX} dispatches, of which {failures} failed"
            ),
        ))
    }

    /// Fails unless the marks of these names are as many as expected.
    pub(super) fn expect_counts(&self, expected: usize, names: &[&str], when: &str) -> Check {
        for name in names {
            let count = self.trial.trace.count(name);
            crate::ensure_eq!(count, expected, "calls of the {name} {when}");
        }
        Ok(())
    }

    /// Fails unless the loop sleeps through whole timeouts and calls nothing that is marked.
    ///
    /// A loop may need some dispatches to calm down, for instance to see that a queue is empty. One
    /// that a busy machine held up seems to have slept, so that it has to do so several times.
    pub(super) fn expect_sleep(&mut self) -> Check {
        const NAP: Duration = Duration::from_millis(7);
        const NAPS: u32 = 3;
        const EARLY_MAX: u32 = 8;
        let before = self.trial.trace.marks().len();
        let (mut naps, mut early) = (0, 0);
        while naps < NAPS && early <= EARLY_MAX {
            // The timers of some loops are a millisecond coarse.
            let is_nap = self.dispatch(Some(NAP))? > NAP / 2;
            (naps, early) = if is_nap { (naps + 1, early) } else { (0, early + 1) };
        }
        let marks = self.trial.trace.marks();
        ensure!(marks.len() == before, "nothing called", "called: {}", marks[before..].join(", "));
        ensure!(
            early <= EARLY_MAX,
            "a loop that sleeps when nothing happens",
            "{early} dispatches of {NAP:?} that returned early"
        );
        Ok(())
    }
}
