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

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use reports::record::Missing;

use super::{Callback, Foreign, Shared, Variable, guard, library, resume};
use crate::adapter::{
    Adapter, CancelIdle, Capabilities, Capability, Failure, Interest, Mode, Next, Ping, Readiness,
    SignalEvent, Stop, TimerNext,
};

const NAME: &str = "glib";

library! {
    NAME, in "libglib2.0-0", as ["libglib-2.0.so.0"];
    fn g_main_context_new() -> *mut GMainContext;
    fn g_main_context_unref(*mut GMainContext);
    fn g_main_context_iteration(*mut GMainContext, c_int) -> c_int;
    fn g_main_context_wakeup(*mut GMainContext);
    fn g_source_new(*const GSourceFuncs, c_uint) -> *mut GSource;
    fn g_source_unref(*mut GSource);
    fn g_source_attach(*mut GSource, *mut GMainContext) -> c_uint;
    fn g_source_destroy(*mut GSource);
    fn g_source_set_callback(
        *mut GSource,
        GSourceFunc,
        *mut c_void,
        Option<unsafe extern "C" fn(*mut c_void)>,
    );
    fn g_source_set_ready_time(*mut GSource, i64);
    fn g_source_add_unix_fd(*mut GSource, c_int, c_uint) -> *mut c_void;
    fn g_source_modify_unix_fd(*mut GSource, *mut c_void, c_uint);
    fn g_source_remove_unix_fd(*mut GSource, *mut c_void);
    fn g_source_query_unix_fd(*mut GSource, *mut c_void) -> c_uint;
    fn g_idle_source_new() -> *mut GSource;
    fn g_unix_signal_source_new(c_int) -> *mut GSource;
    fn g_get_monotonic_time() -> i64;
    static glib_major_version: c_uint;
    static glib_minor_version: c_uint;
    static glib_micro_version: c_uint;
}

/// `GMainContext`.
#[repr(C)]
struct GMainContext([u8; 0]);

/// `GSource`, whose size the header makes public, but not its fields.
#[repr(C)]
struct GSource {
    callback: [*mut c_void; 2],
    source_funcs: *const GSourceFuncs,
    ref_count: c_uint,
    context: *mut GMainContext,
    priority: c_int,
    flags: c_uint,
    source_id: c_uint,
    poll_fds: *mut c_void,
    neighbours: [*mut GSource; 2],
    name: *mut c_void,
    private: *mut c_void,
}

/// `GSourceFunc`: FALSE removes the source.
type GSourceFunc = unsafe extern "C" fn(*mut c_void) -> c_int;

/// `GSourceFuncs`. What a source waits for, GLib knows itself: only the second is not null.
#[repr(C)]
struct GSourceFuncs {
    prepare_and_check: [usize; 2],
    dispatch: unsafe extern "C" fn(*mut GSource, GSourceFunc, *mut c_void) -> c_int,
    finalize_and_closure: [usize; 3],
}

static FUNCTIONS_OF_A_SOURCE: GSourceFuncs =
    GSourceFuncs { prepare_and_check: [0; 2], dispatch: on_dispatch, finalize_and_closure: [0; 3] };

const TRUE: c_int = 1;

/// `GIOCondition`.
const IN: c_uint = 1;
const OUT: c_uint = 4;
const ERR: c_uint = 8;
const HUP: c_uint = 16;

/// A ready time that never comes, and one that has come.
const NEVER: i64 = -1;
const PAST: i64 = 0;

/// GLib's main loop, in a context of its own.
#[derive(Debug)]
pub struct GLib(Handle);

/// Reaches the loop.
#[derive(Clone, Debug)]
pub struct Handle(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    glib: &'static Functions,
    context: *mut GMainContext,
    waker: Waker,
    /// An instant, and the same in microseconds of GLib's clock, for the others.
    start: (Instant, i64),
}

/// A source: one of GLib, or for signals one each.
#[derive(Clone, Debug)]
pub struct Source(Vec<Rc<Watched>>);

type Call = Box<dyn FnMut(&Handle, &Watched)>;

