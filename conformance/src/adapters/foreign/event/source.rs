//! The sources of a base, and what libevent calls for them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{c_int, c_short, c_void};
use std::fmt;
use std::io;
use std::ptr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::library::{EventBase, Functions, READ, RawEvent, WRITE};
use crate::adapter::{Failure, Ping, Stop};
use crate::adapters::foreign::{Callback, Shared};

/// Reaches the loop.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Rc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) event: &'static Functions,
    pub(super) base: *mut EventBase,
    /// All sources: the library leaves events to the program.
    pub(super) sources: RefCell<BTreeMap<*const Watched, Source>>,
}

/// A source: one event, or for signals one each.
#[derive(Clone, Debug)]
pub struct Source(pub(super) Rc<Watched>);

/// Gets the descriptor or signal, and what was found.
type Call = Box<dyn FnMut(&Handle, &Source, c_int, c_short)>;

/// The argument of its events, kept by the loop until it is removed.
pub(super) struct Watched {
    event: &'static Functions,
    inner: Weak<Inner>,
    events: RefCell<Vec<*mut RawEvent>>,
    callback: Callback<Call>,
    pub(super) trigger: Trigger,
    pub(super) fd: Cell<c_int>,
}

/// Triggers an event, unless it is freed.
#[derive(Clone, Debug)]
pub(super) struct Trigger(Shared<RawEvent>);

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
pub(super) fn check(answer: c_int) -> Result<(), Failure> {
    if answer < 0 { Err(io::Error::last_os_error().into()) } else { Ok(()) }
}

/// In microseconds, rounded up, because a timer must not be early.
fn timeval(delay: Duration) -> libc::timeval {
    let micros = delay.as_nanos().div_ceil(1000);
    let tv_sec = (micros / 1_000_000).try_into().unwrap_or(libc::time_t::MAX);
    libc::timeval { tv_sec, tv_usec: (micros % 1_000_000) as libc::suseconds_t }
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
    pub(super) fn raw(&self) -> Option<*mut RawEvent> {
        self.0.events.borrow().first().copied()
    }

    pub(super) fn start_timer(&self, delay: Duration) -> Result<(), Failure> {
        let (Some(raw), Some(inner)) = (self.raw(), self.0.inner.upgrade()) else { return Ok(()) };
        // SAFETY: the base and the event exist. What the base takes for now may be long ago.
        check(unsafe {
            (self.0.event.event_base_update_cache_time)(inner.base);
            (self.0.event.event_add)(raw, &timeval(delay))
        })
    }

    /// Watches its descriptor, unless for nothing.
    pub(super) fn watch(&self, what: c_short) -> Result<(), Failure> {
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
    pub(super) fn remove(&self) {
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
    pub(super) fn source(
        &self,
        call: impl FnMut(&Handle, &Source, c_int, c_short) + 'static,
    ) -> Source {
        let (event, inner) = (self.0.event, Rc::downgrade(&self.0));
        let callback: Callback<Call> = Callback::new(Box::new(call));
        let (events, trigger, fd) = (RefCell::default(), Trigger(Shared::new()), Cell::new(-1));
        let source = Source(Rc::new(Watched { event, inner, events, callback, trigger, fd }));
        self.0.sources.borrow_mut().insert(Rc::as_ptr(&source.0), source.clone());
        source
    }

    /// Gives a source an event, which is not added.
    pub(super) fn add(
        &self,
        source: &Source,
        fd: c_int,
        what: c_short,
    ) -> Result<*mut RawEvent, Failure> {
        let Inner { event, base, .. } = &*self.0;
        // SAFETY: the base exists, and the argument as long as the event.
        let raw = unsafe { (event.event_new)(*base, fd, what, on_event, source.argument()) };
        if raw.is_null() {
            return Err(io::Error::last_os_error().into());
        }
        source.0.events.borrow_mut().push(raw);
        Ok(raw)
    }

    pub(super) fn timer(
        &self,
        call: impl FnMut(&Handle, &Source, c_int, c_short) + 'static,
    ) -> Result<Source, Failure> {
        let source = self.source(call);
        self.add(&source, -1, 0)?;
        Ok(source)
    }

    pub(super) fn ping(
        &self,
        mut callback: impl FnMut(&Handle) + 'static,
    ) -> Result<Source, Failure> {
        let source = self.source(move |handle, _, _, _| callback(handle));
        source.0.trigger.0.set(self.add(&source, -1, 0)?);
        Ok(source)
    }
}
