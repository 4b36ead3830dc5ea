//! Futures in the loop: a single-threaded executor as a source.
//!
//! [`executor()`] makes the source and a [`Scheduler`]; each scheduled future is polled by the loop,
//! and what it resolves to goes to the source's callback. Futures and what they resolve to stay on
//! the loop's thread and need not be `Send`; their wakers work from any thread.
//!
//! ```
//! use calloop_ref::EventLoop;
//! use calloop_ref::futures::executor;
//! use calloop_ref::timer::TimeoutFuture;
//! use std::time::Duration;
//!
//! let mut event_loop: EventLoop<'_, Vec<&str>> = EventLoop::try_new()?;
//! let (executor, scheduler) = executor()?;
//! event_loop.handle().insert_source(executor, |text, _, done| done.push(text))?;
//!
//! let nap = TimeoutFuture::from_duration(&event_loop.handle(), Duration::from_millis(2));
//! scheduler.schedule(async move {
//!     nap.await;
//!     "slept"
//! })?;
//! scheduler.schedule(async { "ready" })?;
//!
//! let mut done = Vec::new();
//! while done.len() < 2 {
//!     event_loop.dispatch(None, &mut done)?;
//! }
//! assert_eq!(done, ["ready", "slept"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use async_task::{Runnable, Task};
use slab::Slab;

use super::channel::ChannelError;
use super::ping::PingError;
use super::turn::{STEPS_PER_TURN_MAX, Woken, forward_registration};
use crate::interest::Readiness;
use crate::source::{EventSource, PostAction};
use crate::token::Token;
use crate::wake::WakeNode;

/// A source that runs futures, and whose events are what they resolve to.
///
/// They are polled in the order they were scheduled or woken, at most 1024 times in one dispatch.
/// When the executor is dropped its unfinished futures are, too, on the loop's thread.
#[derive(Debug)]
pub struct Executor<T> {
    tasks: Rc<Tasks<T>>,
    woken: Woken,
}

/// A handle to have an [`Executor`] run futures, on the loop's thread.
///
/// The executor stays when the last scheduler is dropped.
#[derive(Debug)]
pub struct Scheduler<T> {
    tasks: Rc<Tasks<T>>,
}

/// The executor is gone, so that nothing can be scheduled on it.
#[derive(Debug)]
pub struct ExecutorDestroyed;

/// What an executor and its schedulers share.
struct Tasks<T> {
    run_queue: Arc<RunQueue>,
    /// To be polled before those in the run queue: what was scheduled while that was empty, which
    /// spares its lock, and what was taken from it, all at once for the same reason.
    taken: RefCell<VecDeque<Runnable>>,
    futures: Rc<Futures<T>>,
    is_destroyed: Cell<bool>,
}

/// What the futures share with their executor.
struct Futures<T> {
    /// The handles of those that have neither resolved nor been dropped.
    unfinished: RefCell<Slab<Option<Task<()>>>>,
    /// What they resolved to, until it is delivered.
    outputs: RefCell<VecDeque<T>>,
}

/// The tasks that are to be polled, filled by wakers on any thread.
struct RunQueue {
    queue: Mutex<Queue>,
    /// Whether there is something in `queue`, to ask without its lock. Who is told by a push, in
    /// whatever way, finds it so.
    is_filled: AtomicBool,
    arrived: Condvar,
    node: WakeNode,
}

#[derive(Default)]
struct Queue {
    runnables: VecDeque<Runnable>,
    /// Whether somebody waits for one: a notification is a system call even if nobody does.
    is_awaited: bool,
}

/// Makes an executor and a scheduler for it.
///
/// # Errors
///
/// None at present: an executor needs nothing of the operating system.
pub fn executor<T>() -> crate::Result<(Executor<T>, Scheduler<T>)> {
    let woken = Woken::new();
    let tasks = Rc::new(Tasks {
        run_queue: Arc::new(RunQueue {
            queue: Mutex::default(),
            is_filled: AtomicBool::new(false),
            arrived: Condvar::new(),
            node: woken.node().clone(),
        }),
        taken: RefCell::default(),
        futures: Rc::new(Futures { unfinished: RefCell::default(), outputs: RefCell::default() }),
        is_destroyed: Cell::new(false),
    });
    Ok((Executor { tasks: tasks.clone(), woken }, Scheduler { tasks }))
}

impl<T> Scheduler<T> {
    /// Has the executor run a future, for the first time in a later dispatch or, when called from
    /// one of its futures or its callback, later in the present one.
    ///
    /// # Errors
    ///
    /// If the executor was dropped; the future is dropped, too.
    pub fn schedule<Fut>(&self, future: Fut) -> Result<(), ExecutorDestroyed>
    where
        Fut: Future<Output = T> + 'static,
        T: 'static,
    {
        if self.tasks.is_destroyed.get() {
            return Err(ExecutorDestroyed);
        }
        let place = Place::reserve(&self.tasks.futures);
        let index = place.index;
        let future = async move {
            // Given up when the future has resolved or is dropped, whichever way.
            let place = place;
            let output = future.await;
            place.futures.outputs.borrow_mut().push_back(output);
        };
        let run_queue = self.tasks.run_queue.clone();
        let (runnable, task) = async_task::spawn_local(future, move |runnable| {
            run_queue.push(runnable);
        });
        self.tasks.futures.unfinished.borrow_mut()[index] = Some(task);
        self.tasks.add(runnable);
        Ok(())
    }
}

