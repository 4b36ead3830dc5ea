//! What stands in every printed program.

pub(super) const HEAD: &str = r#"
#![allow(
    clippy::match_single_binding,
    clippy::print_stdout,
    clippy::single_match,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "as it comes"
)]
#![allow(dead_code, unused_imports, unused_variables, reason = "a program need not use all of it")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use conformance::adapter::{
    Adapter, CancelIdle, ChannelEvent, Failure, Interest, Mode, Next, Ping, Sender, Spawn, Stop,
    TimerNext,
};
use conformance::model::{
    Gate, Signal, block_signal, catch_signals, drain, fill, interrupted, is_readable, nest, pair,
    pipe, raise, transfer,
};

use LOOP as Loop;

type Handle = <Loop as Adapter>::Handle;
type Source = <Loop as Adapter>::Source;

/// The name of a source, while it has one.
type Name = RefCell<Option<Source>>;

/// An end of a descriptor, while it is open.
type End = RefCell<Option<File>>;

/// What has a source called, or a message sent, from any thread.
type Poke = RefCell<Option<Arc<dyn Fn() + Send + Sync>>>;

fn poke(poke: &Poke) {
    let poke = poke.borrow().clone();
    poke.into_iter().for_each(|poke| poke());
}

fn change(name: &Name, how: impl FnOnce(&Source) -> Result<(), Failure>) {
    let source = name.borrow().clone();
    println!("    it comes to this: {:?}", source.map(|source| how(&source)));
}

fn remove(handle: &Handle, name: &Name) {
    let source = name.take();
    source.into_iter().for_each(|source| Loop::remove(handle, source));
}

fn write(far: &End, count: usize) {
    if let Some(far) = &mut *far.borrow_mut() {
        far.write_all(&vec![0; count]).expect("there is room");
    }
}

fn hang_up(far: &End) {
    let far = far.take();
    // With something unread it would be a reset of the connection, not its end.
    far.iter().for_each(drain);
}

fn dispatch(event_loop: &mut Loop, limit: impl Into<Option<Duration>>) {
    let limit = limit.into();
    println!("dispatch, at most {limit:?}");
    let outcome = catch_unwind(AssertUnwindSafe(|| event_loop.dispatch(limit)));
    println!("  it ends: {outcome:?}");
}

/// A dispatch that lasts until something happens, or for a second; this happens on another thread.
fn block(
    event_loop: &mut Loop,
    limit: impl Into<Option<Duration>>,
    poke: Option<Arc<dyn Fn() + Send + Sync>>,
) {
    let stopper = event_loop.stopper().ok();
    let limit = if stopper.is_some() { limit.into() } else { Some(Duration::from_secs(1)) };
    let (over, is_over) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_micros(300));
        poke.into_iter().for_each(|poke| poke());
        if is_over.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
            stopper.into_iter().for_each(|stopper| stopper.wakeup());
        }
    });
    dispatch(event_loop, limit);
    drop(over);
    thread.join().expect("the thread ends");
}

type Gates = RefCell<Vec<Arc<Gate>>>;

/// The oldest gate that is not open.
fn next(gates: &Gates) -> Option<Arc<Gate>> {
    gates.borrow().iter().find(|gate| !gate.is_open()).cloned()
}

type Spawns = RefCell<Option<Rc<dyn Fn(Pin<Box<dyn Future<Output = ()>>>)>>>;

fn spawn(spawns: &Spawns, future: impl Future<Output = ()> + 'static) {
    let spawn = spawns.borrow().clone();
    if let Some(spawn) = spawn {
        spawn(Box::pin(future));
    }
}

fn spawn_gated(spawns: &Spawns, gates: &Gates, is_open: bool) {
    let gate = Arc::new(Gate::new(is_open));
    gates.borrow_mut().push(gate.clone());
    spawn(spawns, async move { gate.passed().await });
}

/// The other ends of what futures wait for, and whether they wait to write.
type Feeds = RefCell<VecDeque<(File, bool)>>;

fn spawn_transfer(handle: &Handle, spawns: &Spawns, feeds: &Feeds, is_writing: bool) {
    let (near, far) = pair().expect("two sockets");
    if is_writing {
        fill(&near);
    }
    let near = UnixStream::from(near);
    near.set_nonblocking(is_writing).expect("it blocks or not");
    let io = Loop::adapt_io(handle, near.into()).expect("an adapter");
    feeds.borrow_mut().push_back((far, is_writing));
    spawn(spawns, async move { drop(transfer(io, is_writing).await) });
}

fn feed(feeds: &Feeds) {
    let Some((mut far, is_writing)) = feeds.borrow_mut().pop_front() else { return };
    if is_writing {
        drain(&far);
    } else {
        far.write_all(&[0]).expect("there is room");
    }
    // The end of the other side would be news, too.
    std::mem::forget(far);
}

/// Does this when it is dropped.
struct Farewell(Rc<World>, fn(&Rc<World>, &Handle));

impl Drop for Farewell {
    fn drop(&mut self) {
        let handle = self.0.handle.borrow().clone();
        handle.iter().for_each(|handle| (self.1)(&self.0, handle));
    }
}
"#;

pub(super) const MAIN: &str = r#"
fn main() {
    catch_signals();
    let mut event_loop = Loop::new().expect("a loop");
    let handle = &event_loop.handle();
    let stop: Poke = RefCell::default();
    let wake_up: Poke = RefCell::default();
    if let Ok(stopper) = event_loop.stopper() {
        let other = stopper.clone();
        stop.replace(Some(Arc::new(move || stopper.stop())));
        wake_up.replace(Some(Arc::new(move || other.wakeup())));
    }
    let world = &Rc::new(World {
        start: Instant::now(), handle: RefCell::new(Some(handle.clone())), stop, wake_up, FIELDS
    });
"#;
