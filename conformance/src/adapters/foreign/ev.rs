//! libev, from <ev.h> of version 4.33 as Debian builds it, with every feature (`EV_FEATURES` of 0x7f).
//!
//! | adapter | libev |
//! | --- | --- |
//! | dispatch | `ev_run` with `EVRUN_ONCE`, and a timer that limits the wait; `EVRUN_NOWAIT` for none |
//! | descriptor | `ev_io`, level-triggered |
//! | timer | `ev_timer` without a repeat, started again; `ev_now_update` comes first, as advised |
//! | ping | `ev_async` |
//! | wake-up | an `ev_async` that does nothing, and keeps a wait without limit from returning at once |
//! | idle callback | `ev_idle`, stopped when it was called |
//! | signals | `ev_signal` for each |
//! | disable, enable | the functions that stop and start a watcher |
//!
//! Left out: `ev_periodic`, whose instants are of the clock on the wall; `ev_prepare` and `ev_check`,
//! which are called in every iteration; `ev_break`, which no other thread may call, so that it is no
//! stop; `ev_embed`, which takes the other loop and not its descriptor. Where a watcher is stopped and
//! started, what it was told in between is gone, and a timer goes on with what was left of its delay.

mod library;
mod source;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::{Duration, Instant};

use reports::record::Missing;

use library::{Functions, IOFDSET, Io, Kind, NOENV, NOWAIT, ONCE, READ, Rest, Signal, WRITE};
use source::{Sender, Source, add, after, ping, set, timer};

use super::pointers::Handle;
use super::{Foreign, directions, resume};
use crate::adapter::{
    Adapter, CancelIdle, Capabilities, Capability, Failure, Interest, Mode, Next, Ping, Readiness,
    SignalEvent, Stop, TimerNext,
};

const NAME: &str = "libev";

/// libev.
#[derive(Debug)]
pub struct Ev {
    handle: Handle<Ev>,
    /// The timer that ends a wait.
    limit: Source,
    waker: Sender,
}

impl Foreign for Ev {
    fn find() -> Result<(), Missing> {
        Functions::find().map(drop)
    }
}

impl Adapter for Ev {
    const NAME: &'static str = NAME;

    type Handle = Handle<Ev>;
    type Source = Source;

