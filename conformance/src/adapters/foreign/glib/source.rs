//! The sources of a context, and what GLib calls for them.

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::fmt;
use std::ptr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use super::library::{
    ERR, FUNCTIONS_OF_A_SOURCE, Functions, GMainContext, GSource, HUP, IN, NEVER, OUT, PAST, TRUE,
};
use crate::adapter::{CancelIdle, Interest, Ping, Readiness, Stop, TimerNext};
use crate::adapters::foreign::{Callback, Shared, directions, guard, resume};

/// Reaches the loop.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Rc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) glib: &'static Functions,
    pub(super) context: *mut GMainContext,
    pub(super) waker: Waker,
    /// An instant, and the same in microseconds of GLib's clock, for the others.
    pub(super) start: (Instant, i64),
}

/// A source: one of GLib, or for signals one each.
#[derive(Clone, Debug)]
pub struct Source(pub(super) Vec<Rc<Watched>>);

type Call = Box<dyn FnMut(&Handle, &Watched)>;

/// The data of a source of GLib, which has a share of it until it is destroyed.
pub(super) struct Watched {
    glib: &'static Functions,
    inner: Weak<Inner>,
    /// Counted, so that it is there as long as this.
    pub(super) raw: *mut GSource,
    callback: Callback<Call>,
    /// What any thread may have called.
    pub(super) shared: Shared<GSource>,
    /// The descriptor, what is asked of it, and the tag that GLib gives it, null if that is nothing.
    pub(super) fd: Cell<c_int>,
    interest: Cell<Interest>,
    tag: Cell<*mut c_void>,
}

/// Has a source called, unless it is destroyed.
#[derive(Clone, Debug)]
pub(super) struct Pinger(pub(super) Shared<GSource>);

/// Wakes the context, unless it is gone.
#[derive(Clone, Debug)]
pub(super) struct Waker(pub(super) Shared<GMainContext>);

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
pub(super) fn after(delay: Duration) -> Option<Instant> {
    Instant::now().checked_add(delay)
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
    pub(super) fn set_ready_time(&self, time: i64) {
        // SAFETY: the source is counted.
        unsafe { (self.glib.g_source_set_ready_time)(self.raw, time) };
    }

    pub(super) fn set_ready_at(&self, handle: &Handle, at: Option<Instant>) {
        self.set_ready_time(handle.ready_time(at));
    }

    /// Watches a descriptor for this from now on.
    pub(super) fn watch(&self, interest: Interest) {
        let fd = self.fd.get();
        let (tag, condition) = (self.tag.get(), directions(interest, IN, OUT));
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
    pub(super) fn readiness(&self) -> Readiness {
        // SAFETY: as in `watch`.
        let found = unsafe { (self.glib.g_source_query_unix_fd)(self.raw, self.tag.get()) };
        let asked = directions(self.interest.get(), IN, OUT);
        let is = |condition| asked & condition != 0 && found & (condition | ERR | HUP) != 0;
        Readiness { readable: is(IN), writable: is(OUT) }
    }

    pub(super) fn destroy(&self) {
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
    pub(super) fn one(&self) -> Option<&Watched> {
        self.0.first().map(|watched| &**watched).filter(|it| !it.callback.is_removed())
    }

    pub(super) fn destroy(&self) {
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
    pub(super) fn ready_time(&self, at: Option<Instant>) -> i64 {
        let (start, micros) = self.0.start;
        let Some(at) = at else { return i64::MAX };
        let since = at.saturating_duration_since(start).as_nanos().div_ceil(1000);
        micros.saturating_add(since.try_into().unwrap_or(i64::MAX))
    }

    /// Gives a source of GLib its data and has the context wait for it.
    pub(super) fn attach(
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
    pub(super) fn source(
        &self,
        time: i64,
        call: impl FnMut(&Handle, &Watched) + 'static,
    ) -> Rc<Watched> {
        // SAFETY: the functions live for ever, and the size is that of a source.
        let raw = unsafe {
            (self.0.glib.g_source_new)(&FUNCTIONS_OF_A_SOURCE, size_of::<GSource>() as c_uint)
        };
        // SAFETY: it is new.
        unsafe { (self.0.glib.g_source_set_ready_time)(raw, time) };
        self.attach(raw, call)
    }

    pub(super) fn timer<F>(&self, at: Option<Instant>, mut callback: F) -> Rc<Watched>
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