impl<T> Clone for Scheduler<T> {
    fn clone(&self) -> Scheduler<T> {
        Scheduler { tasks: self.tasks.clone() }
    }
}

impl<T> fmt::Debug for Tasks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("unfinished", &self.futures.unfinished.borrow().len())
            .finish_non_exhaustive()
    }
}

/// The place of one future among the unfinished.
struct Place<T> {
    futures: Rc<Futures<T>>,
    index: usize,
}

impl<T> Place<T> {
    fn reserve(futures: &Rc<Futures<T>>) -> Self {
        let index = futures.unfinished.borrow_mut().insert(None);
        Place { futures: futures.clone(), index }
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        let task = self.futures.unfinished.borrow_mut().remove(self.index);
        // It ends by itself; a handle that is dropped would cancel it.
        task.into_iter().for_each(Task::detach);
    }
}

impl<T> Tasks<T> {
    /// The task that was scheduled or woken first of those that wait.
    fn next(&self) -> Option<Runnable> {
        let mut taken = self.taken.borrow_mut();
        if taken.is_empty() {
            self.run_queue.take(&mut taken);
        }
        taken.pop_front()
    }

    /// Has a task polled for the first time, behind all that wait.
    fn add(&self, runnable: Runnable) {
        if self.run_queue.is_filled.load(Ordering::Relaxed) {
            return self.run_queue.push(runnable);
        }
        let mut taken = self.taken.borrow_mut();
        // As in the run queue: who added the first one has woken the executor.
        let is_first = taken.is_empty();
        taken.push_back(runnable);
        drop(taken);
        if is_first {
            self.run_queue.node.wake();
        }
    }
}

impl RunQueue {
    fn push(&self, runnable: Runnable) {
        let mut queue = self.lock();
        // Who pushed the first one has woken the executor, or is about to.
        let is_first = queue.runnables.is_empty();
        queue.runnables.push_back(runnable);
        self.is_filled.store(true, Ordering::Relaxed);
        if queue.is_awaited {
            self.arrived.notify_one();
        }
        drop(queue);
        if is_first {
            self.node.wake();
        }
    }

    /// Moves all to `taken`, which is empty.
    fn take(&self, taken: &mut VecDeque<Runnable>) {
        if self.is_filled.load(Ordering::Relaxed) {
            let mut queue = self.lock();
            // They change places, so that both keep their memory.
            std::mem::swap(&mut queue.runnables, taken);
            self.is_filled.store(false, Ordering::Relaxed);
        }
    }

    /// Waits for a task that another thread is about to push.
    fn pop_blocking(&self) -> Runnable {
        let mut queue = self.lock();
        loop {
            if let Some(runnable) = queue.runnables.pop_front() {
                queue.is_awaited = false;
                return runnable;
            }
            queue.is_awaited = true;
            queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Executor<T> {
    /// Drops the unfinished futures, here and now, although wakers on other threads may be about
    /// to push some of them.
    fn drop(&mut self) {
        let tasks = &self.tasks;
        tasks.is_destroyed.set(true);
        loop {
            // Cancelling a task pushes it, unless somebody else has done so or is about to.
            let cancelled = {
                let mut unfinished = tasks.futures.unfinished.borrow_mut();
                let cancelled: Vec<_> =
                    unfinished.iter_mut().filter_map(|(_, task)| task.take()).collect();
                if unfinished.is_empty() {
                    break;
                }
                cancelled
            };
            drop(cancelled);
            // Its future is dropped with it and gives up its place.
            drop(tasks.next().unwrap_or_else(|| tasks.run_queue.pop_blocking()));
        }
    }
}

impl<T> EventSource for Executor<T> {
    type Event = T;
    type Metadata = ();
    type Ret = ();
    type Error = ExecutorError;

    fn process_events<F>(
        &mut self,
        _: Readiness,
        token: Token,
        mut callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut(T, &mut ()),
    {
        if self.woken.answer(token).is_none() {
            return Ok(PostAction::Continue);
        }
        let tasks = &self.tasks;
        self.woken.take_turn(STEPS_PER_TURN_MAX, || {
            let Some(runnable) = tasks.next() else { return ControlFlow::Break(()) };
            runnable.run();
            // A statement of its own: the borrow must not last while the callback runs.
            let output = tasks.futures.outputs.borrow_mut().pop_front();
            if let Some(output) = output {
                callback(output, &mut ());
            }
            ControlFlow::Continue(())
        });
        Ok(PostAction::Continue)
    }

    forward_registration!(woken);
}

impl fmt::Display for ExecutorDestroyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the executor was dropped")
    }
}

impl StdError for ExecutorDestroyed {}

/// An error of an [`Executor`]. At present there is none.
#[derive(Debug)]
pub enum ExecutorError {
    /// The queue of woken futures failed.
    NewFutureError(ChannelError),
    /// Waking the loop failed.
    WakeError(PingError),
}

impl fmt::Display for ExecutorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecutorError::NewFutureError(error) => {
                write!(f, "the executor cannot take futures: {error}")
            }
            ExecutorError::WakeError(error) => write!(f, "the executor cannot be woken: {error}"),
        }
    }
}

impl StdError for ExecutorError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            ExecutorError::NewFutureError(error) => Some(error),
            ExecutorError::WakeError(error) => Some(error),
        }
    }
}
