//! tokio 1, its runtime of one thread with a `LocalSet`.
//!
//! What stands for what:
//!
//! * A source is a task of the set that awaits and calls back. Removing it aborts the task, which
//!   tokio carries out when the task's turn comes.
//! * A dispatch is a `block_on` that has the drivers look, and waits until the tasks have run that
//!   these have woken. If no callback was called and no future polled, it goes on until one is, the
//!   loop is woken up or the timeout is over.
//! * A descriptor is an `AsyncFd`, level-triggered: its readiness is kept until an operation would
//!   block. The operation is poll(2), which reads nothing.
//! * A timer is a `Sleep`, a ping a `Notify`, a channel one of `mpsc`, a source of signals some
//!   streams of `signal::unix`, an executor a task with a `JoinSet`, a wake-up a `Notify`.
//!
//! What is left out, because tokio does not have it: edges, since readiness must not be cleared that
//! was not tried; descriptors that are reported once or watched for nothing; changing, silencing and bringing back a source; errors of callbacks, and panics that
//! reach the caller (a task catches them); the end of a ping whose handles are gone; channels with
//! room for nothing; idle callbacks; the sender of a signal; a run that calls back after each
//! dispatch; a descriptor to watch the loop by. Timers are a millisecond coarse.

#![allow(unsafe_code, reason = "`AsyncFd` has its user promise that the descriptor stays")]

mod fds;
mod senders;
mod tasks;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinSet, LocalSet, spawn_local, yield_now};
use tokio::time;

use fds::{Io, interest, ready};
use senders::{Pinger, Spawner, Waker};
use tasks::{Handle, Shared, Source, after, noting};

use crate::adapter::{
    self, Adapter, Capabilities, Capability, ChannelEvent, Failure, Interest, Mode, Next, Ping,
    Readiness, Sender, SignalEvent, Spawn, Stop, TimerNext,
};

const VERSION: &str = "1.54.1";

/// A runtime with its tasks.
#[derive(Debug)]
pub struct Tokio(Handle);

