//! What a program holds of a source, with the types of the adapter forgotten.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::program::Future;
use super::push::Pushing;
use super::spec::Outcome;
use crate::adapter::{Adapter, Refusal, Sender};

/// What a program holds of a source.
pub(super) struct Slot<A: Adapter> {
    pub(super) source: Option<A::Source>,
    /// A duplicate of a descriptor that the loop has.
    pub(super) near: Option<OwnedFd>,
    /// The other end of it.
    pub(super) far: Option<File>,
    pub(super) ping: Option<Arc<dyn Fn() + Send + Sync>>,
    pub(super) sender: Option<Box<dyn Post>>,
    /// A thread that sends.
    pub(super) push: Option<Pushing>,
    pub(super) cancel: Option<Box<dyn FnOnce()>>,
    pub(super) spawn: Option<Rc<dyn Fn(BoxedFuture) -> bool>>,
    /// Of the futures of an executor, in order.
    pub(super) gates: Vec<Arc<Gate>>,
    /// The other ends of those that wait for a descriptor, in order, and which they are.
    pub(super) feeds: VecDeque<(File, Future)>,
    /// Those of them that have been fed: the end of one would be news, too.
    pub(super) fed: Vec<File>,
}

impl<A: Adapter> Default for Slot<A> {
    fn default() -> Self {
        Slot {
            source: None,
            near: None,
            far: None,
            ping: None,
            sender: None,
            push: None,
            cancel: None,
            spawn: None,
            gates: Vec::new(),
            feeds: VecDeque::new(),
            fed: Vec::new(),
        }
    }
}

impl<A: Adapter> Slot<A> {
    /// Whether there is something to let go.
    pub(super) fn is_held(&self) -> bool {
        let (has_ping, has_sender) = (self.ping.is_some(), self.sender.is_some());
        has_ping || has_sender || self.spawn.is_some() || self.cancel.is_some()
    }
}

/// A future whose output is its number.
pub(super) type BoxedFuture = Pin<Box<dyn std::future::Future<Output = u32>>>;

/// What a future waits for, to be opened by any thread.
#[derive(Default)]
pub struct Gate {
    is_open: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Gate {
    /// One that is open or not.
    pub fn new(is_open: bool) -> Self {
        Gate { is_open: AtomicBool::new(is_open), waker: Mutex::default() }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    /// Opens it, and wakes the future that waits.
    pub fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        let waker = self.exchange(None);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Resolves when it is open.
    pub async fn passed(&self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// The same, a poll at a time.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        // The waker comes first: whoever opens it after the look finds it.
        let _replaced = self.exchange(Some(context.waker().clone()));
        if self.is_open() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Wakers are used and dropped with the lock free: both may call back.
    fn exchange(&self, waker: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut *self.waker.lock().unwrap_or_else(PoisonError::into_inner), waker)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

/// A message.
pub(super) struct Message {
    pub(super) number: u32,
    pub(super) _alive: Arc<()>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {}", self.number)
    }
}

/// A sender.
pub(super) trait Post: Send {
    /// Sends, without blocking.
    fn post(&self, message: Message) -> Outcome;

    /// Sends, and waits for room.
    fn send(&self, message: Message) -> Outcome;

    fn copy(&self) -> Box<dyn Post>;
}

/// A sender of the adapter, to a channel that has a bound or not.
pub(super) struct Poster<S> {
    pub(super) sender: S,
    pub(super) is_bounded: bool,
}

impl<S: Sender<Message>> Post for Poster<S> {
    fn post(&self, message: Message) -> Outcome {
        if !self.is_bounded {
            return self.sender.send(message).map_or(Outcome::Closed, |()| Outcome::Done);
        }
        match self.sender.try_send(message) {
            Ok(()) => Outcome::Done,
            Err(Refusal::Full(_)) => Outcome::Full,
            Err(Refusal::Closed(_)) => Outcome::Closed,
        }
    }

    fn send(&self, message: Message) -> Outcome {
        self.sender.send(message).map_or(Outcome::Closed, |()| Outcome::Done)
    }

    fn copy(&self) -> Box<dyn Post> {
        Box::new(Poster { sender: self.sender.clone(), is_bounded: self.is_bounded })
    }
}
