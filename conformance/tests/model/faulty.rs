//! Loops with one fault each: the reference loop behind an adapter that does one thing wrong.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use conformance::adapter::{
    Adapter, AsyncFd, CancelIdle, Capabilities, ChannelEvent, Failure, Interest, Mode, Next, Ping,
    Readiness, Refusal, Sender, SignalEvent, Spawn, Stop, TimerNext,
};
use conformance::adapters::CalloopRef as Sound;

/// What is wrong with a loop, by number; Rust has no enums for that.
pub(crate) mod fault {
    pub(crate) const NONE: u8 = 0;
    pub(crate) const TIMER_IS_EARLY: u8 = 1;
    pub(crate) const DISABLE_DOES_NOTHING: u8 = 2;
    pub(crate) const ENABLE_DOES_NOTHING: u8 = 3;
    pub(crate) const UPDATE_DOES_NOTHING: u8 = 4;
    pub(crate) const RESET_DOES_NOTHING: u8 = 5;
    pub(crate) const REMOVE_ONLY_DISABLES: u8 = 6;
    pub(crate) const EDGE_IS_LEVEL: u8 = 7;
    pub(crate) const ONE_SHOT_IS_LEVEL: u8 = 8;
    pub(crate) const LOSES_A_PING: u8 = 9;
    pub(crate) const LOSES_A_MESSAGE: u8 = 10;
    pub(crate) const HAS_NO_BOUND: u8 = 11;
    pub(crate) const CANCEL_DOES_NOTHING: u8 = 12;
    pub(crate) const WAITS_TWICE: u8 = 13;
    pub(crate) const HIDES_ERRORS: u8 = 14;
    pub(crate) const WAITS_LESS: u8 = 15;
    pub(crate) const TELLS_ANOTHER_DEADLINE: u8 = 16;
    pub(crate) const REARM_IS_CONTINUE: u8 = 17;
    pub(crate) const KEEPS_CALLBACKS: u8 = 18;
    pub(crate) const IDLE_FIRST: u8 = 19;
    pub(crate) const OUTPUT_IS_LATE: u8 = 20;
    pub(crate) const SLEEPS_LESS: u8 = 21;
    pub(crate) const KEEPS_ITS_SIGNALS: u8 = 22;
    pub(crate) const IGNORES_A_STOP: u8 = 23;
    pub(crate) const ALL: std::ops::RangeInclusive<u8> = TIMER_IS_EARLY..=IGNORES_A_STOP;
}

type Handle = <Sound as Adapter>::Handle;
type Source = <Sound as Adapter>::Source;

/// The reference loop with this fault.
#[derive(Debug)]
pub(crate) struct Faulty<const FAULT: u8>(Sound);

