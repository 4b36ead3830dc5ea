//! What a program holds of a source, with the types of the adapter forgotten.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::spec::Outcome;
use crate::adapter::{Adapter, Refusal, Sender};

/// What a program holds of a source.
pub(super) struct Slot<A: Adapter> {
    pub(super) source: Option<A::Source>,
    /// The other end of a descriptor.
    pub(super) far: Option<UnixStream>,
    pub(super) ping: Option<Arc<dyn Fn() + Send + Sync>>,
    pub(super) sender: Option<Box<dyn Post>>,
    pub(super) cancel: Option<Box<dyn FnOnce()>>,
    pub(super) spawn: Option<Rc<dyn Fn(BoxedFuture) -> bool>>,
    /// Of the futures of an executor, in order.
    pub(super) gates: Vec<Rc<Gate>>,
}

impl<A: Adapter> Default for Slot<A> {
    fn default() -> Self {
        Slot {
            source: None,
            far: None,
            ping: None,
            sender: None,
            cancel: None,
            spawn: None,
            gates: Vec::new(),
        }
    }
}

/// A future whose output is its number.
pub(super) type BoxedFuture = Pin<Box<dyn Future<Output = u32>>>;

/// What a future waits for.
#[derive(Default)]
pub struct Gate {
    is_open: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Gate {
    /// One that is open or not.
    pub fn new(is_open: bool) -> Self {
        Gate { is_open: Cell::new(is_open), waker: RefCell::default() }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// Opens it, and wakes the future that waits.
    pub fn open(&self) {
        self.is_open.set(true);
        let waker = self.waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Resolves when it is open.
    pub async fn passed(&self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// The same, a poll at a time.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_open.get() {
            return Poll::Ready(());
        }
        // The waker that was there is dropped after the borrow has ended.
        let _replaced = self.waker.replace(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("is_open", &self.is_open).finish_non_exhaustive()
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

    fn copy(&self) -> Box<dyn Post> {
        Box::new(Poster { sender: self.sender.clone(), is_bounded: self.is_bounded })
    }
}
