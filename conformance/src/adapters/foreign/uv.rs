//! libuv, from <uv.h> of version 1.44.2. The sizes of its structures are asked of the library.
//!
//! | adapter | libuv |
//! | --- | --- |
//! | dispatch | `uv_run` with `UV_RUN_ONCE`, and a timer that limits the wait; `UV_RUN_NOWAIT` for none |
//! | descriptor | `uv_poll_t`, level-triggered; one that is asked for nothing is not started |
//! | timer | `uv_timer_t`, in milliseconds, rounded up; it repeats and is set anew by `uv_timer_start` |
//! | ping | `uv_async_t` |
//! | wake-up | a `uv_async_t` that does nothing |
//! | signals | a `uv_signal_t` for each |
//! | removal | `uv_close`; the memory of the handle is given back by its callback |
//!
//! A timer's callback ends with `uv_stop`, whose documentation says that the loop then does not
//! block: `UV_RUN_ONCE` of this version calls what is due and waits for something else all the same
//! (findings/LIBUV-LOOP-04.md).
//!
//! Left out: `uv_idle_t` and `uv_prepare_t`, which are called in every iteration and not when there
//! is nothing else to do; `uv_run` with `UV_RUN_DEFAULT`, which has no call after each iteration;
//! the descriptor of the loop, which does not become readable for a timer; the timer's own repeat,
//! which does not count from the return of its callback. `uv_poll_stop` silences descriptors only,
//! so that `disable` is not declared.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
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

const NAME: &str = "libuv";

library! {
    NAME, in "libuv1", as ["libuv.so.1"];
    fn uv_version_string() -> *const c_char;
    fn uv_loop_size() -> usize;
    fn uv_loop_init(*mut UvLoop) -> c_int;
    fn uv_loop_close(*mut UvLoop) -> c_int;
    fn uv_run(*mut UvLoop, c_uint) -> c_int;
    fn uv_stop(*mut UvLoop);
    fn uv_update_time(*mut UvLoop);
    fn uv_walk(*mut UvLoop, unsafe extern "C" fn(*mut UvHandle, *mut c_void), *mut c_void);
    fn uv_handle_size(c_uint) -> usize;
    fn uv_handle_get_data(*const UvHandle) -> *mut c_void;
    fn uv_handle_set_data(*mut UvHandle, *mut c_void);
    fn uv_close(*mut UvHandle, unsafe extern "C" fn(*mut UvHandle));
    fn uv_poll_init(*mut UvLoop, *mut UvHandle, c_int) -> c_int;
    fn uv_poll_start(*mut UvHandle, c_int, unsafe extern "C" fn(*mut UvHandle, c_int, c_int)) -> c_int;
    fn uv_poll_stop(*mut UvHandle) -> c_int;
    fn uv_timer_init(*mut UvLoop, *mut UvHandle) -> c_int;
    fn uv_timer_start(*mut UvHandle, unsafe extern "C" fn(*mut UvHandle), u64, u64) -> c_int;
    fn uv_timer_stop(*mut UvHandle) -> c_int;
    fn uv_async_init(*mut UvLoop, *mut UvHandle, unsafe extern "C" fn(*mut UvHandle)) -> c_int;
    fn uv_async_send(*mut UvHandle) -> c_int;
    fn uv_signal_init(*mut UvLoop, *mut UvHandle) -> c_int;
    fn uv_signal_start(*mut UvHandle, unsafe extern "C" fn(*mut UvHandle, c_int), c_int) -> c_int;
}

/// `uv_loop_t`.
#[repr(C)]
struct UvLoop([u8; 0]);

/// `uv_handle_t`, and each kind of handle, which begins as one.
#[repr(C)]
struct UvHandle([u8; 0]);

/// `uv_run_mode`.
const RUN_DEFAULT: c_uint = 0;
const RUN_ONCE: c_uint = 1;
const RUN_NOWAIT: c_uint = 2;

/// `uv_handle_type`.
const ASYNC: c_uint = 1;
const POLL: c_uint = 8;
const TIMER: c_uint = 13;
const SIGNAL: c_uint = 16;

/// `enum uv_poll_event`.
const READABLE: c_int = 1;
const WRITABLE: c_int = 2;

/// libuv.
#[derive(Debug)]
pub struct Uv {
    handle: Handle,
    /// The timer that ends a wait.
    limit: Source,
    waker: Sender,
}

