//! libuv, from <uv.h> of version 1.44.2. The sizes of its structures are asked of the library.
//!
//! | adapter | libuv |
//! | --- | --- |
//! | dispatch | `uv_run` with `UV_RUN_ONCE`, and a timer that limits the wait; `UV_RUN_NOWAIT` for none |
//! | descriptor | `uv_poll_t`, level-triggered; one that is asked for nothing is not started |
//! | timer | `uv_timer_t`, in milliseconds, rounded up; it repeats and is set anew by `uv_timer_start` |
//! | ping | `uv_async_t` |
//! | wake-up | a `uv_async_t` that does nothing |
//! | signals | a `uv_signal_t` for each |
//! | removal | `uv_close`; the memory of the handle is given back by its callback |
//!
//! A timer's callback ends with `uv_stop`, whose documentation says that the loop then does not
//! block: `UV_RUN_ONCE` of this version calls what is due and waits for something else all the same
//! (findings/LIBUV-LOOP-04.md).
//!
//! Left out: `uv_idle_t` and `uv_prepare_t`, which are called in every iteration and not when there
//! is nothing else to do; `uv_run` with `UV_RUN_DEFAULT`, which has no call after each iteration;
//! the descriptor of the loop, which does not become readable for a timer; the timer's own repeat,
//! which does not count from the return of its callback. `uv_poll_stop` silences descriptors only,
//! so that `disable` is not declared.

mod library;
mod source;

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reports::record::Missing;

use library::{Functions, POLL, READABLE, RUN_NOWAIT, RUN_ONCE, SIGNAL, WRITABLE};
use source::{Handle, Inner, Sender, Source, allocate, check, on_signal};

use super::{Foreign, directions, resume};
use crate::adapter::{
    Adapter, Capabilities, Capability, Failure, Interest, Mode, Next, Ping, Readiness, SignalEvent,
    Stop, TimerNext,
};

const NAME: &str = "libuv";

/// libuv.
#[derive(Debug)]
pub struct Uv {
    handle: Handle,
    /// The timer that ends a wait.
    limit: Source,
    waker: Sender,
}

impl Foreign for Uv {
    fn find() -> Result<(), Missing> {
        Functions::find().map(drop)
    }
}

impl Adapter for Uv {
    const NAME: &'static str = NAME;

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        // SAFETY: it answers a string that lives for ever.
        let version = unsafe { CStr::from_ptr((Functions::get().uv_version_string)()) };
        version.to_string_lossy().into_owned()
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::EmptyInterest,
            Capability::Update,
            Capability::NestedLoops,
            Capability::Timers,
            Capability::ImmediateTimers,
            Capability::DeadlineOrder,
            Capability::TimerRepeat,
            Capability::TimerReset,
            Capability::TimersAndFdsTogether,
            Capability::Ping,
            Capability::Wakeup,
            Capability::Signals,
            Capability::SignalSharing,
            Capability::SignalFanOut,
            Capability::OneWaitADispatch,
            Capability::ReadyOrder,
        ])
    }

    fn new() -> Result<Self, Failure> {
        let uv = Functions::get();
        // SAFETY: it asks for nothing.
        let raw = allocate(unsafe { (uv.uv_loop_size)() });
        // SAFETY: the memory is of the size of a loop.
        if let Err(failure) = check(unsafe { (uv.uv_loop_init)(raw) }) {
            // SAFETY: it did not become a loop.
            unsafe { libc::free(raw.cast()) };
            return Err(failure);
        }
        let handle = Handle(Rc::new(Inner { uv, raw }));
        let limit = handle.timer(|_, _, _, _| {})?;
        let waker = handle.ping(|_| {})?.0.sender.clone();
        Ok(Uv { handle, limit, waker })
    }

    fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let mode = if timeout == Some(Duration::ZERO) { RUN_NOWAIT } else { RUN_ONCE };
        if let (Some(timeout), RUN_ONCE) = (timeout, mode) {
            self.limit.start_timer(timeout)?;
        }
        let Inner { uv, raw } = &*self.handle.0;
        // SAFETY: the loop exists, and does not run, as this is not called by its callbacks.
        unsafe { (uv.uv_run)(*raw, mode) };
        if let Some(limit) = self.limit.raw() {
            // SAFETY: it is a timer.
            unsafe { (uv.uv_timer_stop)(limit) };
        }
        resume();
        Ok(())
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
        if mode != Mode::Level {
            return Err(Failure::Unsupported);
        }
        let number = fd.as_raw_fd();
        let source = handle.source(move |handle, source, status, events| {
            // An error is told instead of events: it is to be found by whatever was asked for.
            let events = if status < 0 { source.0.events.get() } else { events };
            let (readable, writable) = (events & READABLE != 0, events & WRITABLE != 0);
            // Without post-actions and fallible callbacks, every answer is to go on.
            let _ = callback(handle, fd.as_fd(), Readiness { readable, writable });
        });
        source.0.events.set(directions(interest, READABLE, WRITABLE));
        let Inner { uv, raw: event_loop } = &*handle.0;
        // SAFETY: the loop exists, and the memory is of the size of a `uv_poll_t`.
        handle.add(&source, POLL, |raw| unsafe { (uv.uv_poll_init)(*event_loop, raw, number) })?;
        source.start_poll().inspect_err(|_| source.close())?;
        Ok(source)
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, mut callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let timer = handle.timer(move |handle, source, _, _| match callback(handle, None) {
            TimerNext::After(delay) => {
                // It fails for a timer that is closed, which `start_timer` looks at.
                let _ = source.start_timer(delay);
            }
            TimerNext::Stop | TimerNext::At(_) => source.close(),
        })?;
        timer.start_timer(delay)?;
        Ok(timer)
    }

    fn remove(_: &Handle, source: Source) {
        source.close();
    }

    fn reset_timer(_: &Handle, source: &Source, delay: Duration) -> Result<(), Failure> {
        source.start_timer(delay)
    }

    fn update_fd(
        _: &Handle,
        source: &Source,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        if mode != Mode::Level {
            return Err(Failure::Unsupported);
        }
        source.0.events.set(directions(interest, READABLE, WRITABLE));
        source.start_poll()
    }

    fn insert_ping<F>(handle: &Handle, callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let source = handle.ping(callback)?;
        Ok((source.0.sender.clone(), source))
    }

    fn stopper(&self) -> Result<impl Stop, Failure> {
        Ok(self.waker.clone())
    }

    fn insert_signals<F>(
        handle: &Handle,
        signals: &[i32],
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, SignalEvent) + 'static,
    {
        let source = handle.source(move |handle, _, signal, _| {
            callback(handle, SignalEvent { signal, pid: None, uid: None });
        });
        let Inner { uv, raw: event_loop } = &*handle.0;
        let watch = |signal: &i32| {
            // SAFETY: the loop exists, and the memory is of the size of a `uv_signal_t`.
            let init = |raw| unsafe { (uv.uv_signal_init)(*event_loop, raw) };
            let raw = handle.add(&source, SIGNAL, init)?;
            // SAFETY: it is a signal's handle that is not closed.
            check(unsafe { (uv.uv_signal_start)(raw, on_signal, *signal) })
        };
        signals.iter().try_for_each(watch).inspect_err(|_| source.close())?;
        Ok(source)
    }
}
