//! The sources of libuv's loop, and what libuv calls for them.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_uint, c_void};
use std::fmt;
use std::io;
use std::ptr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::library::{ASYNC, Functions, RUN_DEFAULT, TIMER, UvHandle, UvLoop};
use crate::adapter::{Failure, Ping, Stop};
use crate::adapters::foreign::{Callback, Shared};

/// Reaches the loop.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Rc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) uv: &'static Functions,
    pub(super) raw: *mut UvLoop,
}

/// A source: one handle, or for signals one each.
#[derive(Clone, Debug)]
pub struct Source(pub(super) Rc<Watched>);

/// Gets the arguments of a callback of libuv, as far as there are any.
type Call = Box<dyn FnMut(&Handle, &Source, c_int, c_int)>;

/// Each of its handles has a share of it as its data, until it is closed.
pub(super) struct Watched {
    uv: &'static Functions,
    inner: Weak<Inner>,
    handles: RefCell<Vec<*mut UvHandle>>,
    callback: Callback<Call>,
    pub(super) sender: Sender,
    /// What is asked of a descriptor.
    pub(super) events: Cell<c_int>,
}

/// Sends to a `uv_async_t`, unless that is closed, which libuv does not permit.
#[derive(Clone, Debug)]
pub(super) struct Sender(Shared<UvHandle>);

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
pub(super) fn check(answer: c_int) -> Result<(), Failure> {
    if answer < 0 { Err(io::Error::from_raw_os_error(-answer).into()) } else { Ok(()) }
}

/// In milliseconds, rounded up, because a timer must not be early.
fn milliseconds(delay: Duration) -> u64 {
    delay.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
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
    pub(super) fn raw(&self) -> Option<*mut UvHandle> {
        self.0.handles.borrow().first().copied()
    }

    pub(super) fn start_timer(&self, delay: Duration) -> Result<(), Failure> {
        let Some(raw) = self.raw() else { return Ok(()) };
        if let Some(inner) = self.0.inner.upgrade() {
            // SAFETY: the loop exists. What it takes for now may be long ago.
            unsafe { (self.0.uv.uv_update_time)(inner.raw) };
        }
        // SAFETY: it is a timer that is not closed.
        check(unsafe { (self.0.uv.uv_timer_start)(raw, on_timer, milliseconds(delay), 0) })
    }

    pub(super) fn start_poll(&self) -> Result<(), Failure> {
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
    pub(super) fn close(&self) {
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

pub(super) unsafe extern "C" fn on_signal(raw: *mut UvHandle, signal: c_int) {
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
pub(super) fn allocate<T>(size: usize) -> *mut T {
    // SAFETY: it asks for nothing.
    let memory = unsafe { libc::calloc(1, size) };
    assert!(!memory.is_null(), "there is no memory left");
    memory.cast()
}

impl Handle {
    pub(super) fn source(
        &self,
        call: impl FnMut(&Handle, &Source, c_int, c_int) + 'static,
    ) -> Source {
        let (uv, inner) = (self.0.uv, Rc::downgrade(&self.0));
        let callback: Callback<Call> = Callback::new(Box::new(call));
        let (handles, events, sender) = (RefCell::default(), Cell::new(0), Sender(Shared::new()));
        Source(Rc::new(Watched { uv, inner, handles, callback, sender, events }))
    }

    /// Gives a source a handle of this kind.
    pub(super) fn add(
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

    pub(super) fn timer(
        &self,
        call: impl FnMut(&Handle, &Source, c_int, c_int) + 'static,
    ) -> Result<Source, Failure> {
        let source = self.source(call);
        // SAFETY: the loop exists, and the memory is of the size of a timer.
        self.add(&source, TIMER, |raw| unsafe { (self.0.uv.uv_timer_init)(self.0.raw, raw) })?;
        Ok(source)
    }

    pub(super) fn ping(
        &self,
        mut callback: impl FnMut(&Handle) + 'static,
    ) -> Result<Source, Failure> {
        let source = self.source(move |handle, _, _, _| callback(handle));
        // SAFETY: the loop exists, and the memory is of the size of a `uv_async_t`.
        let init = |raw| unsafe { (self.0.uv.uv_async_init)(self.0.raw, raw, on_async) };
        source.0.sender.0.set(self.add(&source, ASYNC, init)?);
        Ok(source)
    }
}