/// Reaches the loop.
#[derive(Clone, Debug)]
pub struct Handle(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    uv: &'static Functions,
    raw: *mut UvLoop,
}

/// A source: one handle, or for signals one each.
#[derive(Clone, Debug)]
pub struct Source(Rc<Watched>);

/// Gets the arguments of a callback of libuv, as far as there are any.
type Call = Box<dyn FnMut(&Handle, &Source, c_int, c_int)>;

/// Each of its handles has a share of it as its data, until it is closed.
struct Watched {
    uv: &'static Functions,
    inner: Weak<Inner>,
    handles: RefCell<Vec<*mut UvHandle>>,
    callback: Callback<Call>,
    sender: Sender,
    /// What is asked of a descriptor.
    events: Cell<c_int>,
}

/// Sends to a `uv_async_t`, unless that is closed, which libuv does not permit.
#[derive(Clone, Debug)]
struct Sender(Shared<UvHandle>);

impl Ping for Sender {
    fn ping(&self) {
        // SAFETY: any thread may send, and `Source::close` waits for it.
        self.0.using(|raw| _ = unsafe { (Functions::get().uv_async_send)(raw) });
    }
}

impl Stop for Sender {
    /// There is no run to stop.
    fn stop(&self) {}

    fn wakeup(&self) {
        self.ping();
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("handles", &self.handles).finish_non_exhaustive()
    }
}

/// An answer of libuv: an error is the negated number of the system's.
fn check(answer: c_int) -> Result<(), Failure> {
    if answer < 0 { Err(io::Error::from_raw_os_error(-answer).into()) } else { Ok(()) }
}

/// In milliseconds, rounded up, because a timer must not be early.
fn milliseconds(delay: Duration) -> u64 {
    delay.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}

fn events(interest: Interest) -> c_int {
    match interest {
        Interest::None => 0,
        Interest::Read => READABLE,
        Interest::Write => WRITABLE,
        Interest::Both => READABLE | WRITABLE,
    }
}

impl Source {
    /// Calls it.
    ///
    /// # Safety
    ///
    /// `raw` has to be a handle of a source that libuv has just called back.
    unsafe fn call(raw: *mut UvHandle, first: c_int, second: c_int) -> Option<Handle> {
        // SAFETY: the data is a share of the source, which is kept until the handle is closed.
        let source = unsafe {
            let watched = (Functions::get().uv_handle_get_data)(raw).cast::<Watched>();
            Rc::increment_strong_count(watched);
            Source(Rc::from_raw(watched))
        };
        let handle = Handle(source.0.inner.upgrade()?);
        source.0.callback.call(|call| call(&handle, &source, first, second));
        Some(handle)
    }

    /// The one handle of a source that is not of signals, unless it is closed.
    fn raw(&self) -> Option<*mut UvHandle> {
        self.0.handles.borrow().first().copied()
    }

    fn start_timer(&self, delay: Duration) -> Result<(), Failure> {
        let Some(raw) = self.raw() else { return Ok(()) };
        if let Some(inner) = self.0.inner.upgrade() {
            // SAFETY: the loop exists. What it takes for now may be long ago.
            unsafe { (self.0.uv.uv_update_time)(inner.raw) };
        }
        // SAFETY: it is a timer that is not closed.
        check(unsafe { (self.0.uv.uv_timer_start)(raw, on_timer, milliseconds(delay), 0) })
    }

    fn start_poll(&self) -> Result<(), Failure> {
        let Some(raw) = self.raw() else { return Ok(()) };
        // SAFETY: it is a descriptor's handle that is not closed.
        check(unsafe {
            match self.0.events.get() {
                0 => (self.0.uv.uv_poll_stop)(raw),
                events => (self.0.uv.uv_poll_start)(raw, events, on_poll),
            }
        })
    }

    /// Closes it. The callback is dropped at once, or else when it returns.
    fn close(&self) {
        self.0.sender.0.set(ptr::null_mut());
        for raw in self.0.handles.take() {
            // SAFETY: it was initialized, and is closed once: nobody finds it any more.
            unsafe { (self.0.uv.uv_close)(raw, on_close) };
        }
        self.0.callback.remove();
    }
}

unsafe extern "C" fn on_timer(raw: *mut UvHandle) {
    // SAFETY: called by libuv for a handle of a source. The loop exists, as it calls.
    unsafe {
        if let Some(handle) = Source::call(raw, 0, 0) {
            (handle.0.uv.uv_stop)(handle.0.raw);
        }
    }
}

