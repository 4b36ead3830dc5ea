//! What is allocated: nothing in a steady dispatch, little for what is inserted, and no memory is
//! kept for what was removed.
//!
//! A program of its own, because its allocator counts.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use calloop_ref::channel::{Event, sync_channel};
use calloop_ref::generic::Generic;
use calloop_ref::ping::{PingError, PingSource, make_ping};
use calloop_ref::timer::{TimeoutAction, Timer};
use calloop_ref::{
    EventIterator, EventLoop, EventSource, Interest, Mode, Poll, PostAction, Readiness, Token,
    TokenFactory,
};

/// Before the buffers have grown to what a workload needs.
const WARM_UP: usize = 100;
const ROUNDS: usize = 1000;

/// Dispatches again and again, and counts the allocations once that is steady. `prepare` makes
/// something ready and is not counted; every dispatch has to call the callbacks `calls` times.
fn steady(event_loop: &mut EventLoop<'_, usize>, calls: usize, mut prepare: impl FnMut()) -> u64 {
    let mut count = 0;
    for round in 0..WARM_UP + ROUNDS {
        prepare();
        let mut called = 0;
        let info = measure(|| event_loop.dispatch(Duration::ZERO, &mut called).unwrap());
        assert_eq!(called, calls, "in round {round}");
        if round >= WARM_UP {
            count += info.count_total;
        }
    }
    count
}

#[test]
fn the_counter_counts() {
    let AllocationInfo { count_total, count_current, .. } = measure(|| drop(vec![1]));
    assert_eq!((count_total, count_current), (1, 0));
}

#[test]
fn descriptors_cost_none() {
    let mut event_loop: EventLoop<'_, usize> = EventLoop::try_new().unwrap();
    let ends: Vec<UnixStream> = (0..8)
        .map(|number| {
            let (near, far) = UnixStream::pair().unwrap();
            let mode = if number % 2 == 0 { Mode::Level } else { Mode::Edge };
            let source = Generic::new(near, Interest::READ, mode);
            event_loop
                .handle()
                .insert_source(source, |_, near, calls| {
                    assert_eq!((&**near).read(&mut [0; 8])?, 1);
                    *calls += 1;
                    Ok(PostAction::Continue)
                })
                .unwrap();
            far
        })
        .collect();
    let prepare = || ends.iter().for_each(|mut far| far.write_all(b"!").unwrap());
    assert_eq!(steady(&mut event_loop, 8, prepare), 0);
}

#[test]
fn one_shot_descriptors_that_register_anew_cost_none() {
    let mut event_loop: EventLoop<'_, usize> = EventLoop::try_new().unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    let source = Generic::new(near, Interest::WRITE, Mode::OneShot);
    event_loop
        .handle()
        .insert_source(source, |_, _, calls| {
            *calls += 1;
            Ok(PostAction::Reregister)
        })
        .unwrap();
    assert_eq!(steady(&mut event_loop, 1, || {}), 0);
}

#[test]
fn pings_cost_none_whoever_sends_them() {
    let mut event_loop: EventLoop<'_, usize> = EventLoop::try_new().unwrap();
    let pings: Vec<_> = (0..8)
        .map(|_| {
            let (ping, source) = make_ping().unwrap();
            event_loop.handle().insert_source(source, |(), _, calls| *calls += 1).unwrap();
            ping
        })
        .collect();
    let sent = Cell::new(0);
    let prepare = || {
        let info = measure(|| pings.iter().for_each(|ping| ping.ping()));
        sent.set(sent.get() + info.count_total);
    };
    assert_eq!(steady(&mut event_loop, 8, prepare), 0);
    assert_eq!(sent.get(), 0, "nor does sending");
}

#[test]
fn timers_that_repeat_cost_none() {
    let mut event_loop: EventLoop<'_, usize> = EventLoop::try_new().unwrap();
    for number in 0..8 {
        event_loop
            .handle()
            .insert_source(Timer::immediate(), move |_, _, calls| {
                *calls += 1;
                // In the past, so that all are due in every dispatch.
                let earlier = Instant::now() - Duration::from_millis(number);
                TimeoutAction::ToInstant(earlier)
            })
            .unwrap();
    }
    assert_eq!(steady(&mut event_loop, 8, || {}), 0);
}

#[test]
fn bounded_channels_cost_none() {
    let mut event_loop: EventLoop<'_, usize> = EventLoop::try_new().unwrap();
    let (sender, receiver) = sync_channel(8);
    event_loop
        .handle()
        .insert_source(receiver, |event, _, calls| {
            assert!(matches!(event, Event::Msg(_)));
            *calls += 1;
        })
        .unwrap();
    let sent = Cell::new(0);
    let prepare = || {
        let info = measure(|| (0..8).for_each(|number| sender.try_send(number).unwrap()));
        sent.set(sent.get() + info.count_total);
    };
    assert_eq!(steady(&mut event_loop, 8, prepare), 0);
    assert_eq!(sent.get(), 0, "nor does sending");
}

