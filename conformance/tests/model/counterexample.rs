//! A program for calloop-ref 0.1.0.
//!
//! Expected: what the loop does.
//! Actual: the same: this one is an example.

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

use conformance::adapters::CalloopRef as Loop;

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

/// What steps and callbacks share.
struct World {
    start: Instant,
    handle: RefCell<Option<Handle>>,
    stop: Poke,
    wake_up: Poke,
    a_is_inserted: Cell<bool>,
    a: Name,
    a_near: RefCell<Option<OwnedFd>>,
    a_far: End,
    b_is_inserted: Cell<bool>,
    b: Name,
    b_ping: Poke,
    c_is_inserted: Cell<bool>,
    c_cancel: RefCell<Option<Box<dyn FnOnce()>>>,
    d_is_inserted: Cell<bool>,
    d: Name,
    d_send: Poke,
    d_push: Poke,
    e_is_inserted: Cell<bool>,
    e: Name,
    f_is_inserted: Cell<bool>,
    f: Name,
    g_is_inserted: Cell<bool>,
    g: Name,
    g_spawn: Spawns,
    g_gates: Gates,
    g_feeds: Feeds,
    h_is_inserted: Cell<bool>,
    h: Name,
    h_send: Poke,
    h_push: Poke,
    i_is_inserted: Cell<bool>,
    i: Name,
    j_is_inserted: Cell<bool>,
    j: Name,
    j_near: RefCell<Option<OwnedFd>>,
    j_far: End,
    k_is_inserted: Cell<bool>,
    k: Name,
    k_send: Poke,
    k_push: Poke,
    l_is_inserted: Cell<bool>,
    l: Name,
    m_is_inserted: Cell<bool>,
    m: Name,
    m_far: End,
}

/// a: descriptor, Read, Level.
fn insert_a(world: &Rc<World>, handle: &Handle) {
    if world.a_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let (near, far) = pair().expect("two sockets");
    let same = near.try_clone().expect("another descriptor");
    let (interest, mode) = (Interest::Read, Mode::Level);
    let source = Loop::insert_fd(handle, near, interest, mode, move |handle, fd, ready| {
        println!("  a is called, {ready:?}");
        let world = &own;
        calls += 1;
        match calls {
            1 => {
                let near = fd.try_clone_to_owned().map(File::from);
                println!("    read: {:?}", near.and_then(|mut near| near.read(&mut [0; 8])));
                poke(&world.b_ping);
                write(&world.a_far, 1);
                Next::Rearm
            }
            2 => {
                remove(handle, &world.a);
                insert_c(world, handle);
                raise(Signal::Usr1).expect("a signal");
                Next::Fail("as the program says")
            }
            _ => Next::Continue,
        }
    });
    world.a_far.replace(Some(far));
    world.a_near.replace(Some(same));
    world.a.replace(Some(source.expect("it is inserted")));
}

/// b: ping.
fn insert_b(world: &Rc<World>, handle: &Handle) {
    if world.b_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let inserted = Loop::insert_ping(handle, move |handle| {
        println!("  b is called");
        let world = &own;
        calls += 1;
        match calls {
            1 => {
                poke(&world.d_send);
                spawn_gated(&world.g_spawn, &world.g_gates, true);
            }
            _ => {}
        }
    });
    let (ping, source) = inserted.expect("it is inserted");
    world.b_ping.replace(Some(Arc::new(move || ping.clone().ping())));
    world.b.replace(Some(source));
}

/// c: idle callback.
fn insert_c(world: &Rc<World>, handle: &Handle) {
    if world.c_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let farewell = Farewell(world.clone(), |world, handle| {
        poke(&world.wake_up);
        let cancel = world.c_cancel.take();
        cancel.into_iter().for_each(|cancel| cancel());
    });
    let idle = Loop::insert_idle(handle, move |handle| {
        let _farewell = farewell;
        println!("  c is called");
        let world = &own;
        calls += 1;
        match calls {
            1 => {
                let cancel = world.c_cancel.take();
                cancel.into_iter().for_each(|cancel| cancel());
                change(&world.e, |e| Loop::reset_timer(handle, e, Duration::ZERO));
                panic!("as the program says")
            }
            _ => {}
        }
    });
    let idle = idle.expect("it is inserted");
    world.c_cancel.replace(Some(Box::new(move || idle.cancel())));
}

