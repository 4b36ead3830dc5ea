//! Waking a loop: from its own thread, from another one, asleep or awake.
//!
//! Pings, channels, executors and streams own no file descriptor. Each has a [`WakeNode`]; waking
//! it puts it on the [`WakeQueue`] of the loop it is registered with, where it stands at most once,
//! and wakes the loop only if that sleeps. A wake-up of a running loop costs no system call, of a
//! sleeping one the single write of its notifier.
//!
//! # Why no wake-up is lost
//!
//! The queue is one atomic word: *empty*, *asleep*, *closed*, or the newest of the nodes that wait.
//!
//! * The loop goes to sleep by exchanging *empty* for *asleep*, which fails when a node is there;
//!   then it must not block.
//! * A waker exchanges what it finds for its node. If that was *asleep* it is the one, and only one,
//!   that writes to the notifier.
//!
//! Both are read-modify-write operations on one word, so one comes first: either the loop sees the
//! node or the waker sees the sleep. What a thread wrote before it woke the node is visible to the
//! loop when it answers, because every waker passes through `flags`, on which the loop does a
//! read-modify-write too. The protocol is model-checked with loom (`tests` below; run by CI).

#![allow(unsafe_code, reason = "an intrusive list of shared nodes, the one exception outside sys")]

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::ptr;

use crate::sys::sync::{
    Arc, AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Mutex, MutexGuard, Ordering,
};
use crate::sys::{Notifier, Notify};
use crate::token::Token;

/// Woken since it last answered.
const PINGED: u8 = 1;
/// Nobody is left who could wake it, which its source has not been told.
const CLOSED: u8 = 2;
/// On a queue, or in the hands of whoever is about to put it there or to deliver it. Only who set
/// this bit may link the node.
const QUEUED: u8 = 4;

/// Something that can be woken from any thread, registered with at most one loop at a time. Clones
/// are the same node.
pub(crate) struct WakeNode<N: Notify = Notifier>(Arc<Node<N>>);

struct Node<N: Notify> {
    flags: AtomicU8,
    /// The node that was queued before this one, while queued.
    next: AtomicPtr<Node<N>>,
    /// The token's slot and sub-id, and its epoch; zero while unregistered. Two words that the
    /// loop reads without the lock: if a registration with another loop tears them, the epoch,
    /// which is unique in the process, is not live in the loop that reads.
    place: AtomicU64,
    epoch: AtomicU64,
    /// Handed to its source, which has not answered yet.
    unanswered: AtomicBool,
    /// The queue of the loop it is registered with.
    queue: Mutex<Option<Arc<WakeQueue<N>>>>,
}

/// What a node has to tell its source.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// It was woken since the last answer.
    pub(crate) pinged: bool,
    /// Nobody can wake it any more.
    pub(crate) closed: bool,
}

impl<N: Notify> WakeNode<N> {
    pub(crate) fn new() -> Self {
        WakeNode(Arc::new(Node {
            flags: AtomicU8::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
            place: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            unanswered: AtomicBool::new(false),
            queue: Mutex::new(None),
        }))
    }

    /// Whether both are the same node.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Has the source called in the loop's next dispatch; wake-ups before that coalesce.
    #[inline]
    pub(crate) fn wake(&self) {
        self.raise(PINGED);
    }

    /// Tells the source that nobody is left to wake it.
    pub(crate) fn close(&self) {
        self.raise(CLOSED);
    }

    #[inline]
    fn raise(&self, flag: u8) {
        if self.0.flags.fetch_or(flag | QUEUED, Ordering::AcqRel) & QUEUED == 0 {
            let registration = self.lock();
            self.link_or_yield(registration.as_ref());
        }
    }