/// A source that asks for an event before every wait.
struct Hooked {
    pings: PingSource,
    token: Option<Token>,
    heard: Rc<Cell<usize>>,
}

impl EventSource for Hooked {
    type Event = ();
    type Metadata = ();
    type Ret = ();
    type Error = PingError;

    const NEEDS_EXTRA_LIFECYCLE_EVENTS: bool = true;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: F,
    ) -> Result<PostAction, PingError>
    where
        F: FnMut((), &mut ()),
    {
        if self.token == Some(token) {
            callback((), &mut ());
        }
        self.pings.process_events(readiness, token, callback)
    }

    fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop_ref::Result<()> {
        self.token = Some(tokens.token());
        self.pings.register(poll, tokens)
    }

    fn reregister(
        &mut self,
        poll: &mut Poll,
        tokens: &mut TokenFactory,
    ) -> calloop_ref::Result<()> {
        self.token = Some(tokens.token());
        self.pings.reregister(poll, tokens)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop_ref::Result<()> {
        self.pings.unregister(poll)
    }

    fn before_sleep(&mut self) -> calloop_ref::Result<Option<(Readiness, Token)>> {
        Ok(self.token.map(|token| (Readiness::EMPTY, token)))
    }

    fn before_handle_events(&mut self, events: EventIterator<'_>) {
        self.heard.set(self.heard.get() + events.count());
    }
}

#[test]
fn hooks_cost_none() {
    let mut event_loop: EventLoop<'_, usize> = EventLoop::try_new().unwrap();
    let (ping, pings) = make_ping().unwrap();
    let heard = Rc::new(Cell::new(0));
    let source = Hooked { pings, token: None, heard: heard.clone() };
    let inserted = event_loop.handle().insert_source(source, |(), _, calls| *calls += 1);
    inserted.map_err(|refused| refused.error).unwrap();
    assert_eq!(steady(&mut event_loop, 2, || ping.ping()), 0);
    assert_eq!(heard.get(), WARM_UP + ROUNDS, "the second hook was told of each ping");
}

#[test]
fn an_idle_callback_costs_one() {
    let mut event_loop: EventLoop<'_, usize> = EventLoop::try_new().unwrap();
    let handle = event_loop.handle();
    let inserted = Cell::new(AllocationInfo::default());
    let prepare = || {
        let mut sum = inserted.get();
        sum += measure(|| drop(handle.insert_idle(|calls| *calls += 1)));
        inserted.set(sum);
    };
    assert_eq!(steady(&mut event_loop, 1, prepare), 0);
    let each = inserted.get().count_total as usize;
    assert!(each <= WARM_UP + ROUNDS + 8, "{each} with what the queue took to grow");
}

#[test]
fn an_inserted_source_costs_two_and_a_removed_one_leaves_nothing() {
    let (near, _far) = UnixStream::pair().unwrap();
    let event_loop: EventLoop<'_, usize> = EventLoop::try_new().unwrap();
    let handle = event_loop.handle();
    let (_ping, source) = make_ping().unwrap();
    let mut source = Some(source);
    for round in 0..WARM_UP + ROUNDS {
        let ping = measure(|| {
            let reference = source.take().expect("it comes back");
            let dispatcher = calloop_ref::Dispatcher::new(reference, |(), _, _| {});
            let token = handle.register_dispatcher(dispatcher.clone()).unwrap();
            handle.remove(token);
            source = Some(dispatcher.into_source_inner());
        });
        let fd = measure(|| {
            let reads = Generic::new(&near, Interest::READ, Mode::Level);
            let inserted = handle.insert_source(reads, |_, _, _| Ok(PostAction::Continue));
            handle.remove(inserted.unwrap());
        });
        let timer = measure(|| {
            let never = Timer::from_duration(Duration::from_secs(3600));
            let inserted = handle.insert_source(never, |_, _, _| TimeoutAction::Drop);
            handle.remove(inserted.unwrap());
        });
        if round < WARM_UP {
            continue;
        }
        for (what, info) in [("ping", ping), ("descriptor", fd), ("timer", timer)] {
            assert!(info.count_total <= 2, "a {what}: {info:?}");
            assert_eq!((info.count_current, info.bytes_current), (0, 0), "a {what}: {info:?}");
        }
    }
}
