//! Deadlines: a source that is called when the time has come, and a future that waits for it.
//!
//! A timer is never early: its callback runs in the first dispatch whose wait ended at or after the
//! deadline, as the monotonic clock counts, with the kernel's full precision. It costs no file
//! descriptor and no system call.
//!
//! ```
//! use calloop_ref::EventLoop;
//! use calloop_ref::timer::{TimeoutAction, Timer};
//! use std::time::Duration;
//!
//! let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new()?;
//! let period = Duration::from_millis(2);
//! event_loop.handle().insert_source(Timer::from_duration(period), move |deadline, _, beats| {
//!     *beats += 1;
//!     // Counted from the deadline, not from now, so that the beat does not drift.
//!     if *beats < 3 { TimeoutAction::ToInstant(deadline + period) } else { TimeoutAction::Drop }
//! })?;
//!
//! let mut beats = 0;
//! while beats < 3 {
//!     event_loop.dispatch(None, &mut beats)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll as TaskPoll, Waker};
use std::time::{Duration, Instant};

use crate::handle::LoopHandle;
use crate::interest::Readiness;
use crate::poll::Poll;
use crate::reactor::{Expiry, Reactor};
use crate::source::{EventSource, PostAction};
use crate::timer_heap::TimerKey;
use crate::token::{Token, TokenFactory};

/// What a timer does after its callback.
#[derive(Debug)]
pub enum TimeoutAction {
    /// Nothing more: the source removes itself.
    Drop,
    /// Fire again at this instant; if it has passed, in the next dispatch.
    ToInstant(Instant),
    /// Fire again this long after the callback returned. A time beyond what the clock can express
    /// is as [`Drop`](TimeoutAction::Drop).
    ToDuration(Duration),
}

/// A source whose event is its deadline.
///
/// The event carries the deadline that was set, not the time of the call. It fires at most once a
/// dispatch, however much it is late.
#[derive(Debug)]
pub struct Timer {
    /// `None`: never.
    deadline: Option<Instant>,
    armed: Option<Armed>,
}

/// The registration of a timer.
struct Armed {
    reactor: Weak<Reactor>,
    token: Token,
    /// What it was set to, and where it stands in the heap; `None` while it has no deadline.
    entry: Option<(Instant, TimerKey)>,
}

impl Armed {
    #[inline]
    fn new(reactor: &Rc<Reactor>, token: Token, deadline: Option<Instant>) -> Self {
        let mut armed = Armed { reactor: Rc::downgrade(reactor), token, entry: None };
        armed.arm(reactor, deadline);
        armed
    }

    #[inline]
    fn arm(&mut self, reactor: &Reactor, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            let key = reactor.insert_timer(deadline, Expiry::Source(self.token));
            self.entry = Some((deadline, key));
        }
    }

    #[inline]
    fn arm_again(&mut self, deadline: Option<Instant>) {
        if let (Some(_), Some(reactor)) = (deadline, self.reactor.upgrade()) {
            self.arm(&reactor, deadline);
        }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let (Some((_, key)), Some(reactor)) = (self.entry, self.reactor.upgrade()) {
            reactor.cancel_timer(key);
        }
    }
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Armed").field("token", &self.token).finish_non_exhaustive()
    }
}

impl Timer {
    /// A timer that fires in the next dispatch.
    pub fn immediate() -> Timer {
        Self::from_deadline(Instant::now())
    }

    /// A timer that fires this long after now. A time beyond what the clock can express never
    /// comes.
    pub fn from_duration(duration: Duration) -> Timer {
        Timer { deadline: Instant::now().checked_add(duration), armed: None }
    }

    /// A timer that fires at this instant; if it has passed, in the next dispatch.
    pub fn from_deadline(deadline: Instant) -> Timer {
        Timer { deadline: Some(deadline), armed: None }
    }

    /// Sets another deadline. A timer in a loop keeps to the former until
    /// [`LoopHandle::update`] is called.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// Sets the deadline to this long after now. A time beyond what the clock can express never
    /// comes. A timer in a loop keeps to the former deadline until [`LoopHandle::update`] is
    /// called.
    pub fn set_duration(&mut self, duration: Duration) {
        self.deadline = Instant::now().checked_add(duration);
    }

