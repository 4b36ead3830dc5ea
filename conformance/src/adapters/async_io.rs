//! async-io 2, the reactor of smol, with the local executor and the channels of smol.
//!
//! What stands for what:
//!
//! * A source is a task of the executor that awaits and calls back. Removing it aborts the task, when
//!   its turn comes.
//! * A dispatch is a `block_on` that has the reactor look, and waits until the tasks have run that it
//!   has woken. If no callback was called and no future polled, it goes on until one is, the loop is
//!   woken up or the timeout is over.
//! * A descriptor is an `Async`, whose readiness is awaited once (reported once) or before each call
//!   (level-triggered).
//! * A timer is a `Timer`, a channel one of async-channel, a ping and a wake-up are channels with
//!   room for one message, the futures of an executor are tasks.
//!
//! What is left out, because async-io does not have it: edges; descriptors that are watched for
//! nothing; changing, silencing and bringing back a source; errors of callbacks, and panics that
//! reach the caller (the task keeps them); channels with room for nothing; idle callbacks; a run that calls back after each dispatch; a descriptor to watch the
//! loop by. Signals are a crate of their own, which smol does not bring.
//!
//! There is one reactor for the process, and a thread of async-io looks after it while no dispatch
//! does.

mod fds;
mod senders;
mod tasks;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ::async_io::{Async, Timer, block_on};
use async_executor::LocalExecutor;

use fds::{Io, ready};
use senders::{Pinger, Spawner, Waker};
use tasks::{Caller, Handle, Shared, Source};

use crate::adapter::{
    Adapter, AsyncFd, Capabilities, Capability, ChannelEvent, Failure, Interest, Mode, Next, Ping,
    Readiness, Sender, Spawn, Stop, TimerNext,
};

const VERSION: &str = "2.6.0";

/// An executor with its tasks, on the reactor of the process.
#[derive(Debug)]
pub struct AsyncIo(Handle);

impl Adapter for AsyncIo {
    const NAME: &'static str = "async-io";

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        VERSION.to_string()
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::OneShot,
            Capability::PostActions,
            Capability::NestedLoops,
            Capability::Timers,
            Capability::SubMillisecondTimers,
            Capability::ImmediateTimers,
            Capability::Deadlines,
            Capability::DeadlineTold,
            Capability::TimerRepeat,
            Capability::TimerReset,
            Capability::TimersAndFdsTogether,
            Capability::Ping,
            Capability::PingCloses,
            Capability::Channel,
            Capability::BoundedChannel,
            Capability::Wakeup,
            Capability::Executor,
            Capability::AsyncIo,
            Capability::Sleep,
        ])
    }

    fn new() -> Result<Self, Failure> {
        let (wake, news) = async_channel::bounded(1);
        let (tasks, calls, is_waiting) = (LocalExecutor::new(), Cell::default(), Cell::default());
        Ok(AsyncIo(Handle(Rc::new(Shared { tasks, calls, is_waiting, wake, news }))))
    }

    fn handle(&self) -> Handle {
        self.0.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let shared = &*self.0.0;
        let calls = shared.calls.get();
        block_on(shared.tasks.run(async {
            // Between two polls of a future that is woken, `block_on` has the reactor look.
            shared.settle().await;
            shared.settle().await;
            if shared.calls.get() == calls && timeout != Some(Duration::ZERO) {
                shared.wait(timeout).await;
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
        if mode == Mode::Edge || asked == Interest::None {
            return Err(Failure::Unsupported);
        }
        let fd = Async::new(fd)?;
        Ok(handle.spawn(|caller| async move {
            loop {
                let ready = ready(&fd, asked).await.ok()?;
                match caller.call(|handle| callback(handle, fd.get_ref().as_fd(), ready))? {
                    Next::Rearm => {}
                    Next::Disable => pending::<()>().await,
                    Next::Remove => return None,
                    Next::Continue | Next::Fail(_) if mode == Mode::OneShot => {
                        pending::<()>().await
                    }
                    Next::Continue | Next::Fail(_) => {}
                }
            }
        }))
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        Ok(handle.timer(Timer::after(delay), callback))
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
        Ok(handle.timer(Timer::at(deadline), callback))
    }

    fn reset_timer(_: &Handle, source: &Source, delay: Duration) -> Result<(), Failure> {
        let timer = source.timer.as_ref().ok_or(Failure::Unsupported)?;
        timer.borrow_mut().set_after(delay);
        Ok(())
    }

    fn insert_ping<F>(handle: &Handle, mut callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let (sender, pinged) = async_channel::bounded(1);
        let source = handle.spawn(|caller| async move {
            while pinged.recv().await.is_ok() {
                caller.call(&mut callback)?;
            }
            None
        });
        Ok((Pinger(sender), source))
    }

    fn insert_channel<T, F>(
        handle: &Handle,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        let (sender, receiver) = async_channel::unbounded();
        Ok((sender, handle.channel(receiver, callback)))
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
            return Err(Failure::Unsupported);
        }
        let (sender, receiver) = async_channel::bounded(bound);
        Ok((sender, handle.channel(receiver, callback)))
    }

    fn stopper(&self) -> Result<impl Stop, Failure> {
        Ok(Waker(self.0.0.wake.clone()))
    }

    fn insert_executor<T, F>(
        handle: &Handle,
        callback: F,
    ) -> Result<(impl Spawn<T>, Source), Failure>
    where
        T: 'static,
        F: FnMut(&Handle, T) + 'static,
    {
        let callback = Rc::new(RefCell::new(callback));
        let (is_there, is_gone) = async_channel::bounded(1);
        let weak = Rc::downgrade(&callback);
        let source = handle.spawn(|_| async move {
            // The futures end without them.
            let _both = (callback, is_there);
            pending().await
        });
        let (shared, is_removed) = (Rc::downgrade(&handle.0), source.is_removed.clone());
        let caller = Caller { shared, is_removed };
        Ok((Spawner { caller, callback: weak, is_gone }, source))
    }

    fn adapt_io(_: &Handle, fd: OwnedFd) -> Result<impl AsyncFd, Failure> {
        Ok(Io(Async::new(fd)?))
    }

    fn sleep(_: &Handle, delay: Duration) -> Result<impl Future<Output = ()> + 'static, Failure> {
        let timer = Timer::after(delay);
        Ok(async move {
            timer.await;
        })
    }
}
