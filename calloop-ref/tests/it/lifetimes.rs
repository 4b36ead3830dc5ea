//! What may borrow from what, who keeps what alive, and the order in which things go.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use calloop_ref::generic::Generic;
use calloop_ref::ping::make_ping;
use calloop_ref::timer::{TimeoutAction, TimeoutFuture, Timer};
use calloop_ref::{
    Dispatcher, EventLoop, Idle, Interest, LoopHandle, Mode, PostAction, WeakLoopHandle,
};

#[test]
fn data_callbacks_and_sources_may_borrow() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let text = String::from("borrowed");
    let calls = Cell::new(0);
    let mut log: Vec<&str> = Vec::new();
    {
        // The data borrows `text`, a callback `calls`, a source `near`.
        let mut event_loop: EventLoop<'_, &mut Vec<&str>> = EventLoop::try_new().unwrap();
        let source = Generic::new(near.as_fd(), Interest::READ, Mode::Level);
        event_loop
            .handle()
            .insert_source(source, |_, _, log| {
                calls.set(calls.get() + 1);
                log.push(&text);
                Ok(PostAction::Continue)
            })
            .unwrap();
        far.write_all(b"!").unwrap();
        event_loop.dispatch(Duration::ZERO, &mut &mut log).unwrap();
    }
    assert_eq!((calls.get(), log), (1, vec!["borrowed"]));
    near.shutdown(std::net::Shutdown::Both).expect("the loop has only borrowed it");
}

#[test]
fn an_idle_outlives_the_handle_it_came_from() {
    fn insert<'l>(event_loop: &EventLoop<'l, u32>) -> Idle<'l> {
        event_loop.handle().insert_idle(|calls| *calls += 1)
    }
    let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let (cancelled, _kept) = (insert(&event_loop), insert(&event_loop));
    cancelled.cancel();
    let mut calls = 0;
    event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
    assert_eq!(calls, 1);

    let late = insert(&event_loop);
    drop(event_loop);
    late.cancel();
}

/// Takes note of its drop, and of whether the loop could be reached then.
struct Guard<'l> {
    name: &'static str,
    log: Rc<RefCell<Vec<(&'static str, bool)>>>,
    weak: WeakLoopHandle<'l, ()>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let reached = self.weak.upgrade().is_some_and(|handle| {
            let _ = handle.insert_idle(|()| {});
            true
        });
        self.log.borrow_mut().push((self.name, reached));
    }
}

#[test]
fn a_handle_keeps_the_sources_and_a_weak_one_does_not() {
    let log = Rc::default();
    let event_loop: EventLoop<'_, ()> = EventLoop::try_new().unwrap();
    let handle = event_loop.handle();
    let weak = handle.downgrade();
    let guard = Guard { name: "timer", log: Rc::clone(&log), weak: weak.clone() };
    let timer = Timer::from_duration(Duration::from_secs(3600));
    handle
        .insert_source(timer, move |_, _, ()| {
            let _ = &guard;
            TimeoutAction::Drop
        })
        .unwrap();

    drop(event_loop);
    assert!(!weak.expired() && log.borrow().is_empty(), "the handle keeps the loop's sources");
    assert!(weak.upgrade().is_some());
    drop(handle);
    assert!(weak.expired() && weak.upgrade().is_none());
    assert_eq!(*log.borrow(), [("timer", false)], "a loop that goes cannot be reached");
}

#[test]
fn what_is_removed_goes_at_once_and_the_rest_with_the_loop() {
    let log = Rc::default();
    let mut event_loop: EventLoop<'_, ()> = EventLoop::try_new().unwrap();
    let handle = event_loop.handle();
    let insert = |name| {
        let guard = Guard { name, log: Rc::clone(&log), weak: handle.downgrade() };
        let (ping, source) = make_ping().unwrap();
        let inserted = handle.insert_source(source, move |(), _, ()| {
            let _ = &guard;
        });
        (ping, inserted.unwrap())
    };
    let (_first_ping, _) = insert("first");
    let (_second_ping, second) = insert("second");
    let guard = Guard { name: "idle", log: Rc::clone(&log), weak: handle.downgrade() };
    let _ = handle.insert_idle(move |()| drop(guard));

    handle.remove(second);
    assert_eq!(*log.borrow(), [("second", true)]);
    event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
    assert_eq!(log.borrow()[1..], [("idle", true)]);
    drop(handle);
    assert_eq!(log.borrow().len(), 2);
    drop(event_loop);
    assert_eq!(log.borrow()[2..], [("first", false)]);
}

