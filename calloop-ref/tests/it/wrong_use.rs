//! Bad input and exhausted limits: each is a clear error or does what is documented, and the loop
//! works on.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use calloop_ref::generic::{FdWrapper, Generic};
use calloop_ref::ping::{PingSource, make_ping};
use calloop_ref::timer::{TimeoutAction, Timer};
use calloop_ref::{
    Dispatcher, Error, EventLoop, EventSource, Interest, Mode, Poll, PostAction, Readiness, Token,
    TokenFactory,
};
use rustix::fs::{OFlags, fcntl_getfl};

/// That the loop still waits, wakes up and calls back.
fn assert_works(event_loop: &mut EventLoop<'_, u32>) {
    let (ping, source) = make_ping().unwrap();
    let handle = event_loop.handle();
    handle.insert_source(source, |(), _, calls| *calls += 1).unwrap();
    handle
        .insert_source(Timer::immediate(), |_, _, calls| {
            *calls += 1;
            TimeoutAction::Drop
        })
        .unwrap();
    ping.ping();
    let mut calls = 0;
    event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
    assert_eq!(calls, 2);
}

fn kind(error: Error) -> ErrorKind {
    match error {
        Error::IoError(error) => error.kind(),
        other => panic!("the operating system was to refuse, but: {other}"),
    }
}

/// A number that names no open descriptor, and never will: it is beyond the limit.
struct Closed;

impl AsRawFd for Closed {
    fn as_raw_fd(&self) -> RawFd {
        RawFd::MAX - 1
    }
}

fn closed() -> FdWrapper<Closed> {
    // SAFETY: what is asked for is not kept, to see what comes of it. The kernel refuses the number
    // in every call, so that nothing is read, written or closed.
    unsafe { FdWrapper::new(Closed) }
}

#[test]
fn a_closed_descriptor_is_refused() {
    let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let source = Generic::new(closed(), Interest::READ, Mode::Level);
    let never = |_: Readiness, _: &mut _, _: &mut u32| Ok(PostAction::Continue);
    let refused = event_loop.handle().insert_source(source, never).expect_err("it is closed");
    let Error::IoError(error) = refused.error else { panic!("{}", refused.error) };
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::BADF.raw_os_error()));
    let Closed = *refused.inserted.unwrap();
    let Err(Error::IoError(error)) = event_loop.handle().adapt_io(closed()) else {
        panic!("it is closed")
    };
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::BADF.raw_os_error()));
    assert_works(&mut event_loop);
}

#[test]
#[cfg(target_os = "linux")]
fn a_regular_file_is_refused_and_left_as_it_was() {
    let file = tempfile::tempfile().unwrap();
    let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let flags = fcntl_getfl(&file).unwrap();
    assert!(!flags.contains(OFlags::NONBLOCK));
    for mode in [Mode::Level, Mode::Edge, Mode::OneShot] {
        let source = Generic::new(&file, Interest::EMPTY, mode);
        let never = |_: Readiness, _: &mut _, _: &mut u32| Ok(PostAction::Continue);
        let refused = event_loop.handle().insert_source(source, never).expect_err("a file");
        assert_eq!(kind(refused.error), ErrorKind::PermissionDenied);
    }
    let refused = event_loop.handle().adapt_io(&file).expect_err("a file");
    assert_eq!(kind(refused), ErrorKind::PermissionDenied);
    assert_eq!(fcntl_getfl(&file).unwrap(), flags);
    assert_works(&mut event_loop);
}

#[test]
#[cfg(target_os = "linux")]
fn without_descriptors_no_loop_is_made_and_nothing_leaks() {
    use std::fs::File;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use crate::own_process::in_own_process;

    in_own_process(|| {
        let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
        let needed = if cfg!(calloop_ref_force_pipe) { 3 } else { 2 };
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
        let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        for free in 0..needed {
            let refused = EventLoop::<u32>::try_new().expect_err("the descriptors do not suffice");
            let Error::IoError(error) = refused else { panic!("{refused}") };
            let expected = rustix::io::Errno::MFILE.raw_os_error();
            assert_eq!(error.raw_os_error(), Some(expected), "with {free} free");
            assert_works(&mut event_loop);
            taken.pop();
        }
        let mut another = EventLoop::try_new().expect("no attempt has left anything open");
        assert_works(&mut another);
        // Nothing is left for the alarm: timers cannot be seen from outside, the rest works.
        event_loop.as_raw_fd();
        assert_works(&mut event_loop);
    });
}

#[test]
fn a_token_of_another_loop_or_of_a_removed_source_names_nothing() {
    let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let mut other: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let (ping, source) = make_ping().unwrap();
    let own = event_loop.handle().insert_source(source, |(), _, calls| *calls += 1).unwrap();
    let (_foreign_ping, source) = make_ping().unwrap();
    let foreign = other.handle().insert_source(source, |(), _, _| {}).unwrap();
    let (_gone_ping, source) = make_ping().unwrap();
    let gone = event_loop.handle().insert_source(source, |(), _, _| {}).unwrap();
    event_loop.handle().remove(gone);

    for token in [foreign, gone] {
        assert_ne!(token, own);
        let handle = event_loop.handle();
        for outcome in [handle.enable(&token), handle.update(&token), handle.disable(&token)] {
            assert!(matches!(outcome, Err(Error::InvalidToken)), "{outcome:?}");
        }
        handle.remove(token);
    }
    ping.ping();
    let mut calls = 0;
    event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
    assert_eq!(calls, 1, "the source in the same place was left alone");
    assert_works(&mut event_loop);
    assert_works(&mut other);
}

