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

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_short, c_void};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use reports::record::Missing;

use super::{Callback, Foreign, Shared, library, resume};
use crate::adapter::{
    Adapter, Capabilities, Capability, Failure, Interest, Mode, Next, Ping, Readiness, SignalEvent,
    Stop, TimerNext,
};

const NAME: &str = "libevent";

library! {
    NAME, in "libevent-core-2.1-7", as ["libevent_core-2.1.so.7", "libevent-2.1.so.7"];
    fn event_get_version() -> *const c_char;
    fn event_config_new() -> *mut EventConfig;
    fn event_config_set_flag(*mut EventConfig, c_int) -> c_int;
    fn event_config_free(*mut EventConfig);
    fn event_base_new_with_config(*const EventConfig) -> *mut EventBase;
    fn event_base_free(*mut EventBase);
    fn event_base_loop(*mut EventBase, c_int) -> c_int;
    fn event_base_update_cache_time(*mut EventBase) -> c_int;
    fn event_new(*mut EventBase, c_int, c_short, EventCallback, *mut c_void) -> *mut RawEvent;
    fn event_assign(
        *mut RawEvent,
        *mut EventBase,
        c_int,
        c_short,
        EventCallback,
        *mut c_void,
    ) -> c_int;
    fn event_add(*mut RawEvent, *const libc::timeval) -> c_int;
    fn event_del(*mut RawEvent) -> c_int;
    fn event_free(*mut RawEvent);
    fn event_active(*mut RawEvent, c_int, c_short);
}

/// What other threads may use a base with.
mod threads {
    use super::{NAME, c_int, library};

    library! {
        NAME, in "libevent-pthreads-2.1-7", as ["libevent_pthreads-2.1.so.7"];
        fn evthread_use_pthreads() -> c_int;
    }

    /// Has the bases that are made from now on be locked.
    pub(super) fn find() -> Result<(), reports::record::Missing> {
        // SAFETY: it asks for nothing, and may be called again.
        Functions::find().map(|threads| _ = unsafe { (threads.evthread_use_pthreads)() })
    }
}

/// `struct event_config`.
#[repr(C)]
struct EventConfig([u8; 0]);

/// `struct event_base`.
#[repr(C)]
struct EventBase([u8; 0]);

/// `struct event`, which the library allocates.
#[repr(C)]
struct RawEvent([u8; 0]);

/// `event_callback_fn`.
type EventCallback = unsafe extern "C" fn(c_int, c_short, *mut c_void);

const PRECISE_TIMER: c_int = 0x20;

const LOOP_ONCE: c_int = 0x01;
const LOOP_NONBLOCK: c_int = 0x02;
const LOOP_NO_EXIT_ON_EMPTY: c_int = 0x04;

const READ: c_short = 0x02;
const WRITE: c_short = 0x04;
const SIGNAL: c_short = 0x08;
const PERSIST: c_short = 0x10;
const EDGE: c_short = 0x20;

/// libevent.
#[derive(Debug)]
pub struct Event {
    handle: Handle,
    /// The timer that ends a wait.
    limit: Source,
    waker: Trigger,
}

/// Reaches the loop.
#[derive(Clone, Debug)]
pub struct Handle(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    event: &'static Functions,
    base: *mut EventBase,
    /// All sources: the library leaves events to the program.
    sources: RefCell<BTreeMap<*const Watched, Source>>,
}

/// A source: one event, or for signals one each.
#[derive(Clone, Debug)]
pub struct Source(Rc<Watched>);

/// Gets the descriptor or signal, and what was found.
type Call = Box<dyn FnMut(&Handle, &Source, c_int, c_short)>;

/// The argument of its events, kept by the loop until it is removed.
struct Watched {
    event: &'static Functions,
    inner: Weak<Inner>,
    events: RefCell<Vec<*mut RawEvent>>,
    callback: Callback<Call>,
    trigger: Trigger,
    fd: Cell<c_int>,
}

/// Triggers an event, unless it is freed.
#[derive(Clone, Debug)]
struct Trigger(Shared<RawEvent>);

impl Ping for Trigger {
    fn ping(&self) {
        // SAFETY: any thread may, as the base is locked, and `Source::remove` waits for it.
        self.0.using(|raw| unsafe { (Functions::get().event_active)(raw, 0, 0) });
    }
}

impl Stop for Trigger {
    /// There is no run to stop.
    fn stop(&self) {}

    fn wakeup(&self) {
        self.ping();
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("events", &self.events).finish_non_exhaustive()
    }
}

/// An answer of libevent.
fn check(answer: c_int) -> Result<(), Failure> {
    if answer < 0 { Err(io::Error::last_os_error().into()) } else { Ok(()) }
}

/// In microseconds, rounded up, because a timer must not be early.
fn timeval(delay: Duration) -> libc::timeval {
    let micros = delay.as_nanos().div_ceil(1000);
    let tv_sec = (micros / 1_000_000).try_into().unwrap_or(libc::time_t::MAX);
    libc::timeval { tv_sec, tv_usec: (micros % 1_000_000) as libc::suseconds_t }
}

