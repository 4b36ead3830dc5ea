//! Sources of a loop that is handed a pointer with each callback and hands it back with each call.
//! The pointer is to the source here; a table has a share of it for as long as the loop may use it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::rc::{Rc, Weak};

use super::Callback;
use crate::adapter::{CancelIdle, Failure};

/// What such a library calls a loop and a source.
pub trait Pointers: Sized + 'static {
    /// The library's loop.
    type Loop;
    /// The library's source.
    type Raw;
    /// What a callback is told.
    type Event: Copy;
    /// What is kept with a source.
    type State;

    /// Removes a source of the loop.
    ///
    /// # Safety
    ///
    /// Both have to exist; the source is not used again.
    unsafe fn remove(event_loop: *mut Self::Loop, raw: *mut Self::Raw);

    /// Ends a loop that has no source any more.
    ///
    /// # Safety
    ///
    /// It has to exist, and is not used again.
    unsafe fn destroy(event_loop: *mut Self::Loop);
}

/// Reaches the loop.
pub struct Handle<L: Pointers>(Rc<Inner<L>>);

struct Inner<L: Pointers> {
    raw: *mut L::Loop,
    sources: RefCell<HashMap<*const Watched<L>, Source<L>>>,
}

/// A source: one of the loop's, or for signals one each.
pub struct Source<L: Pointers>(Rc<Watched<L>>);

type Call<L> = dyn FnMut(&Handle<L>, &Source<L>, <L as Pointers>::Event);

struct Watched<L: Pointers> {
    inner: Weak<Inner<L>>,
    raws: RefCell<Vec<*mut L::Raw>>,
    callback: Callback<Box<Call<L>>>,
    state: L::State,
}

impl<L: Pointers> Clone for Handle<L> {
    fn clone(&self) -> Self {
        Handle(self.0.clone())
    }
}

impl<L: Pointers> Clone for Source<L> {
    fn clone(&self) -> Self {
        Source(self.0.clone())
    }
}

impl<L: Pointers> fmt::Debug for Handle<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.0.raw).finish()
    }
}

impl<L: Pointers> fmt::Debug for Source<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.0.raws).finish()
    }
}

impl<L: Pointers> Handle<L> {
    /// Takes over a loop.
    pub(super) fn new(raw: *mut L::Loop) -> Self {
        Handle(Rc::new(Inner { raw, sources: RefCell::default() }))
    }

    /// The library's loop, which exists as long as a handle does.
    pub(super) fn raw(&self) -> *mut L::Loop {
        self.0.raw
    }

    /// A source that is not in the loop yet.
    pub(super) fn source(
        &self,
        state: L::State,
        callback: impl FnMut(&Handle<L>, &Source<L>, L::Event) + 'static,
    ) -> Source<L> {
        let (inner, raws) = (Rc::downgrade(&self.0), RefCell::default());
        let callback: Callback<Box<Call<L>>> = Callback::new(Box::new(callback));
        Source(Rc::new(Watched { inner, raws, callback, state }))
    }

    /// Has the library add one of its sources to its loop, with the pointer that it calls back with.
    ///
    /// # Errors
    ///
    /// What the function answers; then the library has added nothing.
    pub(super) fn add(
        &self,
        source: &Source<L>,
        add: impl FnOnce(*mut L::Loop, *mut c_void) -> Result<*mut L::Raw, Failure>,
    ) -> Result<(), Failure> {
        let pointer = Rc::as_ptr(&source.0);
        let raw = add(self.0.raw, pointer.cast_mut().cast())?;
        source.0.raws.borrow_mut().push(raw);
        self.0.sources.borrow_mut().insert(pointer, source.clone());
        Ok(())
    }
}

impl<L: Pointers> Source<L> {
    /// The source that has this pointer.
    ///
    /// # Safety
    ///
    /// The library has to have just called back with it, for a source that is not removed.
    pub(super) unsafe fn of(pointer: *mut c_void) -> Self {
        let watched = pointer.cast::<Watched<L>>().cast_const();
        // SAFETY: the table has a share of a source that is not removed.
        unsafe {
            Rc::increment_strong_count(watched);
            Source(Rc::from_raw(watched))
        }
    }

    /// Calls its callback.
    pub(super) fn call(&self, event: L::Event) {
        let Some(handle) = self.0.inner.upgrade().map(Handle) else { return };
        self.0.callback.call(|callback| callback(&handle, self, event));
    }

    pub(super) fn state(&self) -> &L::State {
        &self.0.state
    }

    /// Changes what it consists of in the library: nothing, if it is removed.
    ///
    /// # Errors
    ///
    /// What the function answers.
    pub(super) fn change(
        &self,
        change: impl Fn(*mut L::Loop, *mut L::Raw) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(inner) = self.0.inner.upgrade() else { return Ok(()) };
        self.0.raws.borrow().iter().try_for_each(|raw| change(inner.raw, *raw))
    }

    /// Leaves it to the library to remove what it has of the source.
    pub(super) fn forget(&self) {
        self.0.raws.take();
    }

    /// Removes it. The callback is dropped at once, or else when it returns.
    pub(super) fn close(&self) {
        if let Some(inner) = self.0.inner.upgrade() {
            self.leave(inner.raw);
            let share = inner.sources.borrow_mut().remove(&Rc::as_ptr(&self.0));
            drop(share);
        }
        self.0.callback.remove();
    }

    fn leave(&self, event_loop: *mut L::Loop) {
        for raw in self.0.raws.take() {
            // SAFETY: the loop exists, as its handle does, and nobody finds the source any more.
            unsafe { L::remove(event_loop, raw) };
        }
    }
}

impl<L: Pointers> Drop for Inner<L> {
    fn drop(&mut self) {
        let sources: Vec<Source<L>> = self.sources.take().into_values().collect();
        sources.iter().for_each(|source| source.leave(self.raw));
        sources.iter().for_each(|source| source.0.callback.remove());
        // SAFETY: nobody has a handle to it any more, and it has no source.
        unsafe { L::destroy(self.raw) };
    }
}

impl<L: Pointers> CancelIdle for Source<L> {
    fn cancel(self) {
        self.close();
    }
}