/// d: channel.
fn insert_d(world: &Rc<World>, handle: &Handle) {
    if world.d_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let inserted = Loop::insert_channel(handle, move |handle, event: ChannelEvent<u32>| {
        println!("  d is called, {event:?}");
        let world = &own;
        calls += 1;
        match calls {
            1 => {
                change(&world.d, |d| Loop::disable(handle, d));
                poke(&world.stop);
            }
            _ => {}
        }
    });
    let (sender, source) = inserted.expect("it is inserted");
    let sender = Arc::new(Mutex::new((0, sender)));
    let pusher = sender.clone();
    world.d_send.replace(Some(Arc::new(move || {
        let (sent, sender) = &mut *sender.lock().expect("no sender panics");
        *sent += 1;
        if let Err(refused) = sender.send(*sent) {
            println!("    it comes to this: {refused:?}");
        }
    })));
    world.d_push.replace(Some(Arc::new(move || {
        let (number, sender) = {
            let (sent, sender) = &mut *pusher.lock().expect("no sender panics");
            *sent += 1;
            (*sent, sender.clone())
        };
        std::thread::spawn(move || {
            println!("  another thread has sent: {:?}", sender.send(number))
        });
        std::thread::sleep(Duration::from_micros(500));
    })));
    world.d.replace(Some(source));
}

/// e: timer, 10 ms before the start.
fn insert_e(world: &Rc<World>, handle: &Handle) {
    if world.e_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let source = Loop::insert_deadline(
        handle,
        world.start - Duration::from_millis(10),
        move |handle, deadline| {
            println!("  e is called, {deadline:?}");
            let world = &own;
            calls += 1;
            match calls {
                1 => {
                    println!("    another loop: {:?}", nest::<Loop>());
                    TimerNext::At(world.start + Duration::from_secs(3600))
                }
                _ => TimerNext::Stop,
            }
        },
    );
    world.e.replace(Some(source.expect("it is inserted")));
}

/// f: signals, SIGUSR1 and SIGUSR2.
fn insert_f(world: &Rc<World>, handle: &Handle) {
    if world.f_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let source = Loop::insert_signals(handle, &[10, 12], move |handle, event| {
        println!("  f is called, {event:?}");
        let world = &own;
        calls += 1;
        match calls {
            _ => {}
        }
    });
    world.f.replace(Some(source.expect("it is inserted")));
}

/// g: executor.
fn insert_g(world: &Rc<World>, handle: &Handle) {
    if world.g_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let inserted = Loop::insert_executor(handle, move |handle, output: usize| {
        println!("  g is called, {output}");
        let world = &own;
        calls += 1;
        match calls {
            1 => {
                next(&world.g_gates).into_iter().for_each(|gate| gate.open());
                change(&world.d, |d| Loop::enable(handle, d));
            }
            _ => {}
        }
    });
    let (spawn, source) = inserted.expect("it is inserted");
    let spawned = Cell::new(0);
    world.g_spawn.replace(Some(Rc::new(move |future| {
        let number = spawned.replace(spawned.get() + 1);
        let is_spawned = spawn.spawn(async move {
            future.await;
            number
        });
        println!("    it comes to this: {is_spawned}");
    })));
    world.g.replace(Some(source));
}

/// h: channel for 1.
fn insert_h(world: &Rc<World>, handle: &Handle) {
    if world.h_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let inserted =
        Loop::insert_bounded_channel(handle, 1, move |handle, event: ChannelEvent<u32>| {
            println!("  h is called, {event:?}");
            let world = &own;
            calls += 1;
            match calls {
                _ => {}
            }
        });
    let (sender, source) = inserted.expect("it is inserted");
    let sender = Arc::new(Mutex::new((0, sender)));
    let pusher = sender.clone();
    world.h_send.replace(Some(Arc::new(move || {
        let (sent, sender) = &mut *sender.lock().expect("no sender panics");
        *sent += 1;
        if let Err(refused) = sender.try_send(*sent) {
            println!("    it comes to this: {refused:?}");
        }
    })));
    world.h_push.replace(Some(Arc::new(move || {
        let (number, sender) = {
            let (sent, sender) = &mut *pusher.lock().expect("no sender panics");
            *sent += 1;
            (*sent, sender.clone())
        };
        std::thread::spawn(move || {
            println!("  another thread has sent: {:?}", sender.send(number))
        });
        std::thread::sleep(Duration::from_micros(500));
    })));
    world.h.replace(Some(source));
}

/// i: timer, in 1 ms.
fn insert_i(world: &Rc<World>, handle: &Handle) {
    if world.i_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let source = Loop::insert_timer(handle, Duration::from_millis(1), move |handle, deadline| {
        println!("  i is called, {deadline:?}");
        let world = &own;
        calls += 1;
        match calls.min(1) {
            1 => TimerNext::At(world.start - Duration::from_millis(20)),
            _ => TimerNext::Stop,
        }
    });
    world.i.replace(Some(source.expect("it is inserted")));
}

