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
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conformance::adapter::{
    Adapter, CancelIdle, ChannelEvent, Failure, Interest, Mode, Next, Ping, Sender, Spawn, Stop,
    TimerNext,
};
use conformance::model::{Gate, is_readable, raise};

use conformance::adapters::CalloopRef as Loop;

type Handle = <Loop as Adapter>::Handle;
type Source = <Loop as Adapter>::Source;

/// The name of a source, while it has one.
type Name = RefCell<Option<Source>>;

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

fn write(far: &RefCell<Option<UnixStream>>, count: usize) {
    if let Some(far) = &mut *far.borrow_mut() {
        far.write_all(&vec![0; count]).expect("there is room");
    }
}

fn dispatch(event_loop: &mut Loop, limit: Duration) {
    println!("dispatch, at most {limit:?}");
    let outcome = catch_unwind(AssertUnwindSafe(|| event_loop.dispatch(Some(limit))));
    println!("  it ends: {outcome:?}");
}

/// A dispatch that ends when this has happened on another thread, or after a second.
fn meanwhile(event_loop: &mut Loop, poke: Option<Arc<dyn Fn() + Send + Sync>>) {
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_micros(300));
        poke.into_iter().for_each(|poke| poke());
    });
    dispatch(event_loop, Duration::from_secs(1));
    thread.join().expect("the thread ends");
}

/// What steps and callbacks share.
struct World {
    start: Instant,
    stop: Poke,
    wake_up: Poke,
    a_is_inserted: Cell<bool>,
    a: Name,
    a_far: RefCell<Option<UnixStream>>,
    b_is_inserted: Cell<bool>,
    b: Name,
    b_ping: Poke,
    c_is_inserted: Cell<bool>,
    c_cancel: RefCell<Option<Box<dyn FnOnce()>>>,
    d_is_inserted: Cell<bool>,
    d: Name,
    d_send: Poke,
    e_is_inserted: Cell<bool>,
    e: Name,
    f_is_inserted: Cell<bool>,
    f: Name,
    g_is_inserted: Cell<bool>,
    g: Name,
    g_spawn: RefCell<Option<Rc<dyn Fn(Rc<Gate>)>>>,
    g_gates: RefCell<Vec<Rc<Gate>>>,
    h_is_inserted: Cell<bool>,
    h: Name,
    h_send: Poke,
    i_is_inserted: Cell<bool>,
    i: Name,
    j_is_inserted: Cell<bool>,
    j: Name,
    j_far: RefCell<Option<UnixStream>>,
}

/// a: descriptor, Read, Level.
fn insert_a(world: &Rc<World>, handle: &Handle) {
    if world.a_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let (near, far) = UnixStream::pair().expect("two sockets");
    near.set_nonblocking(true).expect("it does not block");
    let (interest, mode) = (Interest::Read, Mode::Level);
    let source = Loop::insert_fd(handle, near.into(), interest, mode, move |handle, fd, ready| {
        println!("  a is called, {ready:?}");
        let world = &own;
        calls += 1;
        match calls {
            1 => {
                let near = fd.try_clone_to_owned().map(UnixStream::from);
                println!("    read: {:?}", near.and_then(|mut near| near.read(&mut [0; 8])));
                poke(&world.b_ping);
                write(&world.a_far, 1);
                Next::Rearm
            }
            2 => {
                remove(handle, &world.a);
                insert_c(world, handle);
                raise().expect("a signal");
                Next::Fail("as the program says")
            }
            _ => Next::Continue,
        }
    });
    world.a_far.replace(Some(far));
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
                let gate = Rc::new(Gate::new(true));
                world.g_gates.borrow_mut().push(gate.clone());
                let spawn = world.g_spawn.borrow().clone();
                spawn.into_iter().for_each(|spawn| spawn(gate.clone()));
            }
            _ => {}
        }
    });
    let (ping, source) = inserted.expect("it is inserted");
    world.b_ping.replace(Some(Arc::new(move || ping.ping())));
    world.b.replace(Some(source));
}