/// The data of a source of GLib, which has a share of it until it is destroyed.
struct Watched {
    glib: &'static Functions,
    inner: Weak<Inner>,
    /// Counted, so that it is there as long as this.
    raw: *mut GSource,
    callback: Callback<Call>,
    /// What any thread may have called.
    shared: Shared<GSource>,
    /// The descriptor, what is asked of it, and the tag that GLib gives it, null if that is nothing.
    fd: Cell<c_int>,
    interest: Cell<Interest>,
    tag: Cell<*mut c_void>,
}

/// Has a source called, unless it is destroyed.
#[derive(Clone, Debug)]
struct Pinger(Shared<GSource>);

/// Wakes the context, unless it is gone.
#[derive(Clone, Debug)]
struct Waker(Shared<GMainContext>);

impl Ping for Pinger {
    fn ping(&self) {
        // SAFETY: any thread may set the ready time, and `Watched::forget` waits for it.
        self.0.using(|raw| unsafe { (Functions::get().g_source_set_ready_time)(raw, PAST) });
    }
}

impl Stop for Waker {
    /// There is no run to stop.
    fn stop(&self) {}

    fn wakeup(&self) {
        // SAFETY: any thread may wake it, and `Inner::drop` waits for that.
        self.0.using(|context| unsafe { (Functions::get().g_main_context_wakeup)(context) });
    }
}

impl CancelIdle for Source {
    fn cancel(self) {
        self.destroy();
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("raw", &self.raw).finish_non_exhaustive()
    }
}

/// When so much time is over; never, if no clock gets there.
fn after(delay: Duration) -> Option<Instant> {
    Instant::now().checked_add(delay)
}

fn condition(interest: Interest) -> c_uint {
    match interest {
        Interest::None => 0,
        Interest::Read => IN,
        Interest::Write => OUT,
        Interest::Both => IN | OUT,
    }
}

unsafe extern "C" fn on_dispatch(_: *mut GSource, call: GSourceFunc, data: *mut c_void) -> c_int {
    // SAFETY: both are what the source was given with `g_source_set_callback`.
    unsafe { call(data) }
}

unsafe extern "C" fn on_call(data: *mut c_void) -> c_int {
    // SAFETY: the source has a share of its data, which it may give back in the callback.
    let watched = unsafe {
        Rc::increment_strong_count(data.cast::<Watched>());
        Rc::from_raw(data.cast::<Watched>())
    };
    if let Some(inner) = watched.inner.upgrade() {
        let handle = Handle(inner);
        watched.callback.call(|call| call(&handle, &watched));
    }
    TRUE
}

/// Takes back the share of a source that is destroyed.
unsafe extern "C" fn on_destroyed(data: *mut c_void) {
    // SAFETY: it is the share that the source was given.
    let watched = unsafe { Rc::from_raw(data.cast::<Watched>()) };
    guard(|| watched.forget());
}

impl Watched {
    fn set_ready_time(&self, time: i64) {
        // SAFETY: the source is counted.
        unsafe { (self.glib.g_source_set_ready_time)(self.raw, time) };
    }

    fn set_ready_at(&self, handle: &Handle, at: Option<Instant>) {
        self.set_ready_time(handle.ready_time(at));
    }

    /// Watches a descriptor for this from now on.
    fn watch(&self, interest: Interest) {
        let fd = self.fd.get();
        let (tag, condition) = (self.tag.get(), condition(interest));
        // SAFETY: the source is counted, and not destroyed, and the tag is one of it.
        unsafe {
            if condition == 0 && !tag.is_null() {
                (self.glib.g_source_remove_unix_fd)(self.raw, tag);
                self.tag.set(ptr::null_mut());
            } else if tag.is_null() && condition != 0 {
                self.tag.set((self.glib.g_source_add_unix_fd)(self.raw, fd, condition));
            } else if condition != 0 {
                (self.glib.g_source_modify_unix_fd)(self.raw, tag, condition);
            }
        }
        self.interest.set(interest);
    }