/// j: descriptor, Both, Edge.
fn insert_j(world: &Rc<World>, handle: &Handle) {
    if world.j_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let (near, far) = pair().expect("two sockets");
    let same = near.try_clone().expect("another descriptor");
    let (interest, mode) = (Interest::Both, Mode::Edge);
    let source = Loop::insert_fd(handle, near, interest, mode, move |handle, fd, ready| {
        println!("  j is called, {ready:?}");
        let world = &own;
        calls += 1;
        match calls {
            _ => Next::Continue,
        }
    });
    world.j_far.replace(Some(far));
    world.j_near.replace(Some(same));
    world.j.replace(Some(source.expect("it is inserted")));
}

/// k: channel for 0.
fn insert_k(world: &Rc<World>, handle: &Handle) {
    if world.k_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let inserted =
        Loop::insert_bounded_channel(handle, 0, move |handle, event: ChannelEvent<u32>| {
            println!("  k is called, {event:?}");
            let world = &own;
            calls += 1;
            match calls {
                _ => {}
            }
        });
    let (sender, source) = inserted.expect("it is inserted");
    let sender = Arc::new(Mutex::new((0, sender)));
    let pusher = sender.clone();
    world.k_send.replace(Some(Arc::new(move || {
        let (sent, sender) = &mut *sender.lock().expect("no sender panics");
        *sent += 1;
        if let Err(refused) = sender.try_send(*sent) {
            println!("    it comes to this: {refused:?}");
        }
    })));
    world.k_push.replace(Some(Arc::new(move || {
        let (number, sender) = {
            let (sent, sender) = &mut *pusher.lock().expect("no sender panics");
            *sent += 1;
            (*sent, sender.clone())
        };
        std::thread::spawn(move || {
            println!("  another thread has sent: {:?}", sender.send(number))
        });
        std::thread::sleep(Duration::from_micros(500));
    })));
    world.k.replace(Some(source));
}

/// l: timer, never.
fn insert_l(world: &Rc<World>, handle: &Handle) {
    if world.l_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let source = Loop::insert_timer(handle, Duration::MAX, move |handle, deadline| {
        println!("  l is called, {deadline:?}");
        let world = &own;
        calls += 1;
        match calls {
            _ => TimerNext::Stop,
        }
    });
    world.l.replace(Some(source.expect("it is inserted")));
}

