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

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ::async_io::{Async, Timer, block_on};
use async_channel::{Receiver, TrySendError};
use async_executor::LocalExecutor;
use futures_util::future::{AbortHandle, Either, abortable, select};

use crate::adapter::{
    Adapter, AsyncFd, Capabilities, Capability, ChannelEvent, Failure, Interest, Mode, Next, Ping,
    Readiness, Refusal, Sender, Spawn, Stop, TimerNext,
};

const VERSION: &str = "2.6.0";

/// An executor with its tasks, on the reactor of the process.
#[derive(Debug)]
pub struct AsyncIo(Handle);

/// Reaches the loop. Tasks have it without keeping it alive.
#[derive(Clone, Debug)]
pub struct Handle(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    tasks: LocalExecutor<'static>,
    /// How many callbacks were called.
    calls: Cell<u64>,
    /// Whether a dispatch waits for news.
    is_waiting: Cell<bool>,
    wake: async_channel::Sender<()>,
    news: Receiver<()>,
}

impl Shared {
    /// Waits until what is ready by now has run: until a new task has.
    async fn settle(&self) {
        self.tasks.spawn(async {}).await;
    }

    /// Waits for news.
    async fn wait(&self, timeout: Option<Duration>) {
        self.is_waiting.set(true);
        let news = pin!(self.news.recv());
        match timeout {
            // It is over, or not: both end the dispatch.
            Some(timeout) => drop(select(news, Timer::after(timeout)).await),
            None => drop(news.await),
        }
        self.is_waiting.set(false);
    }

    /// Has the dispatch that is under way return.
    fn note(&self) {
        self.calls.set(self.calls.get() + 1);
        if self.is_waiting.get() {
            // If it is full, the dispatch returns as well.
            let _ = self.wake.try_send(());
        }
    }
}

/// A source by its task.
#[derive(Clone, Debug)]
pub struct Source {
    task: AbortHandle,
    is_removed: Rc<Cell<bool>>,
    /// Where it is a timer.
    timer: Option<Rc<RefCell<Timer>>>,
}

/// What a task calls back through.
#[derive(Clone)]
struct Caller {
    shared: Weak<Shared>,
    is_removed: Rc<Cell<bool>>,
}

impl Caller {
    /// Calls back. `None`: the source is removed, and the task has to end.
    fn call<R>(&self, callback: impl FnOnce(&Handle) -> R) -> Option<R> {
        let handle = Handle(self.shared.upgrade()?);
        handle.0.note();
        let answer = callback(&handle);
        (!self.is_removed.get()).then_some(answer)
    }
}

impl Handle {
    /// Makes the task of a source.
    fn spawn<T>(&self, task: impl FnOnce(Caller) -> T) -> Source
    where
        T: Future<Output = Option<()>> + 'static,
    {
        let caller = Caller { shared: Rc::downgrade(&self.0), is_removed: Rc::default() };
        let is_removed = caller.is_removed.clone();
        let (future, task) = abortable(task(caller));
        self.0.tasks.spawn(future).detach();
        Source { task, is_removed, timer: None }
    }

    fn timer<F>(&self, timer: Timer, mut callback: F) -> Source
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let timer = Rc::new(RefCell::new(timer));
        let own = timer.clone();
        let source = self.spawn(|caller| async move {
            loop {
                let poll =
                    |context: &mut Context<'_>| Pin::new(&mut *own.borrow_mut()).poll(context);
                let deadline = poll_fn(poll).await;
                match caller.call(|handle| callback(handle, Some(deadline)))? {
                    TimerNext::Stop => return None,
                    TimerNext::After(delay) => own.borrow_mut().set_after(delay),
                    TimerNext::At(deadline) => own.borrow_mut().set_at(deadline),
                }
            }
        });
        Source { timer: Some(timer), ..source }
    }

    fn channel<T, F>(&self, receiver: Receiver<T>, mut callback: F) -> Source
    where
        T: 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        self.spawn(|caller| async move {
            while let Ok(message) = receiver.recv().await {
                caller.call(|handle| callback(handle, ChannelEvent::Message(message)))?;
            }
            caller.call(|handle| callback(handle, ChannelEvent::Closed))
        })
    }
}