    /// The deadline; `None` if it never comes, or has come and was not renewed.
    pub fn current_deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

impl EventSource for Timer {
    type Event = Instant;
    type Metadata = ();
    type Ret = TimeoutAction;
    type Error = io::Error;

    #[inline]
    fn process_events<F>(
        &mut self,
        _: Readiness,
        token: Token,
        mut callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut(Self::Event, &mut Self::Metadata) -> Self::Ret,
    {
        let Some(armed) = self.armed.as_mut().filter(|armed| armed.token == token) else {
            return Ok(PostAction::Continue);
        };
        let Some((deadline, _)) = armed.entry.take() else { return Ok(PostAction::Continue) };
        // Whatever the callback answers, or if it panics, this deadline is over.
        self.deadline = None;
        self.deadline = match callback(deadline, &mut ()) {
            TimeoutAction::Drop => None,
            TimeoutAction::ToInstant(deadline) => Some(deadline),
            TimeoutAction::ToDuration(duration) => Instant::now().checked_add(duration),
        };
        armed.arm_again(self.deadline);
        Ok(if self.deadline.is_some() { PostAction::Continue } else { PostAction::Remove })
    }

    fn register(&mut self, poll: &mut Poll, token_factory: &mut TokenFactory) -> crate::Result<()> {
        if self.armed.as_ref().is_some_and(|armed| armed.reactor.strong_count() > 0) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the timer is registered with an event loop already",
            )
            .into());
        }
        self.armed = Some(Armed::new(poll.reactor(), token_factory.token(), self.deadline));
        Ok(())
    }

    fn reregister(
        &mut self,
        poll: &mut Poll,
        token_factory: &mut TokenFactory,
    ) -> crate::Result<()> {
        // The former deadline is cancelled before the new one is set.
        self.armed = None;
        self.armed = Some(Armed::new(poll.reactor(), token_factory.token(), self.deadline));
        Ok(())
    }

    fn unregister(&mut self, _: &mut Poll) -> crate::Result<()> {
        self.armed = None;
        Ok(())
    }
}

/// A future that is ready when the time has come, to be awaited on the loop's thread: in an
/// executor that is a source of the loop, or in `block_on`.
///
/// Dropping it cancels the wait.
#[derive(Debug)]
pub struct TimeoutFuture {
    /// `None`: never.
    wait: Option<TimerWait>,
}

/// A place in the heap, given up when dropped.
#[derive(Debug)]
struct TimerWait {
    deadline: Instant,
    waker: Rc<RefCell<Option<Waker>>>,
    reactor: Weak<Reactor>,
    key: TimerKey,
}

impl TimeoutFuture {
    /// A future that is ready this long after now. A time beyond what the clock can express never
    /// comes.
    pub fn from_duration<Data>(handle: &LoopHandle<'_, Data>, duration: Duration) -> TimeoutFuture {
        Self::at(handle, Instant::now().checked_add(duration))
    }

    /// A future that is ready at this instant.
    pub fn from_deadline<Data>(handle: &LoopHandle<'_, Data>, deadline: Instant) -> TimeoutFuture {
        Self::at(handle, Some(deadline))
    }

    fn at<Data>(handle: &LoopHandle<'_, Data>, deadline: Option<Instant>) -> TimeoutFuture {
        let wait = deadline.map(|deadline| {
            let waker = Rc::default();
            let expiry = Expiry::Future(Rc::clone(&waker));
            let key = handle.reactor().insert_timer(deadline, expiry);
            TimerWait { deadline, waker, reactor: Rc::downgrade(handle.reactor()), key }
        });
        TimeoutFuture { wait }
    }
}

impl Drop for TimerWait {
    fn drop(&mut self) {
        if let Some(reactor) = self.reactor.upgrade() {
            reactor.cancel_timer(self.key);
        }
    }
}

impl Future for TimeoutFuture {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> TaskPoll<Self::Output> {
        let Some(wait) = &self.wait else { return TaskPoll::Pending };
        if Instant::now() >= wait.deadline {
            return TaskPoll::Ready(());
        }
        // The waker that was there is dropped after the borrow has ended.
        let _replaced = wait.waker.replace(Some(cx.waker().clone()));
        TaskPoll::Pending
    }
}
