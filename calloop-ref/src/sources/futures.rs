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
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll as TaskPoll, Wake, Waker};

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
    /// The places of those to be polled before those in the run queue: what was scheduled while that
    /// was empty, which spares its lock, and what was taken from it, all at once for the same reason.
    taken: RefCell<VecDeque<usize>>,
    unfinished: RefCell<Unfinished<T>>,
    is_destroyed: Cell<bool>,
}

/// The futures that have not resolved, on the loop's thread; a waker knows the place of its own.
struct Unfinished<T> {
    /// `None`: it is being polled, or it has ended and waits in a queue all the same. Then its place
    /// is nobody else's until it was taken from there.
    places: Slab<Option<Task<T>>>,
    /// For tasks to come, because a task with its waker would be two allocations. As many at most as
    /// end in one turn.
    spare: Vec<TaskWaker>,
}

struct Task<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    waker: TaskWaker,
}

/// The waker of a task, twice: as what the future is given, and as what the executor reads.
struct TaskWaker {
    waker: Waker,
    state: Arc<TaskState>,
}

/// What wakers on any thread know of a task.
struct TaskState {
    /// Changed only while no other thread knows the task.
    place: AtomicUsize,
    /// Whether its place stands in a queue, or is about to. Also so when it has ended.
    is_queued: AtomicBool,
    run_queue: Arc<RunQueue>,
}

/// The places of the tasks that are to be polled, filled by wakers on any thread.
struct RunQueue {
    places: Mutex<VecDeque<usize>>,
    /// Whether there is something in `places`, to ask without its lock. Who is told by a push, in
    /// whatever way, finds it so.
    is_filled: AtomicBool,
    node: WakeNode,
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
            places: Mutex::default(),
            is_filled: AtomicBool::new(false),
            node: woken.node().clone(),
        }),
        taken: RefCell::default(),
        unfinished: RefCell::new(Unfinished { places: Slab::new(), spare: Vec::new() }),
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
        let place = self.tasks.add(Box::pin(future));
        self.tasks.queue(place);
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
            .field("unfinished", &self.unfinished.borrow().places.len())
            .finish_non_exhaustive()
    }
}

impl<T> Tasks<T> {
    /// Gives a future its place, and a waker as if it had been woken.
    fn add(&self, future: Pin<Box<dyn Future<Output = T>>>) -> usize {
        let mut unfinished = self.unfinished.borrow_mut();
        let Unfinished { places, spare } = &mut *unfinished;
        let place = places.vacant_entry();
        let key = place.key();
        let waker = match spare.pop() {
            Some(waker) => {
                waker.state.place.store(key, Ordering::Relaxed);
                waker
            }
            None => TaskWaker::new(key, self.run_queue.clone()),
        };
        place.insert(Some(Task { future, waker }));
        key
    }

    /// Has a task polled for the first time, behind all that wait.
    fn queue(&self, place: usize) {
        if self.run_queue.is_filled.load(Ordering::Relaxed) {
            return self.run_queue.push(place);
        }
        let mut taken = self.taken.borrow_mut();
        // As in the run queue: who added the first one has woken the executor.
        let is_first = taken.is_empty();
        taken.push_back(place);
        drop(taken);
        if is_first {
            self.run_queue.node.wake();
        }
    }

    /// The place of the task that was scheduled or woken first of those that wait.
    fn next(&self) -> Option<usize> {
        let mut taken = self.taken.borrow_mut();
        if taken.is_empty() {
            self.run_queue.take(&mut taken);
        }
        taken.pop_front()
    }