fn is_ready(poll: Poll<io::Result<()>>) -> io::Result<bool> {
    match poll {
        Poll::Ready(outcome) => outcome.map(|()| true),
        Poll::Pending => Ok(false),
    }
}

/// Waits until a descriptor is ready for what is asked.
async fn ready(fd: &Async<OwnedFd>, asked: Interest) -> io::Result<Readiness> {
    let read = matches!(asked, Interest::Read | Interest::Both);
    let write = matches!(asked, Interest::Write | Interest::Both);
    poll_fn(|context| {
        let mut found = Readiness::default();
        if read {
            found.readable = is_ready(fd.poll_readable(context))?;
        }
        if write {
            found.writable = is_ready(fd.poll_writable(context))?;
        }
        let is_either = found.readable || found.writable;
        if is_either { Poll::Ready(Ok(found)) } else { Poll::Pending }
    })
    .await
}

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

#[derive(Clone, Debug)]
struct Pinger(async_channel::Sender<()>);

impl Ping for Pinger {
    fn ping(&self) {
        // If it is full, the source is called anyhow.
        let _ = self.0.try_send(());
    }
}

#[derive(Clone, Debug)]
struct Waker(async_channel::Sender<()>);

impl Stop for Waker {
    /// There is no run that it could end.
    fn stop(&self) {}

    fn wakeup(&self) {
        let _ = self.0.try_send(());
    }
}

impl<T: Send + 'static> Sender<T> for async_channel::Sender<T> {
    fn send(&self, message: T) -> Result<(), T> {
        self.send_blocking(message).map_err(|refused| refused.0)
    }

    fn try_send(&self, message: T) -> Result<(), Refusal<T>> {
        async_channel::Sender::try_send(self, message).map_err(|refused| match refused {
            TrySendError::Full(message) => Refusal::Full(message),
            TrySendError::Closed(message) => Refusal::Closed(message),
        })
    }
}

struct Spawner<F> {
    caller: Caller,
    callback: Weak<RefCell<F>>,
    /// It is closed when the source is gone.
    is_gone: Receiver<()>,
}

impl<F> Clone for Spawner<F> {
    fn clone(&self) -> Self {
        let Spawner { caller, callback, is_gone } = self;
        Spawner { caller: caller.clone(), callback: callback.clone(), is_gone: is_gone.clone() }
    }
}

impl<T: 'static, F: FnMut(&Handle, T) + 'static> Spawn<T> for Spawner<F> {
    fn spawn(&self, future: impl Future<Output = T> + 'static) -> bool {
        let Some(shared) = self.caller.shared.upgrade() else { return false };
        if self.caller.is_removed.get() {
            return false;
        }
        let Spawner { caller, callback, is_gone } = self.clone();
        let task = async move {
            let mut future = pin!(future);
            // A dispatch that polls a future returns after that, as after a callback.
            let noting = poll_fn(|context| {
                caller.shared.upgrade().iter().for_each(|shared| shared.note());
                future.as_mut().poll(context)
            });
            let Either::Left((output, _)) = select(noting, pin!(is_gone.recv())).await else {
                return;
            };
            if let Some(callback) = callback.upgrade() {
                caller.call(|handle| (callback.borrow_mut())(handle, output));
            }
        };
        shared.tasks.spawn(task).detach();
        true
    }
}

#[derive(Debug)]
struct Io(Async<OwnedFd>);

impl AsyncFd for Io {
    async fn readable(&mut self) {
        // No descriptor of this kind fails to be waited for.
        let _ = self.0.readable().await;
    }

    async fn writable(&mut self) {
        let _ = self.0.writable().await;
    }

    fn fd(&mut self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }

    fn into_fd(self) -> OwnedFd {
        self.0.into_inner().expect("a descriptor that is registered can be taken out")
    }
}
