//! libevent, from <event2/event.h> and <event2/thread.h> of version 2.1.12.
//!
//! | adapter | libevent |
//! | --- | --- |
//! | loop | a base with `EVENT_BASE_FLAG_PRECISE_TIMER`, locked by `evthread_use_pthreads` |
//! | dispatch | `event_base_loop` with `EVLOOP_ONCE`, and a timer that limits the wait |
//! | descriptor | an event for `EV_READ` and `EV_WRITE`; one that is asked for nothing is not added |
//! | mode | `EV_PERSIST`, `EV_PERSIST` with `EV_ET`, or neither for one report |
//! | update | `event_del`, `event_assign`, `event_add` |
//! | timer | an event with a timeout, in microseconds; it repeats and is set anew by `event_add` |
//! | ping, wake-up | an event that is triggered by `event_active` |
//! | signals | an event with `EV_SIGNAL` for each |
//! | removal | `event_free` |
//!
//! Left out: priorities, and with them callbacks for when there is nothing else to do;
//! `event_base_dispatch`, which has no call after each iteration; buffers, and everything above
//! events. `event_del` keeps an event, but a timer does not know what was left of its time, so that
//! `disable` is not declared.

mod library;
mod source;
mod threads;

use std::cell::RefCell;
use std::ffi::{CStr, c_short};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use reports::record::Missing;

use library::{
    EDGE, Functions, LOOP_NO_EXIT_ON_EMPTY, LOOP_NONBLOCK, LOOP_ONCE, PERSIST, PRECISE_TIMER, READ,
    SIGNAL, WRITE,
};
use source::{Handle, Inner, Source, Trigger, check};

use super::{Foreign, directions, resume};
use crate::adapter::{
    Adapter, Capabilities, Capability, Failure, Interest, Mode, Next, Ping, Readiness, SignalEvent,
    Stop, TimerNext,
};

const NAME: &str = "libevent";

/// libevent.
#[derive(Debug)]
pub struct Event {
    handle: Handle,
    /// The timer that ends a wait.
    limit: Source,
    waker: Trigger,
}

fn what(interest: Interest, mode: Mode) -> c_short {
    directions(interest, READ, WRITE)
        | match mode {
            Mode::Level => PERSIST,
            Mode::Edge => PERSIST | EDGE,
            Mode::OneShot => 0,
        }
}

impl Foreign for Event {
    fn find() -> Result<(), Missing> {
        Functions::find().and_then(|_| threads::find())
    }
}

impl Adapter for Event {
    const NAME: &'static str = NAME;

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        // SAFETY: it answers a string that lives for ever.
        let version = unsafe { CStr::from_ptr((Functions::get().event_get_version)()) };
        // It ends in words, as `2.1.12-stable`.
        version.to_string_lossy().into_owned()
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::Edge,
            Capability::OneShot,
            Capability::EmptyInterest,
            Capability::Update,
            Capability::NestedLoops,
            Capability::Timers,
            Capability::ImmediateTimers,
            Capability::DeadlineOrder,
            Capability::SubMillisecondTimers,
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
        let event = Functions::get();
        // SAFETY: each is used as long as it exists.
        let base = unsafe {
            let config = (event.event_config_new)();
            (event.event_config_set_flag)(config, PRECISE_TIMER);
            let base = (event.event_base_new_with_config)(config);
            (event.event_config_free)(config);
            base
        };
        if base.is_null() {
            return Err(io::Error::last_os_error().into());
        }
        let handle = Handle(Rc::new(Inner { event, base, sources: RefCell::default() }));
        let limit = handle.timer(|_, _, _, _| {})?;
        let waker = handle.ping(|_| {})?.0.trigger.clone();
        Ok(Event { handle, limit, waker })
    }

    fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let Inner { event, base, .. } = &*self.handle.0;
        let mut flags = LOOP_ONCE | LOOP_NO_EXIT_ON_EMPTY;
        match timeout {
            Some(Duration::ZERO) => flags |= LOOP_NONBLOCK,
            Some(timeout) => self.limit.start_timer(timeout)?,
            None => {}
        }
        // SAFETY: the base exists, and does not run, as this is not called by its callbacks.
        let answer = check(unsafe { (event.event_base_loop)(*base, flags) });
        if let Some(limit) = self.limit.raw() {
            // SAFETY: it is an event.
            unsafe { (event.event_del)(limit) };
        }
        resume();
        answer
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
        let number = fd.as_raw_fd();
        let source = handle.source(move |handle, _, _, what| {
            let (readable, writable) = (what & READ != 0, what & WRITE != 0);
            // Without post-actions and fallible callbacks, every answer is to go on.
            let _ = callback(handle, fd.as_fd(), Readiness { readable, writable });
        });
        source.0.fd.set(number);
        handle.add(&source, -1, 0)?;
        source.watch(what(interest, mode)).inspect_err(|_| source.remove())?;
        Ok(source)
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, mut callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let timer = handle.timer(move |handle, source, _, _| match callback(handle, None) {
            TimerNext::After(delay) => {
                // It cannot fail: the event has its place among the timers.
                let _ = source.start_timer(delay);
            }
            TimerNext::Stop | TimerNext::At(_) => source.remove(),
        })?;
        timer.start_timer(delay).inspect_err(|_| timer.remove())?;
        Ok(timer)
    }

    fn remove(_: &Handle, source: Source) {
        source.remove();
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
        source.watch(what(interest, mode))
    }

    fn insert_ping<F>(handle: &Handle, callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let source = handle.ping(callback)?;
        Ok((source.0.trigger.clone(), source))
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
        let watch = |signal: &i32| {
            let raw = handle.add(&source, *signal, SIGNAL | PERSIST)?;
            // SAFETY: it is an event.
            check(unsafe { (handle.0.event.event_add)(raw, ptr::null()) })
        };
        signals.iter().try_for_each(watch).inspect_err(|_| source.remove())?;
        Ok(source)
    }
}
