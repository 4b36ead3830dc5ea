//! systemd's sd-event, from <systemd/sd-event.h> of version 252.
//!
//! | adapter | sd-event |
//! | --- | --- |
//! | dispatch | `sd_event_run`, which calls one source; from where the state is if that was prepared |
//! | descriptor | `sd_event_add_io`: `SD_EVENT_ON`, with `EPOLLET`, or `SD_EVENT_ONESHOT` |
//! | timer | `sd_event_add_time` at an instant of `CLOCK_MONOTONIC`, accurate to 1 µs |
//! | idle callback | `sd_event_add_defer` of `SD_EVENT_PRIORITY_IDLE` |
//! | signals | `sd_event_add_signal` for each, with `SD_EVENT_SIGNAL_PROCMASK` |
//! | disable, enable | `sd_event_source_set_enabled` |
//! | removal | `sd_event_source_disable_unref` |
//! | descriptor of the loop | `sd_event_get_fd`, after `sd_event_prepare` as its example has it |
//!
//! Left out: post and exit sources, children and inotify; `sd_event_exit`, after which a loop never
//! runs again, so that it is no stop. An error of a callback silences its source or ends the loop,
//! but is not what the dispatch answers, so that neither `fallible-callbacks` nor `post-actions` are
//! declared. Nothing of a loop may be used from another thread: there are neither pings nor a wake-up.

mod clock;
mod library;
mod source;

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libc::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT};
use reports::record::Missing;

use clock::microseconds;
use library::{ARMED, Functions, INITIAL, OFF, ON, ONESHOT, PRIORITY_IDLE, SIGNAL_PROCMASK};
use source::{
    Event, Source, add, done, enabled, events, on_defer, on_io, on_signal, set_enabled, set_time,
    timer,
};

use super::pointers::Handle;
use super::{Foreign, resume};
use crate::adapter::{
    Adapter, CancelIdle, Capabilities, Capability, Failure, Interest, Mode, Next, Readiness,
    SignalEvent, TimerNext,
};

const NAME: &str = "sd-event";

/// systemd's sd-event.
#[derive(Debug)]
pub struct SdEventLoop(Handle<SdEventLoop>);

impl SdEventLoop {
    fn state(&self) -> c_int {
        // SAFETY: the loop exists.
        unsafe { (Functions::get().sd_event_get_state)(self.0.raw()) }
    }
}

impl Foreign for SdEventLoop {
    fn find() -> Result<(), Missing> {
        Functions::find().map(drop)
    }
}

impl Adapter for SdEventLoop {
    const NAME: &'static str = NAME;

    type Handle = Handle<SdEventLoop>;
    type Source = Source;

