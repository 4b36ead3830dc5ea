//! A source of every kind that the loop has, each of which can be given something to be called for.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::kit::{has, insert_once, insert_reader, raise};
use crate::adapter::{Adapter, Capability, Failure, Ping, Sender, Spawn};

/// A kind of source.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// How often its callback was called.
    pub(super) calls: Rc<Cell<usize>>,
    /// Gives it something to be called for, once.
    pub(super) make_due: Box<dyn Fn() -> Result<(), Failure>>,
}

impl Kind {
    fn new<M>(name: &'static str, calls: &Rc<Cell<usize>>, make_due: M) -> Self
    where
        M: Fn() -> Result<(), Failure> + 'static,
    {
        Kind { name, calls: calls.clone(), make_due: Box::new(make_due) }
    }
}

/// A counter, and a callback that counts.
fn counter<A: Adapter>() -> (Rc<Cell<usize>>, impl Fn(&A::Handle) + Clone + 'static) {
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    (calls, move |_: &A::Handle| counted.set(counted.get() + 1))
}

/// One of every kind: descriptor, timer, ping, message, idle callback, signal, future.
pub(super) fn insert_kinds<A: Adapter>(handle: &A::Handle) -> Result<Vec<Kind>, Failure> {
    let mut kinds = Vec::new();
    if has::<A>(Capability::Descriptors) {
        let (calls, count) = counter::<A>();
        let (wire, _source) = insert_reader::<A>(handle, count)?;
        kinds.push(Kind::new("descriptor", &calls, move || {
            wire.send();
            Ok(())
        }));
    }
    if has::<A>(Capability::Timers) {
        let ((calls, count), timer_handle) = (counter::<A>(), handle.clone());
        kinds.push(Kind::new("timer", &calls, move || {
            insert_once::<A>(&timer_handle, Duration::ZERO, count.clone()).map(drop)
        }));
    }
    if has::<A>(Capability::Ping) {
        let (calls, count) = counter::<A>();
        let (ping, _source) = A::insert_ping(handle, count)?;
        kinds.push(Kind::new("ping", &calls, move || {
            ping.ping();
            Ok(())
        }));
    }
    if has::<A>(Capability::Channel) {
        let (calls, count) = counter::<A>();
        let (sender, _source) = A::insert_channel(handle, move |handle, _| count(handle))?;
        kinds.push(Kind::new("message", &calls, move || {
            sender.send(()).map_err(|()| Failure::Other("the channel is closed".to_string()))
        }));
    }
    if has::<A>(Capability::Idle) {
        let ((calls, count), idle_handle) = (counter::<A>(), handle.clone());
        kinds.push(Kind::new("idle callback", &calls, move || {
            A::insert_idle(&idle_handle, count.clone()).map(drop)
        }));
    }
    if has::<A>(Capability::Signals) {
        let (calls, count) = counter::<A>();
        let signal = Signal::SIGUSR1;
        A::insert_signals(handle, &[signal as i32], move |handle, _| count(handle))?;
        kinds.push(Kind::new("signal", &calls, move || {
            raise(signal);
            if !has::<A>(Capability::SignalMask) {
                // A handler may hand it to a thread, which hands it to the loop.
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(())
        }));
    }
    if has::<A>(Capability::Executor) {
        let (calls, count) = counter::<A>();
        let (spawner, _source) = A::insert_executor(handle, move |handle, ()| count(handle))?;
        kinds.push(Kind::new("future", &calls, move || {
            let is_taken = spawner.spawn(async {});
            let gone = || Failure::Other("the executor is gone".to_string());
            is_taken.then_some(()).ok_or_else(gone)
        }));
    }
    Ok(kinds)
}