/// c: idle callback.
fn insert_c(world: &Rc<World>, handle: &Handle) {
    if world.c_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let idle = Loop::insert_idle(handle, move |handle| {
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
    let sender = Mutex::new((0, sender));
    world.d_send.replace(Some(Arc::new(move || {
        let (sent, sender) = &mut *sender.lock().expect("no sender panics");
        *sent += 1;
        println!("    it comes to this: {:?}", sender.send(*sent));
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
                    poke(&world.wake_up);
                    TimerNext::At(world.start + Duration::from_secs(3600))
                }
                _ => TimerNext::Stop,
            }
        },
    );
    world.e.replace(Some(source.expect("it is inserted")));
}

/// f: signal.
fn insert_f(world: &Rc<World>, handle: &Handle) {
    if world.f_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let source = Loop::insert_signals(handle, &[10], move |handle, event| {
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
                let gates = world.g_gates.borrow().clone();
                gates.iter().find(|gate| !gate.is_open()).into_iter().for_each(|gate| gate.open());
                change(&world.d, |d| Loop::enable(handle, d));
            }
            _ => {}
        }
    });
    let (spawn, source) = inserted.expect("it is inserted");
    let spawned = Cell::new(0);
    world.g_spawn.replace(Some(Rc::new(move |gate: Rc<Gate>| {
        let number = spawned.replace(spawned.get() + 1);
        let is_spawned = spawn.spawn(async move {
            gate.passed().await;
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
    let sender = Mutex::new((0, sender));
    world.h_send.replace(Some(Arc::new(move || {
        let (sent, sender) = &mut *sender.lock().expect("no sender panics");
        *sent += 1;
        println!("    it comes to this: {:?}", sender.try_send(*sent));
    })));
    world.h.replace(Some(source));
}

/// i: timer, in 2 ms.
fn insert_i(world: &Rc<World>, handle: &Handle) {
    if world.i_is_inserted.replace(true) {
        return;
    }
    let own = world.clone();
    let mut calls = 0;
    let source = Loop::insert_timer(handle, Duration::from_millis(2), move |handle, deadline| {
        println!("  i is called, {deadline:?}");
        let world = &own;
        calls += 1;
        match calls {
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
    let (near, far) = UnixStream::pair().expect("two sockets");
    near.set_nonblocking(true).expect("it does not block");
    let (interest, mode) = (Interest::Both, Mode::Edge);
    let source = Loop::insert_fd(handle, near.into(), interest, mode, move |handle, fd, ready| {
        println!("  j is called, {ready:?}");
        let world = &own;
        calls += 1;
        match calls {
            _ => Next::Continue,
        }
    });
    world.j_far.replace(Some(far));
    world.j.replace(Some(source.expect("it is inserted")));
}

fn main() {
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
        stop,
        wake_up,
        a_is_inserted: Cell::default(),
        a: Default::default(),
        a_far: Default::default(),
        b_is_inserted: Cell::default(),
        b: Default::default(),
        b_ping: Default::default(),
        c_is_inserted: Cell::default(),
        c_cancel: Default::default(),
        d_is_inserted: Cell::default(),
        d: Default::default(),
        d_send: Default::default(),
        e_is_inserted: Cell::default(),
        e: Default::default(),
        f_is_inserted: Cell::default(),
        f: Default::default(),
        g_is_inserted: Cell::default(),
        g: Default::default(),
        g_spawn: Default::default(),
        g_gates: Default::default(),
        h_is_inserted: Cell::default(),
        h: Default::default(),
        h_send: Default::default(),
        i_is_inserted: Cell::default(),
        i: Default::default(),
        j_is_inserted: Cell::default(),
        j: Default::default(),
        j_far: Default::default(),
    });
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
    println!("write 3 to a");
    write(&world.a_far, 3);
    println!("spawn on g, gated");
    let gate = Rc::new(Gate::new(false));
    world.g_gates.borrow_mut().push(gate.clone());
    let spawn = world.g_spawn.borrow().clone();
    spawn.into_iter().for_each(|spawn| spawn(gate.clone()));
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
    println!("send to h");
    poke(&world.h_send);
    println!("update j to None, OneShot");
    change(&world.j, |j| Loop::update_fd(handle, j, Interest::None, Mode::OneShot));
    println!("remove j");
    change(&world.j, |j| {
        Loop::remove(handle, j.clone());
        Ok(())
    });
    println!("hang up on j");
    drop(world.j_far.take());
    println!("drop the handle of b");
    drop((world.b_ping.take(), world.b.take()));
    println!("drop the handle of h");
    drop(world.h_send.take());
    dispatch(&mut event_loop, Duration::from_secs(1));
    dispatch(&mut event_loop, Duration::from_millis(5));
    meanwhile(&mut event_loop, world.wake_up.borrow().clone());
    meanwhile(&mut event_loop, world.d_send.borrow().clone());
}
