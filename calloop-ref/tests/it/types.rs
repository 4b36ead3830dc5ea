//! What a type can do, and where it can go. Most of this is checked by the compiler alone.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use calloop_ref::channel::{Channel, Sender, SyncSender};
use calloop_ref::ping::{Ping, PingSource, make_ping};
use calloop_ref::timer::{TimeoutAction, Timer};
use calloop_ref::transient::TransientSource;
use calloop_ref::{
    Dispatcher, Error, EventLoop, EventSource, Idle, InsertError, LoopHandle, LoopSignal,
    RegistrationToken, Token, WeakLoopHandle,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

/// May be sent, but not shared.
type Lonely = Cell<u8>;

// What reaches a loop from other threads.
assert_impl_all!(LoopSignal: Send, Sync, Clone, Debug);
assert_impl_all!(Ping: Send, Sync, Clone, Debug);
assert_impl_all!(Sender<Lonely>: Send, Sync, Clone, Debug);
assert_impl_all!(SyncSender<Lonely>: Send, Sync, Clone, Debug);
assert_not_impl_any!(Sender<Rc<u8>>: Send, Sync);

// Sources that are made on one thread and inserted on another.
assert_impl_all!(PingSource: Send, Debug);
assert_impl_all!(Channel<Lonely>: Send, Debug);
assert_impl_all!(TransientSource<Channel<Lonely>>: Send, Debug);
assert_not_impl_any!(Channel<Rc<u8>>: Send);

// What stays on the loop's thread, even without data of its own.
assert_not_impl_any!(EventLoop<'static, ()>: Send, Sync);
assert_not_impl_any!(LoopHandle<'static, ()>: Send, Sync);
assert_not_impl_any!(WeakLoopHandle<'static, ()>: Send, Sync);
assert_not_impl_any!(Dispatcher<'static, PingSource, ()>: Send, Sync);
assert_not_impl_any!(Idle<'static>: Send, Sync);

// Handles can be cloned whatever the data is.
assert_impl_all!(LoopHandle<'static, Lonely>: Clone, Debug);
assert_impl_all!(WeakLoopHandle<'static, Lonely>: Clone, Debug);
assert_impl_all!(Dispatcher<'static, PingSource, Lonely>: Clone, Debug);

// Tokens are plain values, errors go anywhere.
assert_impl_all!(RegistrationToken: Copy, Eq, Debug, Send, Sync);
assert_impl_all!(Token: Copy, Eq, Debug, Send, Sync);
assert_impl_all!(Error: StdError, Send, Sync);
assert_impl_all!(InsertError<Rc<u8>>: StdError, Into<Error>);

#[cfg(feature = "executor")]
mod futures {
    use calloop_ref::futures::{Executor, ExecutorDestroyed, ExecutorError, Scheduler};

    use super::*;

    assert_not_impl_any!(Executor<()>: Send, Sync);
    assert_not_impl_any!(Scheduler<()>: Send, Sync);
    assert_impl_all!(Scheduler<Lonely>: Clone, Debug);
    assert_impl_all!(ExecutorDestroyed: StdError, Send, Sync);
    assert_impl_all!(ExecutorError: StdError, Send, Sync);
}

/// A program names these in its fields, without the type of any callback.
struct Named {
    weak: WeakLoopHandle<'static, State>,
    timer: Dispatcher<'static, Timer, State>,
    token: RegistrationToken,
    idle: Option<Idle<'static>>,
}

#[derive(Default)]
struct State {
    rang: bool,
    idled: bool,
}

#[test]
fn handles_can_be_kept_in_fields() {
    let mut event_loop: EventLoop<'static, State> = EventLoop::try_new().unwrap();
    let handle = event_loop.handle();
    let timer = Dispatcher::new(Timer::immediate(), |_, _, state: &mut State| {
        state.rang = true;
        TimeoutAction::Drop
    });
    let token = handle.register_dispatcher(timer.clone()).unwrap();
    let idle = Some(handle.insert_idle(|state| state.idled = true));
    let mut named = Named { weak: handle.downgrade(), timer, token, idle };

    named.idle.take().expect("it was just put there").cancel();
    let mut state = State::default();
    event_loop.dispatch(Duration::ZERO, &mut state).unwrap();
    assert!(state.rang && !state.idled);

    let upgraded = named.weak.upgrade().expect("the loop is there");
    assert!(matches!(upgraded.update(&named.token), Err(Error::InvalidToken)));
    assert_eq!(named.timer.as_source_ref().current_deadline(), None);
}

#[test]
fn a_timeout_is_a_duration_or_an_option_of_one() {
    let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let (ping, source) = make_ping().unwrap();
    event_loop.handle().insert_source(source, |(), _, calls| *calls += 1).unwrap();
    let mut calls = 0;
    ping.ping();
    event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
    ping.ping();
    event_loop.dispatch(Some(Duration::ZERO), &mut calls).unwrap();
    ping.ping();
    event_loop.dispatch(None, &mut calls).unwrap();
    assert_eq!(calls, 3);
}

#[test]
fn a_box_and_a_reference_are_sources_as_what_they_hold() {
    fn calls<S: EventSource<Event = (), Metadata = (), Ret = ()>>(source: S, ping: &Ping) -> u32 {
        let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
        let inserted = event_loop.handle().insert_source(source, |(), _, calls| *calls += 1);
        assert!(inserted.is_ok());
        ping.ping();
        let mut calls = 0;
        event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
        calls
    }
    let (ping, mut source) = make_ping().unwrap();
    assert_eq!(calls(&mut source, &ping), 1);
    assert_eq!(calls(Box::new(source), &ping), 1, "the reference left the source free");
}

#[test]
fn handles_are_a_pointer_in_size() {
    let pointer = size_of::<usize>();
    assert_eq!(size_of::<LoopHandle<'static, [u64; 9]>>(), pointer);
    assert_eq!(size_of::<WeakLoopHandle<'static, [u64; 9]>>(), pointer);
    assert_eq!(size_of::<Ping>(), pointer);
}
