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

use std::ffi::{c_int, c_uint, c_void};
use std::mem::{offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reports::record::Missing;

use super::pointers::{Handle, Pointers};
use super::{Foreign, library, resume};
use crate::adapter::{
    Adapter, CancelIdle, Capabilities, Capability, Failure, Interest, Mode, Next, Ping, Readiness,
    SignalEvent, Stop, TimerNext,
};

const NAME: &str = "libev";

library! {
    NAME, in "libev4", as ["libev.so.4"];
    fn ev_version_major() -> c_int;
    fn ev_version_minor() -> c_int;
    fn ev_loop_new(c_uint) -> *mut EvLoop;
    fn ev_loop_destroy(*mut EvLoop);
    fn ev_run(*mut EvLoop, c_int) -> c_int;
    fn ev_now_update(*mut EvLoop);
    fn ev_io_start(*mut EvLoop, *mut Watcher);
    fn ev_io_stop(*mut EvLoop, *mut Watcher);
    fn ev_timer_start(*mut EvLoop, *mut Watcher);
    fn ev_timer_stop(*mut EvLoop, *mut Watcher);
    fn ev_signal_start(*mut EvLoop, *mut Watcher);
    fn ev_signal_stop(*mut EvLoop, *mut Watcher);
    fn ev_idle_start(*mut EvLoop, *mut Watcher);
    fn ev_idle_stop(*mut EvLoop, *mut Watcher);
    fn ev_async_start(*mut EvLoop, *mut Watcher);
    fn ev_async_stop(*mut EvLoop, *mut Watcher);
    fn ev_async_send(*mut EvLoop, *mut Watcher);
}

/// `struct ev_loop`.
#[repr(C)]
#[derive(Debug)]
pub struct EvLoop([u8; 0]);

/// `ev_watcher`, what each kind has behind it, and what is kept for each here, behind all that libev
/// knows of.
#[repr(C)]
#[derive(Debug)]
pub struct Watcher {
    active: c_int,
    pending: c_int,
    priority: c_int,
    data: *mut c_void,
    callback: unsafe extern "C" fn(*mut EvLoop, *mut Watcher, c_int),
    rest: Rest,
    kind: Kind,
    sender: Sender,
}

/// What the kinds have behind `ev_watcher`.
#[repr(C)]
#[derive(Clone, Copy)]
union Rest {
    /// `ev_io`.
    io: Io,
    /// `ev_timer`.
    timer: Timer,
    /// `ev_signal`.
    signal: Signal,
    /// `ev_async`, and nothing for `ev_idle`.
    sent: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Io {
    next: *mut c_void,
    fd: c_int,
    events: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Timer {
    at: f64,
    repeat: f64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Signal {
    next: *mut c_void,
    number: c_int,
}

// What a program in C says of <ev.h>, with `offsetof` and `sizeof`, where pointers have 64 bits.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(offset_of!(Watcher, priority) == 8 && offset_of!(Watcher, data) == 16);
    assert!(offset_of!(Watcher, callback) == 24 && offset_of!(Watcher, rest) == 32);
    assert!(offset_of!(Io, fd) == 8 && offset_of!(Io, events) == 12);
    assert!(offset_of!(Timer, repeat) == 8 && offset_of!(Signal, number) == 8);
    assert!(size_of::<Rest>() == 16);
};

/// `EV_READ`, `EV_WRITE` and `EV__IOFDSET`.
const READ: c_int = 1;
const WRITE: c_int = 2;
const IOFDSET: c_int = 0x80;

/// `EVRUN_NOWAIT` and `EVRUN_ONCE`.
const NOWAIT: c_int = 1;
const ONCE: c_int = 2;

/// `EVFLAG_NOENV`: the environment chooses nothing.
const NOENV: c_uint = 0x0100_0000;

type Change = unsafe extern "C" fn(*mut EvLoop, *mut Watcher);

/// How a watcher is started and stopped.
#[derive(Clone, Copy, Debug)]
struct Kind {
    start: Change,
    stop: Change,
    is_signal: bool,
}

impl Kind {
    fn new(start: Change, stop: Change) -> Self {
        Kind { start, stop, is_signal: false }
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rest")
    }
}

/// libev.
#[derive(Debug)]
pub struct Ev {
    handle: Handle<Ev>,
    /// The timer that ends a wait.
    limit: Source,
    waker: Sender,
}

type Source = super::pointers::Source<Ev>;

impl Pointers for Ev {
    type Loop = EvLoop;
    type Raw = Watcher;
    /// What is ready of a descriptor, or a signal.
    type Event = c_int;
    type State = ();

    unsafe fn remove(event_loop: *mut EvLoop, raw: *mut Watcher) {
        // SAFETY: passed on to the caller. A watcher that is stopped is not pending either, and
        // nobody else has it: its memory is ours again.
        unsafe {
            (*raw).sender.set(ptr::null_mut(), ptr::null_mut());
            ((*raw).kind.stop)(event_loop, raw);
            drop(Box::from_raw(raw));
        }
    }

    unsafe fn destroy(event_loop: *mut EvLoop) {
        // SAFETY: passed on to the caller.
        unsafe { (Functions::get().ev_loop_destroy)(event_loop) };
    }
}

/// Sends to an `ev_async`, unless that is stopped for good.
#[derive(Clone, Debug, Default)]
struct Sender(Arc<Mutex<(AtomicPtr<EvLoop>, AtomicPtr<Watcher>)>>);

impl Sender {
    fn set(&self, event_loop: *mut EvLoop, watcher: *mut Watcher) {
        let mut target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *target = (AtomicPtr::new(event_loop), AtomicPtr::new(watcher));
    }
}

impl Ping for Sender {
    fn ping(&self) {
        let mut target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (event_loop, watcher) = &mut *target;
        if !watcher.get_mut().is_null() {
            // SAFETY: any thread may send, and `Ev::remove` waits for the lock.
            unsafe {
                (Functions::get().ev_async_send)(*event_loop.get_mut(), *watcher.get_mut());
            }
        }
    }
}

impl Stop for Sender {
    /// There is no run to stop.
    fn stop(&self) {}

    fn wakeup(&self) {
        self.ping();
    }
}

unsafe extern "C" fn on_event(_: *mut EvLoop, watcher: *mut Watcher, events: c_int) {
    // SAFETY: libev calls no watcher that is stopped.
    unsafe { Source::of((*watcher).data) }.call(events);
}

unsafe extern "C" fn on_signal(_: *mut EvLoop, watcher: *mut Watcher, _: c_int) {
    // SAFETY: libev calls no watcher that is stopped, and this one is of a signal.
    unsafe { Source::of((*watcher).data).call((*watcher).rest.signal.number) };
}

fn events(interest: Interest) -> c_int {
    match interest {
        Interest::None => 0,
        Interest::Read => READ,
        Interest::Write => WRITE,
        Interest::Both => READ | WRITE,
    }
}

/// Starts a watcher for a source.
fn add(
    handle: &Handle<Ev>,
    source: &Source,
    kind: Kind,
    rest: Rest,
    sender: &Sender,
) -> Result<(), Failure> {
    handle.add(source, |event_loop, data| {
        let (active, pending, priority, sender) = (0, 0, 0, sender.clone());
        let callback = if kind.is_signal { on_signal } else { on_event };
        let watcher = Watcher { active, pending, priority, data, callback, rest, kind, sender };
        let watcher = Box::into_raw(Box::new(watcher));
        // SAFETY: the loop exists, and the watcher until it is removed.
        unsafe { (kind.start)(event_loop, watcher) };
        Ok(watcher)
    })
}

/// Sets anew what a watcher is to wait for.
fn set(source: &Source, rest: Rest) -> Result<(), Failure> {
    // SAFETY: the loop and the watcher exist; it is stopped while it is changed.
    source.change(|event_loop, raw| unsafe {
        ((*raw).kind.stop)(event_loop, raw);
        (*raw).rest = rest;
        (Functions::get().ev_now_update)(event_loop);
        ((*raw).kind.start)(event_loop, raw);
        Ok(())
    })
}

fn after(delay: Duration) -> Rest {
    Rest { timer: Timer { at: delay.as_secs_f64(), repeat: 0.0 } }
}

fn timer(
    handle: &Handle<Ev>,
    delay: Duration,
    mut callback: impl FnMut(&Handle<Ev>) -> TimerNext + 'static,
) -> Result<Source, Failure> {
    let timer = handle.source((), move |handle, source, _| match callback(handle) {
        TimerNext::After(delay) => {
            // A change of libev's does not fail.
            let _ = set(source, after(delay));
        }
        TimerNext::Stop | TimerNext::At(_) => source.close(),
    });
    let ev = Functions::get();
    // SAFETY: the loop exists. What it takes for now may be long ago.
    unsafe { (ev.ev_now_update)(handle.raw()) };
    let kind = Kind::new(ev.ev_timer_start, ev.ev_timer_stop);
    add(handle, &timer, kind, after(delay), &Sender::default())?;
    Ok(timer)
}

fn ping(
    handle: &Handle<Ev>,
    mut callback: impl FnMut(&Handle<Ev>) + 'static,
) -> Result<(Sender, Source), Failure> {
    let (ev, sender) = (Functions::get(), Sender::default());
    let source = handle.source((), move |handle, _, _| callback(handle));
    let kind = Kind::new(ev.ev_async_start, ev.ev_async_stop);
    add(handle, &source, kind, Rest { sent: 0 }, &sender)?;
    source.change(|event_loop, raw| {
        sender.set(event_loop, raw);
        Ok(())
    })?;
    Ok((sender, source))
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
        let io =
            Io { next: ptr::null_mut(), fd: fd.as_raw_fd(), events: events(interest) | IOFDSET };
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
            (*raw).rest.io.events = events(interest) | IOFDSET;
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
