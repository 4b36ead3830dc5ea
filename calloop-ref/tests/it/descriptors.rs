//! Which file descriptors are opened, and that each is closed again.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use calloop_ref::channel::{channel, sync_channel};
use calloop_ref::generic::Generic;
use calloop_ref::ping::make_ping;
use calloop_ref::timer::{TimeoutAction, Timer};
use calloop_ref::{EventLoop, EventSource, Interest, LoopHandle, Mode, PostAction};

use crate::own_process::in_own_process;

/// The descriptors of this process.
fn open() -> usize {
    // One of them is that of the list itself, every time.
    std::fs::read_dir("/proc/self/fd").expect("Linux has this list").count()
}

/// The descriptors that a source opens while it is made, inserted and called.
fn opened_for<S, R: Default>(
    event_loop: &mut EventLoop<'static, u32>,
    make: impl FnOnce(&LoopHandle<'static, u32>) -> S,
) -> usize
where
    S: EventSource<Ret = R> + 'static,
{
    let before = open();
    let source = make(&event_loop.handle());
    let inserted = event_loop.handle().insert_source(source, |_, _, calls| {
        *calls += 1;
        R::default()
    });
    let token = inserted.map_err(|refused| refused.error).unwrap();
    let mut calls = 0;
    event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
    assert!(calls > 0, "the source was called");
    let opened = open() - before;
    event_loop.handle().remove(token);
    assert_eq!(open(), before, "all is closed again");
    opened
}

#[test]
fn a_loop_opens_two_and_closes_them_whatever_is_kept() {
    in_own_process(|| {
        let before = open();
        let mut event_loop: EventLoop<'_, ()> = EventLoop::try_new().unwrap();
        // Linux: epoll and eventfd; a pipe, where that is forced, has two ends.
        let expected = if cfg!(calloop_ref_force_pipe) { 3 } else { 2 };
        assert_eq!(open() - before, expected);

        let signal = event_loop.get_signal();
        let (ping, source) = make_ping().unwrap();
        let (sender, receiver) = channel::<()>();
        event_loop.handle().insert_source(source, |(), _, ()| {}).unwrap();
        event_loop.handle().insert_source(receiver, |_, _, ()| {}).unwrap();
        event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
        drop(event_loop);
        assert_eq!(open(), before);

        // What is kept is harmless.
        signal.stop();
        signal.wakeup();
        ping.ping();
        assert!(sender.send(()).is_err(), "the channel is gone");
    });
}

#[test]
fn sources_without_a_descriptor_of_their_own_open_none() {
    in_own_process(|| {
        let mut event_loop = EventLoop::try_new().unwrap();
        let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
        let pings = opened_for(&mut event_loop, |_| {
            let (ping, source) = make_ping().unwrap();
            ping.ping();
            kept.push(Box::new(ping));
            source
        });
        assert_eq!(pings, 0, "for a ping");
        let messages = opened_for(&mut event_loop, |_| {
            let (sender, receiver) = channel();
            sender.send(1).unwrap();
            receiver
        });
        assert_eq!(messages, 0, "for a channel");
        let bounded = opened_for(&mut event_loop, |_| {
            let (sender, receiver) = sync_channel(1);
            sender.send(1).unwrap();
            receiver
        });
        assert_eq!(bounded, 0, "for a bounded channel");

        let before = open();
        event_loop
            .handle()
            .insert_source(Timer::immediate(), |_, _, calls| {
                *calls += 1;
                TimeoutAction::Drop
            })
            .unwrap();
        let _ = event_loop.handle().insert_idle(|calls| *calls += 1);
        let mut calls = 0;
        event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
        assert_eq!((calls, open()), (2, before), "for a timer and an idle callback");
    });
}

#[test]
#[cfg(all(feature = "executor", feature = "stream"))]
fn executors_streams_and_async_adapters_open_none() {
    use calloop_ref::futures::executor;
    use calloop_ref::stream::StreamSource;
    use futures_util::stream;

    in_own_process(|| {
        let mut event_loop = EventLoop::try_new().unwrap();
        let futures = opened_for(&mut event_loop, |_| {
            let (executor, scheduler) = executor().unwrap();
            scheduler.schedule(async {}).unwrap();
            executor
        });
        assert_eq!(futures, 0, "for an executor");
        let items =
            opened_for(&mut event_loop, |_| StreamSource::new(stream::empty::<()>()).unwrap());
        assert_eq!(items, 0, "for a stream");

        let (near, _far) = UnixStream::pair().unwrap();
        let before = open();
        let adapter = event_loop.handle().adapt_io(near.as_fd()).unwrap();
        assert_eq!(open(), before, "for an adapter");
        drop(adapter);
        assert_eq!(open(), before, "the adapter has only borrowed it");
    });
}

#[test]
#[cfg(feature = "signals")]
fn signals_open_one() {
    use calloop_ref::signals::{Signal, Signals};

    in_own_process(|| {
        let mut event_loop = EventLoop::try_new().unwrap();
        let opened = opened_for(&mut event_loop, |_| {
            let source = Signals::new(&[Signal::SIGUSR1]).unwrap();
            nix::sys::signal::raise(nix::sys::signal::SIGUSR1).unwrap();
            source
        });
        assert_eq!(opened, 1);
    });
}

#[test]
fn a_generic_owns_its_descriptor_and_a_loop_that_is_watched_has_an_alarm() {
    in_own_process(|| {
        let mut event_loop: EventLoop<'_, ()> = EventLoop::try_new().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let before = open();
        let source = Generic::new(near, Interest::WRITE, Mode::Level);
        let removes = |_: calloop_ref::Readiness, _: &mut _, (): &mut ()| Ok(PostAction::Remove);
        event_loop.handle().insert_source(source, removes).unwrap();
        assert_eq!(open(), before);
        event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
        assert_eq!(open(), before - 1, "its own end is closed");
        drop(far);

        let before = open();
        event_loop.as_fd();
        assert_eq!(open(), before + 1, "the alarm for timers");
        event_loop.as_fd();
        assert_eq!(open(), before + 1, "one for all times");
    });
}

#[test]
fn a_thousand_loops_and_sources_leave_nothing() {
    in_own_process(|| {
        let before = open();
        for _ in 0..1000 {
            let mut event_loop: EventLoop<'_, ()> = EventLoop::try_new().unwrap();
            let (near, far) = UnixStream::pair().unwrap();
            for end in [near, far] {
                let source = Generic::new(end, Interest::READ, Mode::Level);
                let continues =
                    |_: calloop_ref::Readiness, _: &mut _, (): &mut ()| Ok(PostAction::Continue);
                event_loop.handle().insert_source(source, continues).unwrap();
            }
            event_loop.as_fd();
            event_loop.dispatch(Duration::ZERO, &mut ()).unwrap();
        }
        assert_eq!(open(), before);
    });
}
