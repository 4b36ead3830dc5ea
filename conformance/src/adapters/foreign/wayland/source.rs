//! The sources of Wayland's loop, and what the library calls for them.

use std::ffi::{c_int, c_void};
use std::io;
use std::time::Duration;

use super::Wayland;
use super::library::{Functions, WlLoop, WlSource};
use crate::adapter::Failure;
use crate::adapters::foreign::pointers::{self, Pointers};

pub(super) type Source = pointers::Source<Wayland>;

impl Pointers for Wayland {
    type Loop = WlLoop;
    type Raw = WlSource;
    /// The state of a descriptor, or a signal.
    type Event = u32;
    type State = ();

    unsafe fn remove(_: *mut WlLoop, raw: *mut WlSource) {
        // SAFETY: passed on to the caller.
        unsafe { (Functions::get().wl_event_source_remove)(raw) };
    }

    unsafe fn destroy(event_loop: *mut WlLoop) {
        // SAFETY: passed on to the caller.
        unsafe { (Functions::get().wl_event_loop_destroy)(event_loop) };
    }
}

/// In milliseconds, rounded up, because neither a timer nor a dispatch must end early.
pub(super) fn milliseconds(time: Duration) -> c_int {
    time.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(c_int::MAX)
}

/// What a function answers that makes something.
pub(super) fn made<T>(raw: *mut T) -> Result<*mut T, Failure> {
    if raw.is_null() { Err(io::Error::last_os_error().into()) } else { Ok(raw) }
}

/// What a function answers that changes something.
pub(super) fn done(answer: c_int) -> Result<(), Failure> {
    if answer < 0 { Err(io::Error::last_os_error().into()) } else { Ok(()) }
}

/// Arms a timer. Zero would disarm it.
pub(super) fn arm(timer: &Source, delay: Duration) -> Result<(), Failure> {
    let delay = milliseconds(delay).max(1);
    // SAFETY: it is a timer that is not removed.
    timer.change(|_, raw| unsafe {
        done((Functions::get().wl_event_source_timer_update)(raw, delay))
    })
}

pub(super) unsafe extern "C" fn on_fd(_: c_int, state: u32, data: *mut c_void) -> c_int {
    // SAFETY: the loop calls no source that is removed.
    unsafe { Source::of(data) }.call(state);
    0
}

pub(super) unsafe extern "C" fn on_timer(data: *mut c_void) -> c_int {
    // SAFETY: the loop calls no source that is removed.
    unsafe { Source::of(data) }.call(0);
    0
}

pub(super) unsafe extern "C" fn on_signal(signal: c_int, data: *mut c_void) -> c_int {
    // SAFETY: the loop calls no source that is removed.
    unsafe { Source::of(data) }.call(signal.unsigned_abs());
    0
}

pub(super) unsafe extern "C" fn on_idle(data: *mut c_void) {
    // SAFETY: the loop calls no source that is removed.
    let source = unsafe { Source::of(data) };
    // The loop removes it after the call, and permits nobody else to do so from now on.
    source.forget();
    source.call(0);
    source.close();
}
