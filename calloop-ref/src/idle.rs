//! Callbacks that run once, when a dispatch has nothing else left to do.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

/// An idle callback that was inserted and can be cancelled until it runs.
///
/// Dropping this does not cancel it.
#[must_use = "an idle callback that need not be cancelled can be let go with `drop` or `let _`"]
pub struct Idle<'i> {
    callback: Rc<dyn Cancel + 'i>,
}

impl<'i> Idle<'i> {
    pub(crate) fn new<F: 'i>(callback: Rc<IdleCallback<F>>) -> Self {
        Idle { callback }
    }
}

impl Idle<'_> {
    /// Cancels the callback: it does not run, and what it captured is dropped now.
    ///
    /// Harmless when it has run, and from inside itself.
    pub fn cancel(self) {
        self.callback.cancel();
    }
}

impl fmt::Debug for Idle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").finish_non_exhaustive()
    }
}

/// A callback until it is taken, to be run or to be dropped.
pub(crate) struct IdleCallback<F>(RefCell<Option<F>>);

impl<F> IdleCallback<F> {
    pub(crate) fn new(callback: F) -> Rc<Self> {
        Rc::new(IdleCallback(RefCell::new(Some(callback))))
    }
}

trait Cancel {
    fn cancel(&self);
}

impl<F> Cancel for IdleCallback<F> {
    fn cancel(&self) {
        // Dropped after the borrow has ended: what the callback captured may use the loop.
        let callback = self.0.take();
        drop(callback);
    }
}

pub(crate) trait Run<Data> {
    fn run(&self, data: &mut Data);
}

impl<F: FnOnce(&mut Data), Data> Run<Data> for IdleCallback<F> {
    fn run(&self, data: &mut Data) {
        // Taken first, so that the callback may cancel itself.
        let callback = self.0.take();
        if let Some(callback) = callback {
            callback(data);
        }
    }
}

/// The idle callbacks of a loop, in order of insertion.
pub(crate) struct IdleQueue<'l, Data> {
    waiting: RefCell<VecDeque<Rc<dyn Run<Data> + 'l>>>,
}

impl<'l, Data> IdleQueue<'l, Data> {
    pub(crate) fn new() -> Self {
        IdleQueue { waiting: RefCell::default() }
    }

    #[inline]
    pub(crate) fn push(&self, callback: Rc<dyn Run<Data> + 'l>) {
        self.waiting.borrow_mut().push_back(callback);
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Runs those that wait now; what they insert waits for the next run. If one panics, those
    /// behind it do, too.
    #[inline]
    pub(crate) fn run(&self, data: &mut Data) {
        if !self.is_empty() {
            self.run_waiting(data);
        }
    }

    // Apart, so that a dispatch without them is spared its registers.
    #[inline(never)]
    fn run_waiting(&self, data: &mut Data) {
        let count = self.waiting.borrow().len();
        for _ in 0..count {
            let Some(callback) = self.pop() else { return };
            callback.run(data);
        }
    }

    // The borrow must not last while the callback runs.
    #[inline]
    fn pop(&self) -> Option<Rc<dyn Run<Data> + 'l>> {
        self.waiting.borrow_mut().pop_front()
    }
}
