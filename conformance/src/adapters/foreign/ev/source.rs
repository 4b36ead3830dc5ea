//! The sources of libev's loop, and what libev calls for them.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Ev;
use super::library::{EvLoop, Functions, Kind, Rest, Timer, Watcher};
use crate::adapter::{Failure, Ping, Stop, TimerNext};
use crate::adapters::foreign::pointers::{self, Handle, Pointers};

pub(super) type Source = pointers::Source<Ev>;

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
pub(super) struct Sender(Arc<Mutex<(AtomicPtr<EvLoop>, AtomicPtr<Watcher>)>>);

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

/// Starts a watcher for a source.
pub(super) fn add(
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
pub(super) fn set(source: &Source, rest: Rest) -> Result<(), Failure> {
    // SAFETY: the loop and the watcher exist; it is stopped while it is changed.
    source.change(|event_loop, raw| unsafe {
        ((*raw).kind.stop)(event_loop, raw);
        (*raw).rest = rest;
        (Functions::get().ev_now_update)(event_loop);
        ((*raw).kind.start)(event_loop, raw);
        Ok(())
    })
}

pub(super) fn after(delay: Duration) -> Rest {
    Rest { timer: Timer { at: delay.as_secs_f64(), repeat: 0.0 } }
}

pub(super) fn timer(
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

pub(super) fn ping(
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