#[test]
fn a_dispatcher_and_its_source_outlive_the_loop() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let source = Generic::new(near, Interest::READ, Mode::Level);
    let dispatcher = Dispatcher::new(source, |_, _, calls: &mut u32| {
        *calls += 1;
        Ok(PostAction::Continue)
    });
    far.write_all(b"!").unwrap();
    let mut calls = 0;
    for expected in 1..=2 {
        let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
        event_loop.handle().register_dispatcher(dispatcher.clone()).unwrap();
        event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
        assert_eq!(calls, expected);
    }
    let near = dispatcher.into_source_inner().unwrap();
    near.shutdown(std::net::Shutdown::Both).expect("it is open");
}

#[test]
fn an_async_adapter_outlives_the_loop_and_gives_back_what_it_got() {
    use rustix::fs::{OFlags, fcntl_getfl};

    let is_nonblocking =
        |fd: &UnixStream| fcntl_getfl(fd).expect("it is open").contains(OFlags::NONBLOCK);
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let event_loop: EventLoop<'_, ()> = EventLoop::try_new().unwrap();
    let handle = event_loop.handle();
    let mut near = handle.adapt_io(near).unwrap();
    let far = handle.adapt_io(far).unwrap();
    assert!(is_nonblocking(near.get_mut()));
    let nap = TimeoutFuture::from_duration(&handle, Duration::from_secs(3600));

    drop(handle);
    let weak = event_loop.handle().downgrade();
    drop(event_loop);
    assert!(weak.expired(), "adapters and futures do not keep the loop");
    assert!(!is_nonblocking(&near.into_inner()), "as it was");
    assert!(is_nonblocking(&far.into_inner()), "as it was, too");
    drop(nap);
}

#[test]
#[cfg(feature = "executor")]
fn futures_go_with_the_loop_and_schedulers_notice() {
    use calloop_ref::futures::executor;

    let kept = Rc::new(());
    let event_loop: EventLoop<'_, ()> = EventLoop::try_new().unwrap();
    let (executor, scheduler) = executor::<()>().unwrap();
    event_loop.handle().insert_source(executor, |(), _, ()| {}).unwrap();
    let clone = kept.clone();
    scheduler
        .schedule(async move {
            std::future::pending::<()>().await;
            drop(clone);
        })
        .unwrap();
    assert_eq!(Rc::strong_count(&kept), 2);
    drop(event_loop);
    assert_eq!(Rc::strong_count(&kept), 1, "the future is dropped with its executor");
    assert!(scheduler.schedule(async {}).is_err());
}

#[test]
fn two_loops_live_side_by_side_and_one_inside_the_other() {
    let mut inner: EventLoop<'static, u32> = EventLoop::try_new().unwrap();
    let (ping, source) = make_ping().unwrap();
    inner.handle().insert_source(source, |(), _, calls| *calls += 1).unwrap();
    let inner_handle: LoopHandle<'static, u32> = inner.handle();

    let mut outer: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let source = Generic::new(&inner, Interest::READ, Mode::Level);
    let seen = Cell::new(false);
    outer
        .handle()
        .insert_source(source, |_, _, _| {
            seen.set(true);
            Ok(PostAction::Remove)
        })
        .unwrap();
    ping.ping();
    outer.dispatch(Duration::ZERO, &mut 0).unwrap();
    assert!(seen.get(), "the inner loop's descriptor is readable");
    drop(outer);
    let mut calls = 0;
    inner.dispatch(Duration::ZERO, &mut calls).unwrap();
    assert_eq!(calls, 1);
    drop(inner);
    drop(inner_handle);
}
