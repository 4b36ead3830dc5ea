//! An adapter with its types forgotten, so that the rules are compiled once and not once a loop.
//!
//! Rules are generic over the [`Adapter`], and there are hundreds of them: to compile them for each
//! of a dozen loops takes minutes, and so would each build of a test of somebody's own loop. They
//! are compiled here for [`Erased`], which calls the loop that was [chosen](choose) through trait
//! objects; what is compiled for a loop is this bridge.
//!
//! The price is a box for each callback, future and message, and for each call of a callback. No
//! rule asks for less than a microsecond or counts allocations; the benchmarks, which do, use the
//! adapters themselves.

mod event_loop;
mod operations;
mod parts;

use std::future::Future;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use event_loop::{Facility, Loop, Of};
use operations::{Name, Operations};
use parts::{AnySender, AnySpawn};

use crate::adapter::{
    Adapter, AsyncFd, CancelIdle, Capabilities, ChannelEvent, Failure, Interest, Mode, Next, Ping,
    Readiness, Sender, SignalEvent, Spawn, Stop, TimerNext,
};
use crate::rule::Case;

/// What makes the loops of this process. The process of a rule has one kind of them; where several
/// kinds are used in turns, a loop remembers what it is.
static CHOSEN: RwLock<Option<&'static dyn Facility>> = RwLock::new(None);

/// From now on, an [`Erased`] loop is one of these.
pub(crate) fn choose<A: Adapter>() {
    let facility: &'static dyn Facility = const { &Of::<A>::FACILITY };
    *CHOSEN.write().unwrap_or_else(PoisonError::into_inner) = Some(facility);
}

/// The rules that any loop can be held to, for a loop of this adapter.
pub(crate) fn cases<A: Adapter>() -> Vec<Case> {
    any_loop().into_iter().map(|case| case.after(choose::<A>)).collect()
}

/// Not generic, so that this crate has the only copy.
fn any_loop() -> Vec<Case> {
    crate::rules::cases::<Erased>()
}

fn chosen() -> &'static dyn Facility {
    let chosen = *CHOSEN.read().unwrap_or_else(PoisonError::into_inner);
    chosen.expect("a rule is run for a loop that was chosen")
}

/// The loop that was chosen.
pub(crate) struct Erased(Box<dyn Loop>);

/// Reaches it. A clone of this, as of all that an adapter hands out, is a clone of the loop's own.
pub(crate) struct Handle(Box<dyn Operations>);

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.0.another()
    }
}

/// Names a source of it.
pub(crate) struct Source(Box<dyn Name>);

impl Clone for Source {
    fn clone(&self) -> Self {
        Source(self.0.another())
    }
}

impl Adapter for Erased {
    const NAME: &'static str = "any loop";

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        chosen().version()
    }

    fn capabilities() -> Capabilities {
        chosen().capabilities()
    }

    fn new() -> Result<Self, Failure> {
        chosen().make().map(Erased)
    }

    fn handle(&self) -> Handle {
        self.0.handle()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        self.0.dispatch(timeout)
    }

    fn insert_fd<F>(
        handle: &Handle,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        handle.0.insert_fd(fd, interest, mode, Box::new(callback))
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        handle.0.insert_timer(delay, Box::new(callback))
    }

    fn remove(handle: &Handle, source: Source) {
        handle.0.remove(source);
    }

    fn insert_deadline<F>(
        handle: &Handle,
        deadline: Instant,
        callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        handle.0.insert_deadline(deadline, Box::new(callback))
    }

    fn reset_timer(handle: &Handle, source: &Source, delay: Duration) -> Result<(), Failure> {
        handle.0.reset_timer(source, delay)
    }

    fn disable(handle: &Handle, source: &Source) -> Result<(), Failure> {
        handle.0.disable(source)
    }

    fn enable(handle: &Handle, source: &Source) -> Result<(), Failure> {
        handle.0.enable(source)
    }

    fn update_fd(
        handle: &Handle,
        source: &Source,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        handle.0.update_fd(source, interest, mode)
    }

    fn insert_ping<F>(handle: &Handle, callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        handle.0.insert_ping(Box::new(callback))
    }

    fn insert_channel<T, F>(
        handle: &Handle,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        let (sender, source) = handle.0.insert_channel(None, parts::receiver(callback))?;
        Ok((AnySender::new(sender), source))
    }

    fn insert_bounded_channel<T, F>(
        handle: &Handle,
        bound: usize,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        let (sender, source) = handle.0.insert_channel(Some(bound), parts::receiver(callback))?;
        Ok((AnySender::new(sender), source))
    }

    fn stopper(&self) -> Result<impl Stop, Failure> {
        self.0.stopper()
    }

    fn run<F>(&mut self, timeout: Option<Duration>, mut each: F) -> Result<(), Failure>
    where
        F: FnMut(&Handle),
    {
        self.0.run(timeout, &mut each)
    }

    fn insert_idle<F>(handle: &Handle, callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&Handle) + 'static,
    {
        handle.0.insert_idle(Box::new(callback))
    }

    fn insert_signals<F>(handle: &Handle, signals: &[i32], callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, SignalEvent) + 'static,
    {
        handle.0.insert_signals(signals, Box::new(callback))
    }

    fn set_signals(handle: &Handle, source: &Source, signals: &[i32]) -> Result<(), Failure> {
        handle.0.set_signals(source, signals)
    }

    fn insert_executor<T, F>(
        handle: &Handle,
        mut callback: F,
    ) -> Result<(impl Spawn<T>, Source), Failure>
    where
        T: 'static,
        F: FnMut(&Handle, T) + 'static,
    {
        let callback = move |handle: &Handle, value| callback(handle, parts::known(value));
        let (spawner, source) = handle.0.insert_executor(Box::new(callback))?;
        Ok((AnySpawn::new(spawner), source))
    }

    fn adapt_io(handle: &Handle, fd: OwnedFd) -> Result<impl AsyncFd, Failure> {
        handle.0.adapt_io(fd)
    }

    fn sleep(
        handle: &Handle,
        delay: Duration,
    ) -> Result<impl Future<Output = ()> + 'static, Failure> {
        handle.0.sleep(delay)
    }

    fn as_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        self.0.as_fd()
    }
}