/// m: pipe, Level.
fn insert_m(world: &Rc<World>, handle: &Handle) {
    if world.m_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let (near, far) = pipe().expect("a pipe");
    let (interest, mode) = (Interest::Read, Mode::Level);
    let source = Loop::insert_fd(handle, near, interest, mode, move |handle, fd, ready| {
        println!("  m is called, {ready:?}");
        let world = &own;
        calls += 1;
        match calls {
            1 => {
                let near = fd.try_clone_to_owned().map(File::from);
                println!("    read: {:?}", near.and_then(|mut near| near.read(&mut [0; 1])));
                Next::Continue
            }
            _ => Next::Continue,
        }
    });
    world.m_far.replace(Some(far));
    world.m.replace(Some(source.expect("it is inserted")));
}

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
        start: Instant::now(),
        handle: RefCell::new(Some(handle.clone())),
        stop,
        wake_up,
        a_is_inserted: Cell::default(),
        a: Default::default(),
        a_near: Default::default(),
        a_far: Default::default(),
        b_is_inserted: Cell::default(),
        b: Default::default(),
        b_ping: Default::default(),
        c_is_inserted: Cell::default(),
        c_cancel: Default::default(),
        d_is_inserted: Cell::default(),
        d: Default::default(),
        d_send: Default::default(),
        d_push: Default::default(),
        e_is_inserted: Cell::default(),
        e: Default::default(),
        f_is_inserted: Cell::default(),
        f: Default::default(),
        g_is_inserted: Cell::default(),
        g: Default::default(),
        g_spawn: Default::default(),
        g_gates: Default::default(),
        g_feeds: Default::default(),
        h_is_inserted: Cell::default(),
        h: Default::default(),
        h_send: Default::default(),
        h_push: Default::default(),
        i_is_inserted: Cell::default(),
        i: Default::default(),
        j_is_inserted: Cell::default(),
        j: Default::default(),
        j_near: Default::default(),
        j_far: Default::default(),
        k_is_inserted: Cell::default(),
        k: Default::default(),
        k_send: Default::default(),
        k_push: Default::default(),
        l_is_inserted: Cell::default(),
        l: Default::default(),
        m_is_inserted: Cell::default(),
        m: Default::default(),
        m_far: Default::default(),
    });
    block_signal(Signal::Usr1);
    let ping = |_| Loop::insert_ping(handle, |_| println!("one of the crowd is called"));
    let crowd: Vec<_> = (0..260).map(ping).collect();
    println!("insert a");
    insert_a(world, handle);
    println!("insert b");
    insert_b(world, handle);
    println!("insert c");
    insert_c(world, handle);
    println!("insert d");
    insert_d(world, handle);
    println!("insert e");
    insert_e(world, handle);
    println!("insert f");
    insert_f(world, handle);
    println!("insert g");
    insert_g(world, handle);
    println!("insert h");
    insert_h(world, handle);
    println!("insert i");
    insert_i(world, handle);
    println!("insert j");
    insert_j(world, handle);
    println!("insert k");
    insert_k(world, handle);
    println!("insert l");
    insert_l(world, handle);
    println!("insert m");
    insert_m(world, handle);
    println!("write 3 to a");
    write(&world.a_far, 3);
    println!("spawn on g, gated");
    spawn_gated(&world.g_spawn, &world.g_gates, false);
    println!("spawn on g, to sleep 1 ms");
    spawn(&world.g_spawn, Loop::sleep(handle, Duration::from_millis(1)).expect("a delay"));
    println!("spawn on g, to read");
    spawn_transfer(handle, &world.g_spawn, &world.g_feeds, false);
    println!("spawn on g, to write");
    spawn_transfer(handle, &world.g_spawn, &world.g_feeds, true);
    println!("let a future of g read or write");
    feed(&world.g_feeds);
    println!("let a future of g read or write");
    feed(&world.g_feeds);
    println!("send to d over and over");
    (0..1200).for_each(|_| poke(&world.d_send));
    println!("write 1 to m");
    write(&world.m_far, 1);
    println!("set f to SIGUSR1");
    change(&world.f, |f| Loop::set_signals(handle, f, &[10]));
    println!("raise SIGUSR2");
    raise(Signal::Usr2).expect("a signal");
    interrupted(|| dispatch(&mut event_loop, Duration::from_micros(1900)));
    println!("its own descriptor: {:?}", event_loop.as_fd().map(is_readable));
    dispatch(&mut event_loop, Duration::ZERO);
    let rounds = Cell::new(0);
    let each = |_: &Handle| {
        println!("  a dispatch ends");
        if rounds.replace(rounds.get() + 1) == 1 {
            poke(&world.stop);
        }
    };
    let run = || event_loop.run(Some(Duration::ZERO), each);
    println!("run: {:?}", catch_unwind(AssertUnwindSafe(run)));
    println!("spawn on g, to panic");
    spawn(&world.g_spawn, async { panic!("as the program says") });
    println!("send to h");
    poke(&world.h_send);
    println!("send to h from another thread");
    poke(&world.h_push);
    println!("send to k from another thread");
    poke(&world.k_push);
    println!("fill j");
    world.j_near.borrow().iter().for_each(fill);
    println!("read all that was written to j");
    world.j_far.borrow().iter().for_each(drain);
    println!("use another loop on another thread");
    println!("    another loop: {:?}", std::thread::spawn(nest::<Loop>).join());
    println!("let time pass");
    std::thread::sleep(Duration::from_micros(1100));
    println!("update j to None, OneShot");
    change(&world.j, |j| Loop::update_fd(handle, j, Interest::None, Mode::OneShot));
    println!("remove j");
    change(&world.j, |j| {
        Loop::remove(handle, j.clone());
        Ok(())
    });
    println!("hang up on j");
    hang_up(&world.j_far);
    println!("hang up on m");
    hang_up(&world.m_far);
    println!("drop the handle of b");
    drop((world.b_ping.take(), world.b.take()));
    println!("drop the handle of h");
    drop((world.h_send.take(), world.h_push.take()));
    println!("drop the handle of g");
    drop(world.g_spawn.take());
    println!("drop the handle of c");
    drop(world.c_cancel.take());
    block(
        &mut event_loop,
        None,
        next(&world.g_gates).map(|gate| {
            let open: Arc<dyn Fn() + Send + Sync> = Arc::new(move || gate.open());
            open
        }),
    );
    block(&mut event_loop, Duration::MAX, None);
    dispatch(&mut event_loop, Duration::from_micros(1900));
    block(&mut event_loop, None, world.wake_up.borrow().clone());
    block(&mut event_loop, None, world.d_send.borrow().clone());
    world.handle.take();
}