unsafe extern "C" fn on_poll(raw: *mut UvHandle, status: c_int, events: c_int) {
    // SAFETY: called by libuv for a handle of a source.
    unsafe { Source::call(raw, status, events) };
}

unsafe extern "C" fn on_async(raw: *mut UvHandle) {
    // SAFETY: called by libuv for a handle of a source.
    unsafe { Source::call(raw, 0, 0) };
}

unsafe extern "C" fn on_signal(raw: *mut UvHandle, signal: c_int) {
    // SAFETY: called by libuv for a handle of a source.
    unsafe { Source::call(raw, signal, 0) };
}

unsafe extern "C" fn on_close(raw: *mut UvHandle) {
    // SAFETY: the handle is closed, and so its memory and its share of the source are ours again.
    unsafe {
        drop(Rc::from_raw((Functions::get().uv_handle_get_data)(raw).cast::<Watched>()));
        libc::free(raw.cast());
    }
}

/// Notes the source of a handle in a `Vec`.
unsafe extern "C" fn on_walk(raw: *mut UvHandle, sources: *mut c_void) {
    // SAFETY: the data is a share of the source, and the argument what `Inner::drop` gives.
    unsafe {
        let watched = (Functions::get().uv_handle_get_data)(raw).cast::<Watched>();
        Rc::increment_strong_count(watched);
        (*sources.cast::<Vec<Source>>()).push(Source(Rc::from_raw(watched)));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut sources: Vec<Source> = Vec::new();
        // SAFETY: the loop exists, and nobody has a handle to it any more.
        unsafe { (self.uv.uv_walk)(self.raw, on_walk, (&raw mut sources).cast()) };
        sources.iter().for_each(Source::close);
        // SAFETY: as before. The run gives the handles back, and calls nothing else.
        unsafe {
            (self.uv.uv_run)(self.raw, RUN_DEFAULT);
            if (self.uv.uv_loop_close)(self.raw) == 0 {
                libc::free(self.raw.cast());
            }
        }
    }
}

/// Memory for a structure of libuv. A process without any cannot go on.
fn allocate<T>(size: usize) -> *mut T {
    // SAFETY: it asks for nothing.
    let memory = unsafe { libc::calloc(1, size) };
    assert!(!memory.is_null(), "there is no memory left");
    memory.cast()
}

impl Handle {
    fn source(&self, call: impl FnMut(&Handle, &Source, c_int, c_int) + 'static) -> Source {
        let (uv, inner) = (self.0.uv, Rc::downgrade(&self.0));
        let callback: Callback<Call> = Callback::new(Box::new(call));
        let (handles, events, sender) = (RefCell::default(), Cell::new(0), Sender(Shared::new()));
        Source(Rc::new(Watched { uv, inner, handles, callback, sender, events }))
    }

    /// Gives a source a handle of this kind.
    fn add(
        &self,
        source: &Source,
        kind: c_uint,
        init: impl FnOnce(*mut UvHandle) -> c_int,
    ) -> Result<*mut UvHandle, Failure> {
        // SAFETY: it asks for nothing.
        let raw = allocate(unsafe { (self.0.uv.uv_handle_size)(kind) });
        if let Err(failure) = check(init(raw)) {
            // SAFETY: it did not become a handle.
            unsafe { libc::free(raw.cast()) };
            return Err(failure);
        }
        let data = Rc::into_raw(source.0.clone()).cast_mut().cast();
        // SAFETY: it is a handle now, and not started.
        unsafe { (self.0.uv.uv_handle_set_data)(raw, data) };
        source.0.handles.borrow_mut().push(raw);
        Ok(raw)
    }

    fn timer(
        &self,
        call: impl FnMut(&Handle, &Source, c_int, c_int) + 'static,
    ) -> Result<Source, Failure> {
        let source = self.source(call);
        // SAFETY: the loop exists, and the memory is of the size of a timer.
        self.add(&source, TIMER, |raw| unsafe { (self.0.uv.uv_timer_init)(self.0.raw, raw) })?;
        Ok(source)
    }

