//! GLib's main loop, from <glib/gmain.h> and <glib-unix.h> of version 2.74.6.
//!
//! | adapter | GLib |
//! | --- | --- |
//! | dispatch | `g_main_context_iteration`, and a source, made for it, whose ready time limits the wait |
//! | descriptor | a source with `g_source_add_unix_fd`, level-triggered; without, if it is asked for nothing |
//! | timer | a source with `g_source_set_ready_time`, in microseconds of the monotonic clock |
//! | ping | a source whose ready time is set to the past, by any thread |
//! | wake-up | `g_main_context_wakeup` |
//! | idle callback | `g_idle_source_new`, of the priority that it gives |
//! | signals | a `g_unix_signal_source_new` for each |
//! | removal | `g_source_destroy` |
//!
//! `g_timeout_source_new` would do for timers, but counts milliseconds, and repeats from when it was
//! due, not from the return of its callback.
//!
//! Left out: `g_main_loop_run`, which has no call after each iteration; priorities, all of which but
//! that of idle callbacks are the default one; the poll function and the descriptors for it, by
//! which a context is embedded: they are many and change. A source that is ready at no time and has
//! no descriptor is silent, but what it had is to be kept by the program, so that `disable` is not
//! declared.

mod library;
mod source;

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reports::record::Missing;

use library::{Functions, NEVER};
use source::{Handle, Inner, Pinger, Source, Waker, after};

use super::{Callback, Foreign, Shared, Variable, resume};
use crate::adapter::{
    Adapter, CancelIdle, Capabilities, Capability, Failure, Interest, Mode, Next, Ping, Readiness,
    SignalEvent, Stop, TimerNext,
};

const NAME: &str = "glib";

/// GLib's main loop, in a context of its own.
#[derive(Debug)]
pub struct GLib(Handle);

impl Foreign for GLib {
    fn find() -> Result<(), Missing> {
        Functions::find().map(drop)
    }
}

impl Adapter for GLib {
    const NAME: &'static str = NAME;

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        let glib = Functions::get();
        let Variable(major) = glib.glib_major_version;
        let Variable(minor) = glib.glib_minor_version;
        let Variable(micro) = glib.glib_micro_version;
        format!("{major}.{minor}.{micro}")
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::EmptyInterest,
            Capability::Update,
            Capability::NestedLoops,
            Capability::Timers,
            Capability::ImmediateTimers,
            Capability::Deadlines,
            Capability::EqualDeadlinesFifo,
            Capability::TimerRepeat,
            Capability::TimerReset,
            Capability::TimersAndFdsTogether,
            Capability::Ping,
            Capability::Wakeup,
            Capability::Idle,
            Capability::IdleCancel,
            Capability::IdlePreventsSleep,
            Capability::Signals,
            Capability::IdleOrder,
            Capability::IdleAfterEvents,
            Capability::SignalSharing,
            Capability::SignalFanOut,
            Capability::OneWaitADispatch,
        ])
    }

    fn new() -> Result<Self, Failure> {
        let glib = Functions::get();
        // SAFETY: it asks for nothing, and aborts without memory.
        let context = unsafe { (glib.g_main_context_new)() };
        let waker = Waker(Shared::new());
        waker.0.set(context);
        // SAFETY: it asks for nothing.
        let start = (Instant::now(), unsafe { (glib.g_get_monotonic_time)() });
        Ok(GLib(Handle(Rc::new(Inner { glib, context, waker, start }))))
    }

    fn handle(&self) -> Handle {
        self.0.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let waits = timeout != Some(Duration::ZERO);
        let limit = timeout.filter(|_| waits).map(|timeout| {
            let end = self.0.ready_time(after(timeout));
            self.0.source(end, |_, limit| limit.set_ready_time(NEVER))
        });
        let Inner { glib, context, .. } = &*self.0.0;
        // SAFETY: the context exists, and is of this thread.
        unsafe { (glib.g_main_context_iteration)(*context, c_int::from(waits)) };
        if let Some(limit) = limit {
            limit.destroy();
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
        let watched = handle.source(NEVER, move |handle, watched| {
            // Without post-actions and fallible callbacks, every answer is to go on.
            let _ = callback(handle, fd.as_fd(), watched.readiness());
        });
        watched.fd.set(number);
        watched.watch(interest);
        Ok(Source(vec![watched]))
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        Ok(Source(vec![handle.timer(after(delay), callback)]))
    }

    fn remove(_: &Handle, source: Source) {
        source.destroy();
    }

    fn insert_deadline<F>(
        handle: &Handle,
        deadline: Instant,
        callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        Ok(Source(vec![handle.timer(Some(deadline), callback)]))
    }

    fn reset_timer(handle: &Handle, source: &Source, delay: Duration) -> Result<(), Failure> {
        if let Some(watched) = source.one() {
            watched.set_ready_at(handle, after(delay));
        }
        Ok(())
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
        if let Some(watched) = source.one() {
            watched.watch(interest);
        }
        Ok(())
    }

    fn insert_ping<F>(handle: &Handle, mut callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let watched = handle.source(NEVER, move |handle, watched| {
            watched.set_ready_time(NEVER);
            callback(handle);
        });
        watched.shared.set(watched.raw);
        Ok((Pinger(watched.shared.clone()), Source(vec![watched])))
    }

    fn stopper(&self) -> Result<impl Stop, Failure> {
        Ok(self.0.0.waker.clone())
    }

    fn insert_idle<F>(handle: &Handle, callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&Handle) + 'static,
    {
        let mut callback = Some(callback);
        // SAFETY: it asks for nothing.
        let raw = unsafe { (handle.0.glib.g_idle_source_new)() };
        let watched = handle.attach(raw, move |handle, watched| {
            watched.destroy();
            if let Some(callback) = callback.take() {
                callback(handle);
            }
        });
        Ok(Source(vec![watched]))
    }

    fn insert_signals<F>(handle: &Handle, signals: &[i32], callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, SignalEvent) + 'static,
    {
        let callback = Rc::new(Callback::new(callback));
        let mut source = Source(Vec::new());
        for signal in signals.iter().copied() {
            // SAFETY: it answers null for a signal that it does not report.
            let raw = unsafe { (handle.0.glib.g_unix_signal_source_new)(signal) };
            if raw.is_null() {
                source.destroy();
                return Err(io::Error::from_raw_os_error(libc::EINVAL).into());
            }
            let callback = callback.clone();
            source.0.push(handle.attach(raw, move |handle, _| {
                let event = SignalEvent { signal, pid: None, uid: None };
                callback.call(|callback| callback(handle, event));
            }));
        }
        Ok(source)
    }
}
