//! The tasks that sources are.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::{self, Sleep};

use super::senders::Boxed;
use crate::adapter::{ChannelEvent, TimerNext};

/// Reaches the loop. Tasks have it without keeping it alive.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Rc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    // The tasks go first: what they hold belongs to the drivers of the runtime.
    pub(super) tasks: LocalSet,
    pub(super) runtime: Runtime,
    /// How many callbacks were called.
    pub(super) calls: Cell<u64>,
    /// Ends the wait of a dispatch.
    pub(super) news: Arc<Notify>,
}

/// A source by its task.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) task: AbortHandle,
    pub(super) is_removed: Rc<Cell<bool>>,
    /// Where it is a timer.
    pub(super) sleep: Option<Rc<RefCell<Pin<Box<Sleep>>>>>,
}

/// What a task calls back through.
#[derive(Clone)]
pub(super) struct Caller {
    shared: Weak<Shared>,
    is_removed: Rc<Cell<bool>>,
}

impl Caller {
    /// Has the dispatch that is under way return.
    fn note(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.calls.set(shared.calls.get() + 1);
            // Nothing is kept for a dispatch that does not wait.
            shared.news.notify_waiters();
        }
    }

    /// Calls back. `None`: the source is removed, and the task has to end.
    pub(super) fn call<R>(&self, callback: impl FnOnce(&Handle) -> R) -> Option<R> {
        self.note();
        let handle = Handle(self.shared.upgrade()?);
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
        let is_removed = Rc::new(Cell::new(false));
        let caller = Caller { shared: Rc::downgrade(&self.0), is_removed: is_removed.clone() };
        let task = self.0.tasks.spawn_local(task(caller)).abort_handle();
        Source { task, is_removed, sleep: None }
    }

    pub(super) fn timer<F>(&self, sleep: Sleep, mut callback: F) -> Source
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let sleep = Rc::new(RefCell::new(Box::pin(sleep)));
        let own = sleep.clone();
        let source = self.spawn(|caller| async move {
            loop {
                poll_fn(|context| own.borrow_mut().as_mut().poll(context)).await;
                let deadline = own.borrow().deadline().into_std();
                let next = match caller.call(|handle| callback(handle, Some(deadline)))? {
                    TimerNext::Stop => return None,
                    TimerNext::After(delay) => after(delay),
                    TimerNext::At(deadline) => deadline.into(),
                };
                own.borrow_mut().as_mut().reset(next);
            }
        });
        Source { sleep: Some(sleep), ..source }
    }

    pub(super) fn channel<T, P, F>(&self, mut poll: P, mut callback: F) -> Source
    where
        T: 'static,
        P: FnMut(&mut Context<'_>) -> Poll<Option<T>> + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        self.spawn(|caller| async move {
            while let Some(message) = poll_fn(&mut poll).await {
                caller.call(|handle| callback(handle, ChannelEvent::Message(message)))?;
            }
            caller.call(|handle| callback(handle, ChannelEvent::Closed))
        })
    }
}

/// A future, which a dispatch that polls it returns after, as after a callback.
pub(super) async fn noting<T>(caller: Caller, future: Boxed<T>) -> T {
    let mut future = future;
    poll_fn(|context| {
        caller.note();
        future.as_mut().poll(context)
    })
    .await
}

/// When a delay is over. tokio has an answer for those that no clock gets to.
pub(super) fn after(delay: Duration) -> time::Instant {
    time::sleep(delay).deadline()
}