    /// The library does not tell, but its newest functions have the version in theirs.
    fn version() -> String {
        // The whole library is read for it, and every benchmark asks.
        static VERSION: OnceLock<String> = OnceLock::new();
        let read = || {
            let function = Functions::get().sd_event_new as *const c_void;
            let newest = super::version::symbol_versions(function, "LIBSYSTEMD_").max();
            newest.map_or_else(|| "unknown".to_string(), |newest| newest.to_string())
        };
        VERSION.get_or_init(read).clone()
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::Edge,
            Capability::OneShot,
            Capability::EmptyInterest,
            Capability::Disable,
            Capability::Update,
            Capability::NestedLoops,
            Capability::Timers,
            Capability::SubMillisecondTimers,
            Capability::ImmediateTimers,
            Capability::Deadlines,
            Capability::DeadlineTold,
            Capability::TimerRepeat,
            Capability::TimerReset,
            Capability::Idle,
            Capability::IdleCancel,
            Capability::IdleAfterEvents,
            Capability::IdlePreventsSleep,
            Capability::Signals,
            Capability::SignalInfo,
            Capability::SignalMask,
            Capability::Embed,
        ])
    }

    fn new() -> Result<Self, Failure> {
        let mut raw = ptr::null_mut();
        // SAFETY: it sets the pointer.
        done(unsafe { (Functions::get().sd_event_new)(&raw mut raw) })?;
        Ok(SdEventLoop(Handle::new(raw)))
    }

    fn handle(&self) -> Handle<SdEventLoop> {
        self.0.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let (sd, raw) = (Functions::get(), self.0.raw());
        let timeout = timeout.map_or(u64::MAX, microseconds);
        // SAFETY: the loop exists, and is not dispatched, as this is not called by its callbacks.
        let answer = unsafe {
            match self.state() {
                INITIAL => (sd.sd_event_run)(raw, timeout),
                ARMED => match (sd.sd_event_wait)(raw, timeout) {
                    1.. => (sd.sd_event_dispatch)(raw),
                    answer => answer,
                },
                _ => (sd.sd_event_dispatch)(raw),
            }
        };
        let outcome = done(answer);
        resume();
        outcome
    }

    fn insert_fd<F>(
        handle: &Handle<SdEventLoop>,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<SdEventLoop>, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        let number = fd.as_raw_fd();
        let source = handle.source(Cell::new(enabled(mode)), move |handle, _, event| {
            let Event::State(state) = event else { return };
            // A hangup or an error is to be found by reading as by writing.
            let is = |it: c_int| state as c_int & (it | EPOLLHUP | EPOLLERR) != 0;
            let readiness = Readiness { readable: is(EPOLLIN), writable: is(EPOLLOUT) };
            // Without post-actions and fallible callbacks, every answer is to go on.
            let _ = callback(handle, fd.as_fd(), readiness);
        });
        // SAFETY: the loop exists, and the function takes this data.
        add(handle, &source, |raw, source, data| unsafe {
            (Functions::get().sd_event_add_io)(
                raw,
                source,
                number,
                events(interest, mode),
                on_io,
                data,
            )
        })?;
        set_enabled(&source, enabled(mode)).inspect_err(|_| source.close())?;
        Ok(source)
    }

    fn insert_timer<F>(
        handle: &Handle<SdEventLoop>,
        delay: Duration,
        callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<SdEventLoop>, Option<Instant>) -> TimerNext + 'static,
    {
        timer(handle, Instant::now().checked_add(delay), callback)
    }

    fn remove(_: &Handle<SdEventLoop>, source: Source) {
        source.close();
    }

    fn insert_deadline<F>(
        handle: &Handle<SdEventLoop>,
        deadline: Instant,
        callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<SdEventLoop>, Option<Instant>) -> TimerNext + 'static,
    {
        timer(handle, Some(deadline), callback)
    }

    fn reset_timer(
        _: &Handle<SdEventLoop>,
        source: &Source,
        delay: Duration,
    ) -> Result<(), Failure> {
        set_time(source, Instant::now().checked_add(delay))
    }

    fn disable(_: &Handle<SdEventLoop>, source: &Source) -> Result<(), Failure> {
        set_enabled(source, OFF)
    }

    fn enable(_: &Handle<SdEventLoop>, source: &Source) -> Result<(), Failure> {
        set_enabled(source, source.state().get())
    }

    fn update_fd(
        _: &Handle<SdEventLoop>,
        source: &Source,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        source.state().set(enabled(mode));
        let events = events(interest, mode);
        // SAFETY: it is a descriptor's source that is not removed.
        source.change(|_, raw| unsafe {
            done((Functions::get().sd_event_source_set_io_events)(raw, events))
        })?;
        set_enabled(source, enabled(mode))
    }

    fn insert_idle<F>(handle: &Handle<SdEventLoop>, callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&Handle<SdEventLoop>) + 'static,
    {
        let mut callback = Some(callback);
        let source = handle.source(Cell::new(ONESHOT), move |handle, source, _| {
            if let Some(callback) = callback.take() {
                callback(handle);
            }
            source.close();
        });
        // SAFETY: the loop exists, and the function takes this data.
        add(handle, &source, |raw, source, data| unsafe {
            (Functions::get().sd_event_add_defer)(raw, source, on_defer, data)
        })?;
        // SAFETY: it is a source that is not removed.
        source.change(|_, raw| unsafe {
            done((Functions::get().sd_event_source_set_priority)(raw, PRIORITY_IDLE))
        })?;
        Ok(source)
    }

    fn insert_signals<F>(
        handle: &Handle<SdEventLoop>,
        signals: &[i32],
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<SdEventLoop>, SignalEvent) + 'static,
    {
        let source = handle.source(Cell::new(ON), move |handle, _, event| {
            if let Event::Signal(event) = event {
                callback(handle, event);
            }
        });
        let watch = |signal: &i32| {
            // SAFETY: the loop exists, and the function takes this data.
            add(handle, &source, |raw, source, data| unsafe {
                (Functions::get().sd_event_add_signal)(
                    raw,
                    source,
                    *signal | SIGNAL_PROCMASK,
                    on_signal,
                    data,
                )
            })
        };
        signals.iter().try_for_each(watch).inspect_err(|_| source.close())?;
        Ok(source)
    }

    fn as_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        let (sd, raw) = (Functions::get(), self.0.raw());
        // SAFETY: the loop exists, and is not dispatched. If it is armed it was prepared, but not for
        // the timers that were set since.
        unsafe {
            if self.state() == ARMED {
                done((sd.sd_event_wait)(raw, 0))?;
            }
            if self.state() == INITIAL {
                done((sd.sd_event_prepare)(raw))?;
            }
            Ok(BorrowedFd::borrow_raw((sd.sd_event_get_fd)(raw)))
        }
    }
}