impl Adapter for Tokio {
    const NAME: &'static str = "tokio";

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        VERSION.to_string()
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::PostActions,
            Capability::Timers,
            Capability::Deadlines,
            Capability::DeadlineTold,
            Capability::TimerRepeat,
            Capability::TimerReset,
            Capability::DeadlineOrder,
            Capability::TimersAndFdsTogether,
            Capability::Ping,
            Capability::Channel,
            Capability::BoundedChannel,
            Capability::Wakeup,
            Capability::Signals,
            Capability::SignalSharing,
            Capability::SignalFanOut,
            Capability::Executor,
            Capability::AsyncIo,
            Capability::Sleep,
        ])
    }

    fn new() -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (tasks, calls, news) = (LocalSet::new(), Cell::default(), Arc::default());
        Ok(Tokio(Handle(Rc::new(Shared { tasks, runtime, calls, news }))))
    }

    fn handle(&self) -> Handle {
        self.0.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let shared = &*self.0.0;
        let calls = shared.calls.get();
        shared.runtime.block_on(shared.tasks.run_until(async {
            // The drivers look, and what they have woken has run when a new task has.
            yield_now().await;
            let _ = spawn_local(async {}).await;
            if shared.calls.get() != calls {
                return;
            }
            match timeout {
                // Nothing is left to be seen, and tokio rounds up to a millisecond.
                Some(Duration::ZERO) => {}
                // It is over, or not: both end the dispatch.
                Some(timeout) => drop(time::timeout(timeout, shared.news.notified()).await),
                None => shared.news.notified().await,
            }
        }));
        Ok(())
    }

    fn insert_fd<F>(
        handle: &Handle,
        fd: OwnedFd,
        asked: Interest,
        mode: Mode,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        if mode != Mode::Level {
            return Err(Failure::Unsupported);
        }
        let asked = interest(asked)?;
        let _context = handle.0.runtime.enter();
        // SAFETY: it owns its descriptor, and nothing takes that out or puts another in.
        let fd = unsafe { AsyncFd::register_with_interest(fd, asked) }.map_err(io::Error::from)?;
        Ok(handle.spawn(|caller| async move {
            loop {
                // It fails once the runtime is gone.
                let ready = ready(&fd, asked).await.ok()?;
                match caller.call(|handle| callback(handle, fd.get_ref().as_fd(), ready))? {
                    Next::Continue | Next::Rearm | Next::Fail(_) => {}
                    Next::Disable => pending::<()>().await,
                    Next::Remove => return None,
                }
                // It may be ready for ever.
                yield_now().await;
            }
        }))
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let _context = handle.0.runtime.enter();
        Ok(handle.timer(time::sleep(delay), callback))
    }

    fn remove(_: &Handle, source: Source) {
        source.is_removed.set(true);
        source.task.abort();
    }

    fn insert_deadline<F>(
        handle: &Handle,
        deadline: Instant,
        callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let _context = handle.0.runtime.enter();
        Ok(handle.timer(time::sleep_until(deadline.into()), callback))
    }

    fn reset_timer(handle: &Handle, source: &Source, delay: Duration) -> Result<(), Failure> {
        let sleep = source.sleep.as_ref().ok_or(Failure::Unsupported)?;
        let _context = handle.0.runtime.enter();
        sleep.borrow_mut().as_mut().reset(after(delay));
        Ok(())
    }

    fn insert_ping<F>(handle: &Handle, mut callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let pinged = Arc::new(Notify::new());
        let own = pinged.clone();
        let source = handle.spawn(|caller| async move {
            loop {
                own.notified().await;
                caller.call(&mut callback)?;
            }
        });
        Ok((Pinger(pinged), source))
    }

    fn insert_channel<T, F>(
        handle: &Handle,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        Ok((sender, handle.channel(move |context| receiver.poll_recv(context), callback)))
    }

    fn insert_bounded_channel<T, F>(
        handle: &Handle,
        bound: usize,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        if bound == 0 {
            return Err::<(mpsc::Sender<T>, _), _>(Failure::Unsupported);
        }
        let (sender, mut receiver) = mpsc::channel(bound);
        Ok((sender, handle.channel(move |context| receiver.poll_recv(context), callback)))
    }

    fn stopper(&self) -> Result<impl Stop, Failure> {
        Ok(Waker(self.0.0.news.clone()))
    }

    fn insert_signals<F>(
        handle: &Handle,
        numbers: &[i32],
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, SignalEvent) + 'static,
    {
        let _context = handle.0.runtime.enter();
        let stream = |number: &i32| Ok((*number, signal(SignalKind::from_raw(*number))?));
        let mut streams = numbers.iter().map(stream).collect::<io::Result<Vec<_>>>()?;
        Ok(handle.spawn(|caller| async move {
            loop {
                let signal = poll_fn(|context| {
                    let mut ready = streams.iter_mut().filter_map(|(number, stream)| {
                        stream.poll_recv(context).is_ready().then_some(*number)
                    });
                    ready.next().map_or(Poll::Pending, Poll::Ready)
                });
                let event = SignalEvent { signal: signal.await, pid: None, uid: None };
                caller.call(|handle| callback(handle, event))?;
            }
        }))
    }

    fn insert_executor<T, F>(
        handle: &Handle,
        mut callback: F,
    ) -> Result<(impl Spawn<T>, Source), Failure>
    where
        T: 'static,
        F: FnMut(&Handle, T) + 'static,
    {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let source = handle.spawn(|caller| async move {
            let mut futures = JoinSet::new();
            loop {
                let outcome = poll_fn(|context| {
                    while let Poll::Ready(Some(future)) = receiver.poll_recv(context) {
                        futures.spawn_local(noting(caller.clone(), future));
                    }
                    match futures.poll_join_next(context) {
                        Poll::Ready(Some(outcome)) => Poll::Ready(outcome),
                        Poll::Ready(None) | Poll::Pending => Poll::Pending,
                    }
                });
                // A future that panicked resolves to nothing.
                if let Ok(output) = outcome.await {
                    caller.call(|handle| callback(handle, output))?;
                }
            }
        });
        Ok((Spawner(sender), source))
    }

    fn adapt_io(handle: &Handle, fd: OwnedFd) -> Result<impl adapter::AsyncFd, Failure> {
        let _context = handle.0.runtime.enter();
        rustix::io::ioctl_fionbio(&fd, true)?;
        // SAFETY: it owns its descriptor, which only `into_fd` takes out, and ends it by that.
        Ok(Io(unsafe { AsyncFd::register(fd) }.map_err(io::Error::from)?))
    }

    fn sleep(
        handle: &Handle,
        delay: Duration,
    ) -> Result<impl Future<Output = ()> + 'static, Failure> {
        let _context = handle.0.runtime.enter();
        Ok(time::sleep(delay))
    }
}