    /// Polls the task whose turn it is. `None`: none waits.
    fn poll_next(&self) -> Option<TaskPoll<T>> {
        let place = self.next()?;
        // The borrow must not last while the future is polled.
        let task = self.unfinished.borrow_mut().places[place].take();
        let Some(mut task) = task else {
            // It has ended since it was woken.
            self.unfinished.borrow_mut().places.remove(place);
            return Some(TaskPoll::Pending);
        };
        // Whoever has woken it by now wants what is there to be seen; later it is queued again.
        task.waker.set_queued(false);
        let ending = Ending { tasks: self, place, waker: &task.waker };
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&task.waker.waker));
        if polled.is_pending() {
            std::mem::forget(ending);
            self.unfinished.borrow_mut().places[place] = Some(task);
        } else {
            drop(ending);
            drop(task.future);
            self.keep_spare(task.waker);
        }
        Some(polled)
    }

    /// Keeps the waker of a task that has ended, unless somebody else has it, too.
    fn keep_spare(&self, waker: TaskWaker) {
        let spare = &mut self.unfinished.borrow_mut().spare;
        if spare.len() < STEPS_PER_TURN_MAX && !waker.is_shared() {
            spare.push(waker);
        }
    }
}

/// The end of a task, also by a panic of its future.
struct Ending<'a, T> {
    tasks: &'a Tasks<T>,
    place: usize,
    waker: &'a TaskWaker,
}

impl<T> Drop for Ending<'_, T> {
    fn drop(&mut self) {
        // From now on no waker queues it.
        let was_queued = self.waker.set_queued(true);
        if !was_queued {
            self.tasks.unfinished.borrow_mut().places.remove(self.place);
        }
    }
}

impl TaskWaker {
    fn new(place: usize, run_queue: Arc<RunQueue>) -> Self {
        let place = AtomicUsize::new(place);
        let state = Arc::new(TaskState { place, is_queued: AtomicBool::new(true), run_queue });
        TaskWaker { waker: Waker::from(state.clone()), state }
    }

    /// Takes note that its place is in a queue, or that it is not; returns whether it was.
    fn set_queued(&self, is_queued: bool) -> bool {
        let flag = &self.state.is_queued;
        if self.is_shared() {
            return flag.swap(is_queued, Ordering::Acquire);
        }
        // While nobody else can change it, that is for less than an exchange.
        let was_queued = flag.load(Ordering::Relaxed);
        flag.store(is_queued, Ordering::Relaxed);
        was_queued
    }

    /// Whether somebody else has it, who may use it on another thread at any time.
    fn is_shared(&self) -> bool {
        let is_shared = Arc::strong_count(&self.state) > 2;
        // What others did with theirs before they dropped it is over, as in `Arc::get_mut`.
        fence(Ordering::Acquire);
        is_shared
    }
}

impl Wake for TaskState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::Release) {
            self.run_queue.push(self.place.load(Ordering::Relaxed));
        }
    }
}

impl RunQueue {
    fn push(&self, place: usize) {
        let mut places = self.lock();
        // Who pushed the first one has woken the executor, or is about to.
        let is_first = places.is_empty();
        places.push_back(place);
        self.is_filled.store(true, Ordering::Relaxed);
        drop(places);
        if is_first {
            self.node.wake();
        }
    }

    /// Moves all to `taken`, which is empty.
    fn take(&self, taken: &mut VecDeque<usize>) {
        if self.is_filled.load(Ordering::Relaxed) {
            let mut places = self.lock();
            // They change places, so that both keep their memory.
            std::mem::swap(&mut *places, taken);
            self.is_filled.store(false, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Executor<T> {
    /// Drops the unfinished futures, here and now. A waker that is left queues a place in vain.
    fn drop(&mut self) {
        self.tasks.is_destroyed.set(true);
        // Not borrowed while they are dropped: what they hold may use the scheduler.
        let unfinished = std::mem::take(&mut self.tasks.unfinished.borrow_mut().places);
        drop(unfinished);
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
        self.woken.take_turn(STEPS_PER_TURN_MAX, || {
            let Some(polled) = self.tasks.poll_next() else { return ControlFlow::Break(()) };
            if let TaskPoll::Ready(output) = polled {
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
