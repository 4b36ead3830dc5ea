//! The tasks that sources are.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::Context;
use std::time::{Duration, Instant};

use ::async_io::Timer;
use async_channel::Receiver;
use async_executor::LocalExecutor;
use futures_util::future::{AbortHandle, abortable, select};

use crate::adapter::{ChannelEvent, TimerNext};

/// Reaches the loop. Tasks have it without keeping it alive.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Rc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) tasks: LocalExecutor<'static>,
    /// How many callbacks were called.
    pub(super) calls: Cell<u64>,
    /// Whether a dispatch waits for news.
    pub(super) is_waiting: Cell<bool>,
    pub(super) wake: async_channel::Sender<()>,
    pub(super) news: Receiver<()>,
}

impl Shared {
    /// Waits until what is ready by now has run: until a new task has.
    pub(super) async fn settle(&self) {
        self.tasks.spawn(async {}).await;
    }

    /// Waits for news.
    pub(super) async fn wait(&self, timeout: Option<Duration>) {
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
    pub(super) fn note(&self) {
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
    pub(super) task: AbortHandle,
    pub(super) is_removed: Rc<Cell<bool>>,
    /// Where it is a timer.
    pub(super) timer: Option<Rc<RefCell<Timer>>>,
}

/// What a task calls back through.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) shared: Weak<Shared>,
    pub(super) is_removed: Rc<Cell<bool>>,
}

impl Caller {
    /// Calls back. `None`: the source is removed, and the task has to end.
    pub(super) fn call<R>(&self, callback: impl FnOnce(&Handle) -> R) -> Option<R> {
        let handle = Handle(self.shared.upgrade()?);
        handle.0.note();
        let answer = callback(&handle);
        (!self.is_removed.get()).then_some(answer)
    }
}

impl Handle {
    /// Makes the task of a source.
    pub(super) fn spawn<T>(&self, task: impl FnOnce(Caller) -> T) -> Source
    where
        T: Future<Output = Option<()>> + 'static,
    {
        let caller = Caller { shared: Rc::downgrade(&self.0), is_removed: Rc::default() };
        let is_removed = caller.is_removed.clone();
        let (future, task) = abortable(task(caller));
        self.0.tasks.spawn(future).detach();
        Source { task, is_removed, timer: None }
    }

    pub(super) fn timer<F>(&self, timer: Timer, mut callback: F) -> Source
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

    pub(super) fn channel<T, F>(&self, receiver: Receiver<T>, mut callback: F) -> Source
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