#[test]
fn times_beyond_the_clock_are_never() {
    let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let never = Timer::from_duration(Duration::MAX);
    let late = event_loop.handle().insert_source(never, |_, _, _| panic!("it is never"));
    let (ping, source) = make_ping().unwrap();
    event_loop.handle().insert_source(source, |(), _, calls| *calls += 1).unwrap();
    let mut calls = 0;
    for timeout in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 40)] {
        let ping = ping.clone();
        let pinging = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            ping.ping();
        });
        event_loop.dispatch(timeout, &mut calls).unwrap();
        pinging.join().unwrap();
    }
    assert_eq!(calls, 3, "each wait lasted until the ping");
    event_loop.handle().update(&late.unwrap()).unwrap();
    assert_works(&mut event_loop);
}

/// A source that takes many tokens for itself and gives its ping the last.
struct Greedy {
    tokens: usize,
    pings: PingSource,
    _kept: Rc<()>,
}

impl EventSource for Greedy {
    type Event = ();
    type Metadata = ();
    type Ret = ();
    type Error = calloop_ref::ping::PingError;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut((), &mut ()),
    {
        self.pings.process_events(readiness, token, callback)
    }

    fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop_ref::Result<()> {
        for _ in 1..self.tokens {
            tokens.token();
        }
        self.pings.register(poll, tokens)
    }

    fn reregister(
        &mut self,
        poll: &mut Poll,
        tokens: &mut TokenFactory,
    ) -> calloop_ref::Result<()> {
        self.pings.reregister(poll, tokens)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop_ref::Result<()> {
        self.pings.unregister(poll)
    }
}

#[test]
fn a_source_has_65_536_tokens_and_not_one_more() {
    let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let kept = Rc::new(());
    let greedy = |tokens| {
        let (ping, pings) = make_ping().unwrap();
        (ping, Greedy { tokens, pings, _kept: kept.clone() })
    };

    let (ping, source) = greedy(1 << 16);
    let token = event_loop.handle().insert_source(source, |(), _, calls| *calls += 1);
    ping.ping();
    let mut calls = 0;
    event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
    assert_eq!(calls, 1, "the last token works");
    event_loop.handle().remove(token.map_err(|refused| refused.error).unwrap());
    assert_eq!(Rc::strong_count(&kept), 1);

    let (_ping, source) = greedy((1 << 16) + 1);
    let handle = event_loop.handle();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        handle.insert_source(source, |(), _, calls| *calls += 1).map(drop)
    }));
    let message = panicked.expect_err("one token too many");
    let message = message.downcast_ref::<String>().expect("it says why");
    assert!(message.contains("65536"), "{message}");
    assert_eq!(Rc::strong_count(&kept), 1, "nothing is left of the source");
    assert_works(&mut event_loop);
}

#[test]
fn a_borrow_across_a_dispatch_is_told_and_costs_no_event() {
    let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
    let (ping, source) = make_ping().unwrap();
    let dispatcher = Dispatcher::new(source, |(), _, calls: &mut u32| *calls += 1);
    let token = event_loop.handle().register_dispatcher(dispatcher.clone()).unwrap();
    ping.ping();
    let mut calls = 0;
    {
        let _borrow = dispatcher.as_source_mut();
        let refused = event_loop.handle().update(&token).expect_err("it is borrowed");
        assert_eq!(kind(refused), ErrorKind::ResourceBusy);
        let dispatch = AssertUnwindSafe(|| event_loop.dispatch(Duration::ZERO, &mut calls));
        let message = catch_unwind(dispatch).expect_err("it cannot be called");
        let message = message.downcast_ref::<String>().expect("it says why");
        assert!(message.contains("as_source_mut"), "{message}");
    }
    event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
    assert_eq!(calls, 1, "the ping was kept");
    assert_works(&mut event_loop);
}

#[test]
#[cfg(all(feature = "signals", target_os = "linux"))]
fn signals_that_cannot_be_watched_are_refused_by_name() {
    use calloop_ref::signals::{Signal, Signals};
    use nix::sys::signal::SigSet;

    use crate::own_process::in_own_process;

    in_own_process(|| {
        let before = SigSet::thread_get_mask().unwrap();
        for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
            let refused = Signals::new(&[Signal::SIGUSR1, signal]).expect_err("the kernel's own");
            assert!(refused.to_string().contains(&format!("{signal:?}")), "{refused}");
            assert_eq!(kind(refused), ErrorKind::InvalidInput);
            assert_eq!(SigSet::thread_get_mask().unwrap(), before);
        }
        let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new().unwrap();
        let mut source = Signals::new(&[Signal::SIGUSR1]).unwrap();
        assert!(source.add_signals(&[Signal::SIGUSR2, Signal::SIGKILL]).is_err());
        assert!(source.set_signals(&[Signal::SIGSTOP]).is_err());
        let mask = SigSet::thread_get_mask().unwrap();
        assert!(mask.contains(nix::sys::signal::SIGUSR1), "the set is as it was");
        assert!(!mask.contains(nix::sys::signal::SIGUSR2), "the set is as it was");
        event_loop.handle().insert_source(source, |_, _, calls| *calls += 1).unwrap();
        nix::sys::signal::raise(nix::sys::signal::SIGUSR1).unwrap();
        let mut calls = 0;
        event_loop.dispatch(Duration::ZERO, &mut calls).unwrap();
        assert_eq!(calls, 1);
        assert_works(&mut event_loop);
    });
}