    /// Registers the node with a loop. A wake-up from before is passed on.
    ///
    /// Fails with `AlreadyExists` while it is registered with a loop that lives.
    pub(crate) fn bind(&self, queue: &Arc<WakeQueue<N>>, token: Token) -> io::Result<()> {
        let mut registration = self.lock();
        if registration.as_ref().is_some_and(|queue| !queue.is_closed()) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the source is registered with an event loop already",
            ));
        }
        self.set_token(token);
        *registration = Some(queue.clone());
        self.pass_on(queue);
        Ok(())
    }

    /// Renews the registration under another token.
    ///
    /// Fails with `NotFound` when there is none.
    pub(crate) fn rebind(&self, token: Token) -> io::Result<()> {
        let registration = self.lock();
        let queue = registration.as_ref().ok_or_else(not_registered)?;
        self.set_token(token);
        self.pass_on(queue);
        Ok(())
    }

    /// Ends the registration; later wake-ups are kept for the next one.
    ///
    /// Fails with `NotFound` when there is none.
    pub(crate) fn unbind(&self) -> io::Result<()> {
        let mut registration = self.lock();
        self.0.epoch.store(0, Ordering::Relaxed);
        registration.take().map(drop).ok_or_else(not_registered)
    }

    /// The token it is registered under, `None` while it is not registered.
    #[inline]
    pub(crate) fn token(&self) -> Option<Token> {
        let place = self.0.place.load(Ordering::Relaxed);
        let epoch = self.0.epoch.load(Ordering::Relaxed);
        (epoch != 0).then_some(Token::at(place, epoch))
    }

    fn set_token(&self, token: Token) {
        self.0.place.store(token.place(), Ordering::Relaxed);
        self.0.epoch.store(token.epoch, Ordering::Relaxed);
    }

    /// To be called before the node's source is told of the wake-up.
    #[inline]
    pub(crate) fn begin_delivery(&self) {
        self.0.unanswered.store(true, Ordering::Relaxed);
    }

    /// What the source has to act on. From here on a wake-up counts as a new one.
    #[inline]
    pub(crate) fn answer(&self) -> Answer {
        self.0.unanswered.store(false, Ordering::Relaxed);
        let flags = self.0.flags.swap(0, Ordering::AcqRel);
        Answer { pinged: flags & PINGED != 0, closed: flags & CLOSED != 0 }
    }

    /// To be called after the source returned, failed or panicked: if the wake-up never reached
    /// the node, because a composite source kept it back, it is queued again, as the readiness of a
    /// level-triggered descriptor would be.
    #[inline]
    pub(crate) fn end_delivery(&self) {
        if self.0.unanswered.load(Ordering::Relaxed) {
            self.put_back();
        }
    }

    /// Gives up a node that was taken from a queue but cannot be delivered: it goes to the queue
    /// of its present registration, if there is one and it has something to tell.
    pub(crate) fn put_back(&self) {
        let registration = self.lock();
        self.0.unanswered.store(false, Ordering::Relaxed);
        self.0.flags.fetch_and(!QUEUED, Ordering::AcqRel);
        if let Some(queue) = &*registration {
            self.pass_on(queue);
        }
    }

    /// Queues the node if it has something to tell and nobody else is at it.
    fn pass_on(&self, queue: &Arc<WakeQueue<N>>) {
        if self.0.flags.load(Ordering::Acquire) & (PINGED | CLOSED) != 0
            && self.0.flags.fetch_or(QUEUED, Ordering::AcqRel) & QUEUED == 0
        {
            self.link_or_yield(Some(queue));
        }
    }

    /// Having set `QUEUED`: links the node, or clears the bit again where there is no queue.
    ///
    /// The caller holds the lock, so that a registration that starts meanwhile finds the flags as
    /// they will stay.
    #[inline]
    fn link_or_yield(&self, queue: Option<&Arc<WakeQueue<N>>>) {
        if !queue.is_some_and(|queue| queue.link(self)) {
            self.0.flags.fetch_and(!QUEUED, Ordering::AcqRel);
        }
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Option<Arc<WakeQueue<N>>>> {
        // Nothing panics while it is held.
        self.0.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn not_registered() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the source is not registered with an event loop")
}

impl<N: Notify> Clone for WakeNode<N> {
    fn clone(&self) -> Self {
        WakeNode(self.0.clone())
    }
}

impl<N: Notify> fmt::Debug for WakeNode<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeNode").field("token", &self.token()).finish_non_exhaustive()
    }
}

