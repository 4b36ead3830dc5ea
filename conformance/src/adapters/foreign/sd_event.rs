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

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libc::{EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, signalfd_siginfo};
use reports::record::Missing;

use super::pointers::{Handle, Pointers};
use super::{Foreign, library, resume};
use crate::adapter::{
    Adapter, CancelIdle, Capabilities, Capability, Failure, Interest, Mode, Next, Readiness,
    SignalEvent, TimerNext,
};

const NAME: &str = "sd-event";

library! {
    NAME, in "libsystemd0", as ["libsystemd.so.0"];
    fn sd_event_new(*mut *mut SdEvent) -> c_int;
    fn sd_event_unref(*mut SdEvent) -> *mut SdEvent;
    fn sd_event_run(*mut SdEvent, u64) -> c_int;
    fn sd_event_prepare(*mut SdEvent) -> c_int;
    fn sd_event_wait(*mut SdEvent, u64) -> c_int;
    fn sd_event_dispatch(*mut SdEvent) -> c_int;
    fn sd_event_get_state(*mut SdEvent) -> c_int;
    fn sd_event_get_fd(*mut SdEvent) -> c_int;
    fn sd_event_add_io(
        *mut SdEvent, *mut *mut SdSource, c_int, u32, IoHandler, *mut c_void,
    ) -> c_int;
    fn sd_event_add_time(
        *mut SdEvent, *mut *mut SdSource, libc::clockid_t, u64, u64, TimeHandler, *mut c_void,
    ) -> c_int;
    fn sd_event_add_signal(
        *mut SdEvent, *mut *mut SdSource, c_int, SignalHandler, *mut c_void,
    ) -> c_int;
    fn sd_event_add_defer(*mut SdEvent, *mut *mut SdSource, Handler, *mut c_void) -> c_int;
    fn sd_event_source_set_priority(*mut SdSource, i64) -> c_int;
    fn sd_event_source_set_enabled(*mut SdSource, c_int) -> c_int;
    fn sd_event_source_set_io_events(*mut SdSource, u32) -> c_int;
    fn sd_event_source_set_time(*mut SdSource, u64) -> c_int;
    fn sd_event_source_disable_unref(*mut SdSource) -> *mut SdSource;
}

/// `sd_event`.
#[repr(C)]
#[derive(Debug)]
pub struct SdEvent([u8; 0]);

/// `sd_event_source`.
#[repr(C)]
#[derive(Debug)]
pub struct SdSource([u8; 0]);

/// `sd_event_handler_t` and the others.
type Handler = unsafe extern "C" fn(*mut SdSource, *mut c_void) -> c_int;
type IoHandler = unsafe extern "C" fn(*mut SdSource, c_int, u32, *mut c_void) -> c_int;
type TimeHandler = unsafe extern "C" fn(*mut SdSource, u64, *mut c_void) -> c_int;
type SignalHandler =
    unsafe extern "C" fn(*mut SdSource, *const signalfd_siginfo, *mut c_void) -> c_int;

/// `SD_EVENT_OFF` and the others.
const OFF: c_int = 0;
const ON: c_int = 1;
const ONESHOT: c_int = -1;

/// `SD_EVENT_INITIAL` and the others, as far as a dispatch finds a loop in them.
const INITIAL: c_int = 0;
const ARMED: c_int = 1;

/// `SD_EVENT_PRIORITY_IDLE`.
const PRIORITY_IDLE: i64 = 100;
/// `SD_EVENT_SIGNAL_PROCMASK`.
const SIGNAL_PROCMASK: c_int = 1 << 30;
/// The best accuracy of a timer, in microseconds; zero stands for 250 ms.
const ACCURACY: u64 = 1;

/// systemd's sd-event.
#[derive(Debug)]
pub struct SdEventLoop(Handle<SdEventLoop>);

type Source = super::pointers::Source<SdEventLoop>;

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
fn done(answer: c_int) -> Result<(), Failure> {
    if answer < 0 { Err(io::Error::from_raw_os_error(-answer).into()) } else { Ok(()) }
}

fn events(interest: Interest, mode: Mode) -> u32 {
    let directions = match interest {
        Interest::None => 0,
        Interest::Read => EPOLLIN,
        Interest::Write => EPOLLOUT,
        Interest::Both => EPOLLIN | EPOLLOUT,
    };
    (if mode == Mode::Edge { directions | EPOLLET } else { directions }) as u32
}

fn enabled(mode: Mode) -> c_int {
    if mode == Mode::OneShot { ONESHOT } else { ON }
}

/// In microseconds, rounded up, because neither a timer nor a dispatch must end early.
fn microseconds(time: Duration) -> u64 {
    time.as_nanos().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}

/// One moment, as an instant and on `CLOCK_MONOTONIC`, to turn each into the other. The clock is read
/// after the instant, so that no timer is early, and soon after it, so that none is late.
fn moment() -> (Instant, Duration) {
    static MOMENT: OnceLock<(Instant, Duration)> = OnceLock::new();
    let read = |_| {
        let instant = Instant::now();
        let mut clock = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: it writes to what it is given. Where there is an `Instant`, there is this clock.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut clock) };
        let clock = Duration::new(clock.tv_sec.unsigned_abs(), clock.tv_nsec as u32);
        (instant.elapsed(), (instant, clock))
    };
    *MOMENT.get_or_init(|| (0..20).map(read).min().map_or_else(|| read(0).1, |(_, moment)| moment))
}

/// An instant on the loop's clock. One that is not representable never comes.
fn to_clock(deadline: Option<Instant>) -> u64 {
    let (instant, clock) = moment();
    let Some(deadline) = deadline else { return u64::MAX };
    let time = match deadline.checked_duration_since(instant) {
        Some(after) => clock.checked_add(after),
        None => Some(clock.saturating_sub(instant - deadline)),
    };
    time.map_or(u64::MAX, microseconds)
}

fn from_clock(time: u64) -> Option<Instant> {
    let ((instant, clock), time) = (moment(), Duration::from_micros(time));
    match time.checked_sub(clock) {
        Some(after) => instant.checked_add(after),
        None => instant.checked_sub(clock - time),
    }
}

fn set_enabled(source: &Source, enabled: c_int) -> Result<(), Failure> {
    // SAFETY: it is a source that is not removed.
    source.change(|_, raw| unsafe {
        done((Functions::get().sd_event_source_set_enabled)(raw, enabled))
    })
}

/// Sets a timer anew.
fn set_time(timer: &Source, deadline: Option<Instant>) -> Result<(), Failure> {
    let (sd, time) = (Functions::get(), to_clock(deadline));
    // SAFETY: it is a timer that is not removed.
    timer.change(|_, raw| unsafe { done((sd.sd_event_source_set_time)(raw, time)) })?;
    set_enabled(timer, ONESHOT)
}

/// Adds one of the library's sources to its loop.
fn add(
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

fn timer(
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

unsafe extern "C" fn on_defer(_: *mut SdSource, data: *mut c_void) -> c_int {
    // SAFETY: the loop calls no source that is removed.
    unsafe { Source::of(data) }.call(Event::Idle);
    0
}

unsafe extern "C" fn on_io(_: *mut SdSource, _: c_int, state: u32, data: *mut c_void) -> c_int {
    // SAFETY: the loop calls no source that is removed.
    unsafe { Source::of(data) }.call(Event::State(state));
    0
}

unsafe extern "C" fn on_time(_: *mut SdSource, time: u64, data: *mut c_void) -> c_int {
    // SAFETY: the loop calls no source that is removed.
    unsafe { Source::of(data) }.call(Event::Time(time));
    0
}

unsafe extern "C" fn on_signal(
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
