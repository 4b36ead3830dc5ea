//! The sources of systemd's loop, and what the library calls for them.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::ptr;
use std::time::Instant;

use libc::{EPOLLET, EPOLLIN, EPOLLOUT, signalfd_siginfo};

use super::SdEventLoop;
use super::clock::{from_clock, to_clock};
use super::library::{ACCURACY, Functions, ON, ONESHOT, SdEvent, SdSource};
use crate::adapter::{Failure, Interest, Mode, SignalEvent, TimerNext};
use crate::adapters::foreign::directions;
use crate::adapters::foreign::pointers::{self, Handle, Pointers};

pub(super) type Source = pointers::Source<SdEventLoop>;

/// What the loop tells.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Nothing else is to be done.
    Idle,
    /// The state of a descriptor.
    State(u32),
    /// The time that a timer was set to.
    Time(u64),
    /// A signal.
    Signal(SignalEvent),
}

impl Pointers for SdEventLoop {
    type Loop = SdEvent;
    type Raw = SdSource;
    type Event = Event;
    /// What a source is when it is enabled: on, or for one report.
    type State = Cell<c_int>;

    unsafe fn remove(_: *mut SdEvent, raw: *mut SdSource) {
        // SAFETY: passed on to the caller.
        unsafe { (Functions::get().sd_event_source_disable_unref)(raw) };
    }

    unsafe fn destroy(event_loop: *mut SdEvent) {
        // SAFETY: passed on to the caller.
        unsafe { (Functions::get().sd_event_unref)(event_loop) };
    }
}

/// An answer of the library: an error is the negated number of the system's.
pub(super) fn done(answer: c_int) -> Result<(), Failure> {
    if answer < 0 { Err(io::Error::from_raw_os_error(-answer).into()) } else { Ok(()) }
}

pub(super) fn events(interest: Interest, mode: Mode) -> u32 {
    let directions = directions(interest, EPOLLIN, EPOLLOUT);
    (if mode == Mode::Edge { directions | EPOLLET } else { directions }) as u32
}

pub(super) fn enabled(mode: Mode) -> c_int {
    if mode == Mode::OneShot { ONESHOT } else { ON }
}

pub(super) fn set_enabled(source: &Source, enabled: c_int) -> Result<(), Failure> {
    // SAFETY: it is a source that is not removed.
    source.change(|_, raw| unsafe {
        done((Functions::get().sd_event_source_set_enabled)(raw, enabled))
    })
}

/// Sets a timer anew.
pub(super) fn set_time(timer: &Source, deadline: Option<Instant>) -> Result<(), Failure> {
    let (sd, time) = (Functions::get(), to_clock(deadline));
    // SAFETY: it is a timer that is not removed.
    timer.change(|_, raw| unsafe { done((sd.sd_event_source_set_time)(raw, time)) })?;
    set_enabled(timer, ONESHOT)
}

/// Adds one of the library's sources to its loop.
pub(super) fn add(
    handle: &Handle<SdEventLoop>,
    source: &Source,
    add: impl FnOnce(*mut SdEvent, *mut *mut SdSource, *mut c_void) -> c_int,
) -> Result<(), Failure> {
    handle.add(source, |event_loop, data| {
        let mut raw = ptr::null_mut();
        done(add(event_loop, &raw mut raw, data))?;
        Ok(raw)
    })
}

pub(super) fn timer(
    handle: &Handle<SdEventLoop>,
    deadline: Option<Instant>,
    mut callback: impl FnMut(&Handle<SdEventLoop>, Option<Instant>) -> TimerNext + 'static,
) -> Result<Source, Failure> {
    let timer = handle.source(Cell::new(ONESHOT), move |handle, source, event| {
        let Event::Time(time) = event else { return };
        // Setting it anew does not fail for a time of any size.
        let _ = match callback(handle, from_clock(time)) {
            TimerNext::Stop => return source.close(),
            TimerNext::After(delay) => set_time(source, Instant::now().checked_add(delay)),
            TimerNext::At(deadline) => set_time(source, Some(deadline)),
        };
    });
    let (clock, time) = (libc::CLOCK_MONOTONIC, to_clock(deadline));
    // SAFETY: the loop exists, and the function takes this data.
    add(handle, &timer, |raw, source, data| unsafe {
        (Functions::get().sd_event_add_time)(raw, source, clock, time, ACCURACY, on_time, data)
    })?;
    Ok(timer)
}

pub(super) unsafe extern "C" fn on_defer(_: *mut SdSource, data: *mut c_void) -> c_int {
    // SAFETY: the loop calls no source that is removed.
    unsafe { Source::of(data) }.call(Event::Idle);
    0
}

pub(super) unsafe extern "C" fn on_io(
    _: *mut SdSource,
    _: c_int,
    state: u32,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the loop calls no source that is removed.
    unsafe { Source::of(data) }.call(Event::State(state));
    0
}

unsafe extern "C" fn on_time(_: *mut SdSource, time: u64, data: *mut c_void) -> c_int {
    // SAFETY: the loop calls no source that is removed.
    unsafe { Source::of(data) }.call(Event::Time(time));
    0
}

pub(super) unsafe extern "C" fn on_signal(
    _: *mut SdSource,
    info: *const signalfd_siginfo,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the loop has read it, and calls no source that is removed.
    unsafe {
        let (signal, pid, uid) = ((*info).ssi_signo, (*info).ssi_pid, (*info).ssi_uid);
        let signal = signal as i32;
        let event = SignalEvent { signal, pid: Some(pid), uid: Some(uid) };
        Source::of(data).call(Event::Signal(event));
    }
    0
}