/// The nodes that were woken since a loop last looked, and whether it sleeps.
pub(crate) struct WakeQueue<N: Notify = Notifier> {
    /// Null for *empty*, one of the two marks below, or the node queued last.
    head: AtomicPtr<Node<N>>,
    notifier: N,
}

/// The loop waits in the kernel; who replaces this must notify it.
fn asleep<N: Notify>() -> *mut Node<N> {
    ptr::without_provenance_mut(1)
}

/// The loop is gone.
fn closed<N: Notify>() -> *mut Node<N> {
    ptr::without_provenance_mut(2)
}

fn is_node<N: Notify>(head: *mut Node<N>) -> bool {
    head.addr() > 2
}

impl<N: Notify> WakeQueue<N> {
    pub(crate) fn new(notifier: N) -> Arc<Self> {
        Arc::new(WakeQueue { head: AtomicPtr::new(ptr::null_mut()), notifier })
    }

    pub(crate) fn notifier(&self) -> &N {
        &self.notifier
    }

    /// Announces that the loop is about to wait. `false`: it must not block, a node is here.
    #[inline]
    pub(crate) fn fall_asleep(&self) -> bool {
        let asleep = asleep();
        match self.head.compare_exchange(
            ptr::null_mut(),
            asleep,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => true,
            Err(head) => head == asleep,
        }
    }

    /// Ends the sleep and moves the queued nodes, oldest first, to the end of `batch`.
    #[inline]
    pub(crate) fn wake_up(&self, batch: &mut VecDeque<WakeNode<N>>) {
        // The plain load keeps the word shared with the wakers where nothing happened.
        if !self.head.load(Ordering::Relaxed).is_null() {
            self.take(ptr::null_mut(), batch);
        }
    }

    /// Refuses every wake-up from now on. Nodes that wait are let go, their wake-ups kept.
    pub(crate) fn close(&self) {
        let mut batch = VecDeque::new();
        self.take(closed(), &mut batch);
        for node in batch {
            node.put_back();
        }
    }

    fn is_closed(&self) -> bool {
        self.head.load(Ordering::Acquire) == closed()
    }

    /// Leaves `mark` in place of the queue and appends what it held to `batch`.
    fn take(&self, mark: *mut Node<N>, batch: &mut VecDeque<WakeNode<N>>) {
        let mut head = self.head.swap(mark, Ordering::AcqRel);
        let start = batch.len();
        while is_node(head) {
            // SAFETY: `link` made this pointer from an `Arc` and left its count to the queue. The
            // swap took the whole list, so that this is the one place to give it back.
            let node = unsafe { Arc::from_raw(head.cast_const()) };
            head = node.next.load(Ordering::Relaxed);
            batch.push_back(WakeNode(node));
        }
        batch.make_contiguous()[start..].reverse();
    }

    /// Puts a node whose `QUEUED` bit the caller has set on the queue; `false` if it is closed.
    #[inline]
    fn link(&self, node: &WakeNode<N>) -> bool {
        let node = &node.0;
        let new = Arc::into_raw(node.clone()).cast_mut();
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                // SAFETY: `new` came from `into_raw` above and was not published.
                drop(unsafe { Arc::from_raw(new.cast_const()) });
                return false;
            }
            node.next.store(if is_node(head) { head } else { ptr::null_mut() }, Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(changed) => head = changed,
            }
        }
        if head == asleep() {
            self.notifier.notify();
        }
        true
    }
}

impl<N: Notify> Drop for WakeQueue<N> {
    fn drop(&mut self) {
        // A queue dies closed (`Reactor` closes it). This only frees what a queue that never
        // belonged to a loop holds.
        self.take(closed(), &mut VecDeque::new());
    }
}

impl<N: Notify> fmt::Debug for WakeQueue<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head.load(Ordering::Relaxed);
        let state = match head {
            _ if is_node(head) => "woken",
            _ if head == asleep() => "asleep",
            _ if head == closed() => "closed",
            _ => "awake",
        };
        f.debug_tuple("WakeQueue").field(&state).finish()
    }
}

#[cfg(test)]
mod tests;