    /// What a descriptor is ready for. Its end and its errors are to be read and to be written into.
    fn readiness(&self) -> Readiness {
        // SAFETY: as in `watch`.
        let found = unsafe { (self.glib.g_source_query_unix_fd)(self.raw, self.tag.get()) };
        let asked = condition(self.interest.get());
        let is = |condition| asked & condition != 0 && found & (condition | ERR | HUP) != 0;
        Readiness { readable: is(IN), writable: is(OUT) }
    }

    fn destroy(&self) {
        // SAFETY: the source is counted. To destroy it twice is permitted.
        unsafe { (self.glib.g_source_destroy)(self.raw) };
        self.forget();
    }

    /// Has nobody use it any more. The callback is dropped at once, or else when it returns.
    fn forget(&self) {
        self.shared.set(ptr::null_mut());
        self.callback.remove();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // SAFETY: it was counted for this.
        unsafe { (self.glib.g_source_unref)(self.raw) };
    }
}

impl Source {
    /// The one source of GLib, unless it is destroyed.
    fn one(&self) -> Option<&Watched> {
        self.0.first().map(|watched| &**watched).filter(|it| !it.callback.is_removed())
    }

    fn destroy(&self) {
        self.0.iter().for_each(|watched| watched.destroy());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.waker.0.set(ptr::null_mut());
        // SAFETY: it was made for this, and nobody has a handle any more. It destroys its sources.
        unsafe { (self.glib.g_main_context_unref)(self.context) };
        resume();
    }
}

impl Handle {
    /// An instant as a ready time, in whole microseconds and never early; without one it is too far
    /// away to count.
    fn ready_time(&self, at: Option<Instant>) -> i64 {
        let (start, micros) = self.0.start;
        let Some(at) = at else { return i64::MAX };
        let since = at.saturating_duration_since(start).as_nanos().div_ceil(1000);
        micros.saturating_add(since.try_into().unwrap_or(i64::MAX))
    }

    /// Gives a source of GLib its data and has the context wait for it.
    fn attach(
        &self,
        raw: *mut GSource,
        call: impl FnMut(&Handle, &Watched) + 'static,
    ) -> Rc<Watched> {
        let (glib, inner) = (self.0.glib, Rc::downgrade(&self.0));
        let (callback, shared): (Callback<Call>, _) =
            (Callback::new(Box::new(call)), Shared::new());
        let (fd, interest, tag) =
            (Cell::new(-1), Cell::new(Interest::None), Cell::new(ptr::null_mut()));
        let watched = Rc::new(Watched { glib, inner, raw, callback, shared, fd, interest, tag });
        let data = Rc::into_raw(watched.clone()).cast_mut().cast();
        // SAFETY: the source is new, and ours; the context exists.
        unsafe {
            (glib.g_source_set_callback)(raw, on_call, data, Some(on_destroyed));
            (glib.g_source_attach)(raw, self.0.context);
        }
        watched
    }

    /// A source that is ready at a time of GLib's clock. Set before it is attached, it wakes nobody.
    fn source(&self, time: i64, call: impl FnMut(&Handle, &Watched) + 'static) -> Rc<Watched> {
        // SAFETY: the functions live for ever, and the size is that of a source.
        let raw = unsafe {
            (self.0.glib.g_source_new)(&FUNCTIONS_OF_A_SOURCE, size_of::<GSource>() as c_uint)
        };
        // SAFETY: it is new.
        unsafe { (self.0.glib.g_source_set_ready_time)(raw, time) };
        self.attach(raw, call)
    }

    fn timer<F>(&self, at: Option<Instant>, mut callback: F) -> Rc<Watched>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        self.source(self.ready_time(at), move |handle, watched| {
            watched.set_ready_time(NEVER);
            match callback(handle, None) {
                TimerNext::After(delay) => watched.set_ready_at(handle, after(delay)),
                TimerNext::At(deadline) => watched.set_ready_at(handle, Some(deadline)),
                TimerNext::Stop => watched.destroy(),
            }
        })
    }
}

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