    fn ping(&self, mut callback: impl FnMut(&Handle) + 'static) -> Result<Source, Failure> {
        let source = self.source(move |handle, _, _, _| callback(handle));
        // SAFETY: the loop exists, and the memory is of the size of a `uv_async_t`.
        let init = |raw| unsafe { (self.0.uv.uv_async_init)(self.0.raw, raw, on_async) };
        source.0.sender.0.set(self.add(&source, ASYNC, init)?);
        Ok(source)
    }
}

impl Foreign for Uv {
    fn find() -> Result<(), Missing> {
        Functions::find().map(drop)
    }
}

impl Adapter for Uv {
    const NAME: &'static str = NAME;

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        // SAFETY: it answers a string that lives for ever.
        let version = unsafe { CStr::from_ptr((Functions::get().uv_version_string)()) };
        version.to_string_lossy().into_owned()
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::EmptyInterest,
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
            Capability::Signals,
            Capability::SignalSharing,
            Capability::SignalFanOut,
            Capability::OneWaitADispatch,
            Capability::ReadyOrder,
        ])
    }

    fn new() -> Result<Self, Failure> {
        let uv = Functions::get();
        // SAFETY: it asks for nothing.
        let raw = allocate(unsafe { (uv.uv_loop_size)() });
        // SAFETY: the memory is of the size of a loop.
        if let Err(failure) = check(unsafe { (uv.uv_loop_init)(raw) }) {
            // SAFETY: it did not become a loop.
            unsafe { libc::free(raw.cast()) };
            return Err(failure);
        }
        let handle = Handle(Rc::new(Inner { uv, raw }));
        let limit = handle.timer(|_, _, _, _| {})?;
        let waker = handle.ping(|_| {})?.0.sender.clone();
        Ok(Uv { handle, limit, waker })
    }

    fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let mode = if timeout == Some(Duration::ZERO) { RUN_NOWAIT } else { RUN_ONCE };
        if let (Some(timeout), RUN_ONCE) = (timeout, mode) {
            self.limit.start_timer(timeout)?;
        }
        let Inner { uv, raw } = &*self.handle.0;
        // SAFETY: the loop exists, and does not run, as this is not called by its callbacks.
        unsafe { (uv.uv_run)(*raw, mode) };
        if let Some(limit) = self.limit.raw() {
            // SAFETY: it is a timer.
            unsafe { (uv.uv_timer_stop)(limit) };
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
        let source = handle.source(move |handle, source, status, events| {
            // An error is told instead of events: it is to be found by whatever was asked for.
            let events = if status < 0 { source.0.events.get() } else { events };
            let (readable, writable) = (events & READABLE != 0, events & WRITABLE != 0);
            // Without post-actions and fallible callbacks, every answer is to go on.
            let _ = callback(handle, fd.as_fd(), Readiness { readable, writable });
        });
        source.0.events.set(events(interest));
        let Inner { uv, raw: event_loop } = &*handle.0;
        // SAFETY: the loop exists, and the memory is of the size of a `uv_poll_t`.
        handle.add(&source, POLL, |raw| unsafe { (uv.uv_poll_init)(*event_loop, raw, number) })?;
        source.start_poll().inspect_err(|_| source.close())?;
        Ok(source)
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, mut callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let timer = handle.timer(move |handle, source, _, _| match callback(handle, None) {
            TimerNext::After(delay) => {
                // It fails for a timer that is closed, which `start_timer` looks at.
                let _ = source.start_timer(delay);
            }
            TimerNext::Stop | TimerNext::At(_) => source.close(),
        })?;
        timer.start_timer(delay)?;
        Ok(timer)
    }

    fn remove(_: &Handle, source: Source) {
        source.close();
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
        if mode != Mode::Level {
            return Err(Failure::Unsupported);
        }
        source.0.events.set(events(interest));
        source.start_poll()
    }

    fn insert_ping<F>(handle: &Handle, callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let source = handle.ping(callback)?;
        Ok((source.0.sender.clone(), source))
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
        let Inner { uv, raw: event_loop } = &*handle.0;
        let watch = |signal: &i32| {
            // SAFETY: the loop exists, and the memory is of the size of a `uv_signal_t`.
            let init = |raw| unsafe { (uv.uv_signal_init)(*event_loop, raw) };
            let raw = handle.add(&source, SIGNAL, init)?;
            // SAFETY: it is a signal's handle that is not closed.
            check(unsafe { (uv.uv_signal_start)(raw, on_signal, *signal) })
        };
        signals.iter().try_for_each(watch).inspect_err(|_| source.close())?;
        Ok(source)
    }
}
