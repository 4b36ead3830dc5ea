//! The event loop of libwayland-server, from <wayland-server-core.h> of version 1.21.0.
//!
//! | adapter | libwayland-server |
//! | --- | --- |
//! | dispatch | `wl_event_loop_dispatch`, in milliseconds, rounded up |
//! | descriptor | `wl_event_loop_add_fd`, level-triggered; the loop watches a duplicate |
//! | timer | `wl_event_loop_add_timer`, in milliseconds, rounded up to one at least: zero disarms it |
//! | idle callback | `wl_event_loop_add_idle` |
//! | signals | `wl_event_loop_add_signal` for each |
//! | removal | `wl_event_source_remove` |
//! | descriptor of the loop | `wl_event_loop_get_fd` |
//!
//! Left out: `wl_event_source_check`, which asks a source again and is not about readiness; the run
//! and its end, which belong to `wl_display`. Nothing of the loop may be used from another thread, so
//! that there are neither pings nor a wake-up. An update can ask for nothing, but does not silence a
//! hangup, and there is none for signals, so that `disable` is not declared.

mod library;
mod source;

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use reports::record::Missing;

use library::{ERROR, Functions, HANGUP, READABLE, WRITABLE};
use source::{Source, arm, done, made, milliseconds, on_fd, on_idle, on_signal, on_timer};

use super::pointers::Handle;
use super::{Foreign, directions, resume};
use crate::adapter::{
    Adapter, CancelIdle, Capabilities, Capability, Failure, Interest, Mode, Next, Readiness,
    SignalEvent, TimerNext,
};

const NAME: &str = "libwayland";

/// libwayland-server's event loop.
#[derive(Debug)]
pub struct Wayland(Handle<Wayland>);

impl Foreign for Wayland {
    fn find() -> Result<(), Missing> {
        Functions::find().map(drop)
    }
}

impl Adapter for Wayland {
    const NAME: &'static str = NAME;

    type Handle = Handle<Wayland>;
    type Source = Source;

    /// The library does not tell. Its file is numbered 0.21.0 in version 1.21.0.
    fn version() -> String {
        let number =
            super::version::file_number(Functions::get().wl_event_loop_create as *const c_void);
        number.strip_prefix("0.").map_or(number.clone(), |rest| format!("1.{rest}"))
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::EmptyInterest,
            Capability::Update,
            Capability::NestedLoops,
            Capability::Timers,
            Capability::DeadlineOrder,
            Capability::TimerRepeat,
            Capability::TimerReset,
            Capability::TimersAndFdsTogether,
            Capability::Idle,
            Capability::IdleCancel,
            Capability::IdleOrder,
            Capability::IdleEveryDispatch,
            Capability::Signals,
            Capability::SignalSharing,
            Capability::SignalFanOut,
            Capability::SignalMask,
            Capability::Embed,
            Capability::OneWaitADispatch,
            Capability::ReadyOrder,
        ])
    }

    fn new() -> Result<Self, Failure> {
        // SAFETY: it asks for nothing.
        Ok(Wayland(Handle::new(made(unsafe { (Functions::get().wl_event_loop_create)() })?)))
    }

    fn handle(&self) -> Handle<Wayland> {
        self.0.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let (wl, timeout) = (Functions::get(), timeout.map_or(-1, milliseconds));
        // SAFETY: the loop exists, and is not dispatched, as this is not called by its callbacks.
        let outcome = done(unsafe { (wl.wl_event_loop_dispatch)(self.0.raw(), timeout) });
        resume();
        outcome
    }

    fn insert_fd<F>(
        handle: &Handle<Wayland>,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<Wayland>, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        if mode != Mode::Level {
            return Err(Failure::Unsupported);
        }
        let (number, mask) = (fd.as_raw_fd(), directions(interest, READABLE, WRITABLE));
        let source = handle.source((), move |handle, _, state| {
            // A hangup or an error is to be found by reading as by writing.
            let is = |state_of: u32| state & (state_of | HANGUP | ERROR) != 0;
            let readiness = Readiness { readable: is(READABLE), writable: is(WRITABLE) };
            // Without post-actions and fallible callbacks, every answer is to go on.
            let _ = callback(handle, fd.as_fd(), readiness);
        });
        // SAFETY: the loop exists, and the function takes this data.
        handle.add(&source, |raw, data| unsafe {
            made((Functions::get().wl_event_loop_add_fd)(raw, number, mask, on_fd, data))
        })?;
        Ok(source)
    }

    fn insert_timer<F>(
        handle: &Handle<Wayland>,
        delay: Duration,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<Wayland>, Option<Instant>) -> TimerNext + 'static,
    {
        let timer = handle.source((), move |handle, source, _| match callback(handle, None) {
            TimerNext::After(delay) => {
                // It is armed at the loop's own clock, which does not fail.
                let _ = arm(source, delay);
            }
            TimerNext::Stop | TimerNext::At(_) => source.close(),
        });
        // SAFETY: the loop exists, and the function takes this data.
        handle.add(&timer, |raw, data| unsafe {
            made((Functions::get().wl_event_loop_add_timer)(raw, on_timer, data))
        })?;
        arm(&timer, delay)?;
        Ok(timer)
    }

    fn remove(_: &Handle<Wayland>, source: Source) {
        source.close();
    }

    fn reset_timer(_: &Handle<Wayland>, source: &Source, delay: Duration) -> Result<(), Failure> {
        arm(source, delay)
    }

    fn update_fd(
        _: &Handle<Wayland>,
        source: &Source,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        if mode != Mode::Level {
            return Err(Failure::Unsupported);
        }
        let mask = directions(interest, READABLE, WRITABLE);
        // SAFETY: it is a descriptor's source that is not removed.
        source.change(|_, raw| unsafe {
            done((Functions::get().wl_event_source_fd_update)(raw, mask))
        })
    }

    fn insert_idle<F>(handle: &Handle<Wayland>, callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&Handle<Wayland>) + 'static,
    {
        let mut callback = Some(callback);
        let source = handle.source((), move |handle, _, _| {
            if let Some(callback) = callback.take() {
                callback(handle);
            }
        });
        // SAFETY: the loop exists, and the function takes this data.
        handle.add(&source, |raw, data| unsafe {
            made((Functions::get().wl_event_loop_add_idle)(raw, on_idle, data))
        })?;
        Ok(source)
    }

    fn insert_signals<F>(
        handle: &Handle<Wayland>,
        signals: &[i32],
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle<Wayland>, SignalEvent) + 'static,
    {
        let source = handle.source((), move |handle, _, signal| {
            callback(handle, SignalEvent { signal: signal as i32, pid: None, uid: None });
        });
        let watch = |signal: &i32| {
            // SAFETY: the loop exists, and the function takes this data.
            handle.add(&source, |raw, data| unsafe {
                made((Functions::get().wl_event_loop_add_signal)(raw, *signal, on_signal, data))
            })
        };
        signals.iter().try_for_each(watch).inspect_err(|_| source.close())?;
        Ok(source)
    }

    fn as_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        // SAFETY: the descriptor is the loop's, and open as long as that exists.
        Ok(unsafe { BorrowedFd::borrow_raw((Functions::get().wl_event_loop_get_fd)(self.0.raw())) })
    }
}