fn what(interest: Interest, mode: Mode) -> c_short {
    let directions = match interest {
        Interest::None => 0,
        Interest::Read => READ,
        Interest::Write => WRITE,
        Interest::Both => READ | WRITE,
    };
    directions
        | match mode {
            Mode::Level => PERSIST,
            Mode::Edge => PERSIST | EDGE,
            Mode::OneShot => 0,
        }
}

unsafe extern "C" fn on_event(fd: c_int, what: c_short, argument: *mut c_void) {
    // SAFETY: the argument is a source, of which the loop has a share until its events are freed.
    let source = unsafe {
        Rc::increment_strong_count(argument.cast::<Watched>());
        Source(Rc::from_raw(argument.cast::<Watched>()))
    };
    if let Some(inner) = source.0.inner.upgrade() {
        let handle = Handle(inner);
        source.0.callback.call(|call| call(&handle, &source, fd, what));
    }
}

impl Source {
    fn argument(&self) -> *mut c_void {
        Rc::as_ptr(&self.0).cast_mut().cast()
    }

    /// The one event of a source that is not of signals, unless it is freed.
    fn raw(&self) -> Option<*mut RawEvent> {
        self.0.events.borrow().first().copied()
    }

    fn start_timer(&self, delay: Duration) -> Result<(), Failure> {
        let (Some(raw), Some(inner)) = (self.raw(), self.0.inner.upgrade()) else { return Ok(()) };
        // SAFETY: the base and the event exist. What the base takes for now may be long ago.
        check(unsafe {
            (self.0.event.event_base_update_cache_time)(inner.base);
            (self.0.event.event_add)(raw, &timeval(delay))
        })
    }

    /// Watches its descriptor, unless for nothing.
    fn watch(&self, what: c_short) -> Result<(), Failure> {
        let (Some(raw), Some(inner)) = (self.raw(), self.0.inner.upgrade()) else { return Ok(()) };
        let event = self.0.event;
        // SAFETY: the base and the event exist, and the event is not added when it is assigned.
        check(unsafe {
            (event.event_del)(raw);
            (event.event_assign)(raw, inner.base, self.0.fd.get(), what, on_event, self.argument());
            if what & (READ | WRITE) == 0 { 0 } else { (event.event_add)(raw, ptr::null()) }
        })
    }

    /// Frees its events. The callback is dropped at once, or else when it returns.
    fn remove(&self) {
        self.0.trigger.0.set(ptr::null_mut());
        for raw in self.0.events.take() {
            // SAFETY: it exists, and is freed once: nobody finds it any more.
            unsafe { (self.0.event.event_free)(raw) };
        }
        let kept = self
            .0
            .inner
            .upgrade()
            .map(|inner| inner.sources.borrow_mut().remove(&Rc::as_ptr(&self.0)));
        self.0.callback.remove();
        drop(kept);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sources.take().into_values().for_each(|source| source.remove());
        // SAFETY: it exists, and nobody has a handle or an event of it any more.
        unsafe { (self.event.event_base_free)(self.base) };
    }
}

impl Handle {
    /// A source without an event.
    fn source(&self, call: impl FnMut(&Handle, &Source, c_int, c_short) + 'static) -> Source {
        let (event, inner) = (self.0.event, Rc::downgrade(&self.0));
        let callback: Callback<Call> = Callback::new(Box::new(call));
        let (events, trigger, fd) = (RefCell::default(), Trigger(Shared::new()), Cell::new(-1));
        let source = Source(Rc::new(Watched { event, inner, events, callback, trigger, fd }));
        self.0.sources.borrow_mut().insert(Rc::as_ptr(&source.0), source.clone());
        source
    }

    /// Gives a source an event, which is not added.
    fn add(&self, source: &Source, fd: c_int, what: c_short) -> Result<*mut RawEvent, Failure> {
        let Inner { event, base, .. } = &*self.0;
        // SAFETY: the base exists, and the argument as long as the event.
        let raw = unsafe { (event.event_new)(*base, fd, what, on_event, source.argument()) };
        if raw.is_null() {
            return Err(io::Error::last_os_error().into());
        }
        source.0.events.borrow_mut().push(raw);
        Ok(raw)
    }

    fn timer(
        &self,
        call: impl FnMut(&Handle, &Source, c_int, c_short) + 'static,
    ) -> Result<Source, Failure> {
        let source = self.source(call);
        self.add(&source, -1, 0)?;
        Ok(source)
    }

    fn ping(&self, mut callback: impl FnMut(&Handle) + 'static) -> Result<Source, Failure> {
        let source = self.source(move |handle, _, _, _| callback(handle));
        source.0.trigger.0.set(self.add(&source, -1, 0)?);
        Ok(source)
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