    fn version() -> String {
        let ev = Functions::get();
        // SAFETY: they ask for nothing.
        unsafe { format!("{}.{}", (ev.ev_version_major)(), (ev.ev_version_minor)()) }
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::EmptyInterest,
            Capability::Disable,
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
            Capability::Idle,
            Capability::IdleCancel,
            Capability::IdleAfterEvents,
            Capability::IdlePreventsSleep,
            Capability::Signals,
            Capability::SignalSharing,
            Capability::SignalFanOut,
            Capability::OneWaitADispatch,
        ])
    }

    fn new() -> Result<Self, Failure> {
        // SAFETY: it asks for nothing.
        let raw = unsafe { (Functions::get().ev_loop_new)(NOENV) };
        if raw.is_null() {
            return Err(Failure::Other("ev_loop_new answers no loop".to_string()));
        }
        let handle = Handle::new(raw);
        let limit = timer(&handle, Duration::MAX, |_| TimerNext::After(Duration::MAX))?;
        Self::disable(&handle, &limit)?;
        let waker = ping(&handle, |_| {})?.0;
        Ok(Ev { handle, limit, waker })
    }

    fn handle(&self) -> Handle<Ev> {
        self.handle.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let mode = if timeout == Some(Duration::ZERO) { NOWAIT } else { ONCE };
        if let (Some(timeout), ONCE) = (timeout, mode) {
            set(&self.limit, after(timeout))?;
        }
        // SAFETY: the loop exists, and does not run, as this is not called by its callbacks.
        unsafe { (Functions::get().ev_run)(self.handle.raw(), mode) };
        Self::disable(&self.handle, &self.limit)?;
        resume();
        Ok(())
    }

    fn insert_fd<F>(
        handle: &Handle<Ev>,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<Ev>, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        if mode != Mode::Level {
            return Err(Failure::Unsupported);
        }
        let io = Io {
            next: ptr::null_mut(),
            fd: fd.as_raw_fd(),
            events: directions(interest, READ, WRITE) | IOFDSET,
        };
        let source = handle.source((), move |handle, _, events| {
            let (readable, writable) = (events & READ != 0, events & WRITE != 0);
            // Without post-actions and fallible callbacks, every answer is to go on.
            let _ = callback(handle, fd.as_fd(), Readiness { readable, writable });
        });
        let ev = Functions::get();
        let kind = Kind::new(ev.ev_io_start, ev.ev_io_stop);
        add(handle, &source, kind, Rest { io }, &Sender::default())?;
        Ok(source)
    }

    fn insert_timer<F>(
        handle: &Handle<Ev>,
        delay: Duration,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<Ev>, Option<Instant>) -> TimerNext + 'static,
    {
        timer(handle, delay, move |handle| callback(handle, None))
    }

    fn remove(_: &Handle<Ev>, source: Source) {
        source.close();
    }

    fn reset_timer(_: &Handle<Ev>, source: &Source, delay: Duration) -> Result<(), Failure> {
        set(source, after(delay))
    }

    fn disable(_: &Handle<Ev>, source: &Source) -> Result<(), Failure> {
        // SAFETY: the loop and the watcher exist.
        source.change(|event_loop, raw| unsafe {
            ((*raw).kind.stop)(event_loop, raw);
            Ok(())
        })
    }

    fn enable(_: &Handle<Ev>, source: &Source) -> Result<(), Failure> {
        // SAFETY: the loop and the watcher exist.
        source.change(|event_loop, raw| unsafe {
            ((*raw).kind.start)(event_loop, raw);
            Ok(())
        })
    }

    fn update_fd(
        _: &Handle<Ev>,
        source: &Source,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        if mode != Mode::Level {
            return Err(Failure::Unsupported);
        }
        // SAFETY: the loop and the watcher exist, which is of a descriptor, and stopped while it is
        // changed.
        source.change(|event_loop, raw| unsafe {
            ((*raw).kind.stop)(event_loop, raw);
            (*raw).rest.io.events = directions(interest, READ, WRITE) | IOFDSET;
            ((*raw).kind.start)(event_loop, raw);
            Ok(())
        })
    }

    fn insert_ping<F>(handle: &Handle<Ev>, callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle<Ev>) + 'static,
    {
        ping(handle, callback)
    }

    fn stopper(&self) -> Result<impl Stop, Failure> {
        Ok(self.waker.clone())
    }

    fn insert_idle<F>(handle: &Handle<Ev>, callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&Handle<Ev>) + 'static,
    {
        let mut callback = Some(callback);
        let source = handle.source((), move |handle, source, _| {
            source.close();
            if let Some(callback) = callback.take() {
                callback(handle);
            }
        });
        let ev = Functions::get();
        let kind = Kind::new(ev.ev_idle_start, ev.ev_idle_stop);
        add(handle, &source, kind, Rest { sent: 0 }, &Sender::default())?;
        Ok(source)
    }

    fn insert_signals<F>(
        handle: &Handle<Ev>,
        signals: &[i32],
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<Ev>, SignalEvent) + 'static,
    {
        let source = handle.source((), move |handle, _, signal| {
            callback(handle, SignalEvent { signal, pid: None, uid: None });
        });
        let (ev, next) = (Functions::get(), ptr::null_mut());
        let kind = Kind { is_signal: true, ..Kind::new(ev.ev_signal_start, ev.ev_signal_stop) };
        for number in signals {
            let signal = Signal { next, number: *number };
            add(handle, &source, kind, Rest { signal }, &Sender::default())?;
        }
        Ok(source)
    }
}