impl<const FAULT: u8> Adapter for Faulty<FAULT> {
    const NAME: &'static str = "faulty";

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        FAULT.to_string()
    }

    fn capabilities() -> Capabilities {
        Sound::capabilities()
    }

    fn new() -> Result<Self, Failure> {
        Ok(Faulty(Sound::new()?))
    }

    fn handle(&self) -> Handle {
        self.0.handle()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        match FAULT {
            fault::WAITS_TWICE => {
                self.0.dispatch(timeout)?;
                self.0.dispatch(Some(Duration::ZERO))
            }
            fault::HIDES_ERRORS => self.0.dispatch(timeout).or(Ok(())),
            fault::WAITS_LESS => self.0.dispatch(timeout.map(|timeout| timeout / 2)),
            _ => self.0.dispatch(timeout),
        }
    }

    fn insert_fd<F>(
        handle: &Handle,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        let mode = match (FAULT, mode) {
            (fault::EDGE_IS_LEVEL, Mode::Edge) => Mode::Level,
            (fault::ONE_SHOT_IS_LEVEL, Mode::OneShot) => Mode::Level,
            (_, mode) => mode,
        };
        Sound::insert_fd(handle, fd, interest, mode, move |handle, fd, readiness| {
            match callback(handle, fd, readiness) {
                Next::Rearm if FAULT == fault::REARM_IS_CONTINUE => Next::Continue,
                next => next,
            }
        })
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let is_early = FAULT == fault::TIMER_IS_EARLY && delay < Duration::from_secs(1);
        let early = if is_early { Duration::ZERO } else { delay };
        Sound::insert_timer(handle, early, callback)
    }

    fn insert_deadline<F>(
        handle: &Handle,
        deadline: Instant,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        Sound::insert_deadline(handle, deadline, move |handle, told| {
            let is_wrong = FAULT == fault::TELLS_ANOTHER_DEADLINE;
            callback(handle, if is_wrong { Some(Instant::now()) } else { told })
        })
    }

    fn remove(handle: &Handle, source: Source) {
        if FAULT != fault::REMOVE_ONLY_DISABLES || Sound::disable(handle, &source).is_err() {
            Sound::remove(handle, source);
        }
    }

    fn reset_timer(handle: &Handle, source: &Source, delay: Duration) -> Result<(), Failure> {
        match FAULT {
            fault::RESET_DOES_NOTHING => Sound::enable(handle, source),
            _ => Sound::reset_timer(handle, source, delay),
        }
    }

    fn disable(handle: &Handle, source: &Source) -> Result<(), Failure> {
        match FAULT {
            fault::DISABLE_DOES_NOTHING => Ok(()),
            _ => Sound::disable(handle, source),
        }
    }

    fn enable(handle: &Handle, source: &Source) -> Result<(), Failure> {
        match FAULT {
            fault::ENABLE_DOES_NOTHING => Ok(()),
            _ => Sound::enable(handle, source),
        }
    }

    fn update_fd(
        handle: &Handle,
        source: &Source,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        match FAULT {
            fault::UPDATE_DOES_NOTHING => Ok(()),
            _ => Sound::update_fd(handle, source, interest, mode),
        }
    }

    fn insert_ping<F>(handle: &Handle, callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let callback = Rc::new(RefCell::new(callback));
        if FAULT == fault::KEEPS_CALLBACKS {
            std::mem::forget(callback.clone());
        }
        let call = move |handle: &Handle| (callback.borrow_mut())(handle);
        let (ping, source) = Sound::insert_ping(handle, call)?;
        let loses = usize::from(FAULT == fault::LOSES_A_PING);
        Ok((Lossy { inner: ping, left: Arc::new(AtomicUsize::new(loses)) }, source))
    }

    fn insert_channel<T, F>(
        handle: &Handle,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        let (sender, source) = Sound::insert_channel(handle, callback)?;
        let loses = usize::from(FAULT == fault::LOSES_A_MESSAGE);
        Ok((Lossy { inner: sender, left: Arc::new(AtomicUsize::new(loses)) }, source))
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
        let more = usize::from(FAULT == fault::HAS_NO_BOUND);
        Sound::insert_bounded_channel(handle, bound + more, callback)
    }

    fn stopper(&self) -> Result<impl Stop, Failure> {
        self.0.stopper()
    }

    fn run<F>(&mut self, timeout: Option<Duration>, mut each: F) -> Result<(), Failure>
    where
        F: FnMut(&Handle),
    {
        self.0.run(timeout, &mut each)?;
        if FAULT == fault::IGNORES_A_STOP {
            self.0.dispatch(timeout)?;
            each(&self.0.handle());
        }
        Ok(())
    }

    fn insert_idle<F>(handle: &Handle, callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&Handle) + 'static,
    {
        let mut callback = Some(callback);
        let mut run =
            move |handle: &Handle| callback.take().into_iter().for_each(|run| run(handle));
        if FAULT == fault::IDLE_FIRST {
            let (ping, _) = Sound::insert_ping(handle, move |handle| run(handle))?;
            ping.ping();
            return Ok(Cancel(Some(Box::new(move || drop(ping)))));
        }
        let idle = Sound::insert_idle(handle, move |handle| run(handle))?;
        let does_nothing = FAULT == fault::CANCEL_DOES_NOTHING;
        Ok(Cancel((!does_nothing).then(|| Box::new(move || idle.cancel()) as Box<dyn FnOnce()>)))
    }

    fn insert_signals<F>(handle: &Handle, signals: &[i32], callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, SignalEvent) + 'static,
    {
        Sound::insert_signals(handle, signals, callback)
    }

    fn set_signals(handle: &Handle, source: &Source, signals: &[i32]) -> Result<(), Failure> {
        match FAULT {
            fault::KEEPS_ITS_SIGNALS => Ok(()),
            _ => Sound::set_signals(handle, source, signals),
        }
    }

    fn insert_executor<T, F>(
        handle: &Handle,
        mut callback: F,
    ) -> Result<(impl Spawn<T>, Source), Failure>
    where
        T: 'static,
        F: FnMut(&Handle, T) + 'static,
    {
        // An output is reported with the next one.
        let held = Cell::new(None);
        let (spawn, source) = Sound::insert_executor(handle, move |handle, output| {
            let output = match FAULT {
                fault::OUTPUT_IS_LATE => held.replace(Some(output)),
                _ => Some(output),
            };
            output.into_iter().for_each(|output| callback(handle, output));
        })?;
        Ok((spawn, source))
    }

    fn adapt_io(handle: &Handle, fd: OwnedFd) -> Result<impl AsyncFd, Failure> {
        Sound::adapt_io(handle, fd)
    }

    fn sleep(
        handle: &Handle,
        delay: Duration,
    ) -> Result<impl Future<Output = ()> + 'static, Failure> {
        Sound::sleep(handle, if FAULT == fault::SLEEPS_LESS { delay / 4 } else { delay })
    }

    fn as_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        self.0.as_fd()
    }
}

/// A handle whose first use is lost, or none.
#[derive(Clone)]
struct Lossy<T> {
    inner: T,
    left: Arc<AtomicUsize>,
}

impl<T> Lossy<T> {
    fn loses(&self) -> bool {
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok()
    }
}

impl<P: Ping> Ping for Lossy<P> {
    fn ping(&self) {
        if !self.loses() {
            self.inner.ping();
        }
    }
}

impl<T, S: Sender<T>> Sender<T> for Lossy<S> {
    fn send(&self, message: T) -> Result<(), T> {
        if self.loses() { Ok(()) } else { self.inner.send(message) }
    }

    fn try_send(&self, message: T) -> Result<(), Refusal<T>> {
        if self.loses() { Ok(()) } else { self.inner.try_send(message) }
    }
}

struct Cancel(Option<Box<dyn FnOnce()>>);

impl CancelIdle for Cancel {
    fn cancel(self) {
        self.0.into_iter().for_each(|cancel| cancel());
    }
}
