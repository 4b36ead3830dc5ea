//! The handle to a loop: inserting, changing and removing sources, from anywhere on its thread.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};

use crate::dispatcher::{AnySource, Attempt, Dispatcher, Refused};
use crate::error::{Error, InsertError, Result};
use crate::idle::{Idle, IdleCallback, IdleQueue};
use crate::interest::Readiness;
use crate::io::Async;
use crate::poll::Poll;
use crate::reactor::Reactor;
use crate::registry::{Called, Change, Deferred, Left, Registry, Removed, Target};
use crate::slots::Key;
use crate::source::{EventSource, PostAction};
use crate::token::{RegistrationToken, TokenFactory};

/// What an [`EventLoop`](crate::EventLoop) and its handles share.
///
/// Its methods borrow the registry for as long as they read or write it, and call sources with
/// nothing borrowed: whatever a source does, in a callback, in a registration or in its `Drop`, it
/// may use the handle.
pub(crate) struct Shared<'l, Data> {
    pub(crate) registry: RefCell<Registry<'l, Data>>,
    pub(crate) idles: IdleQueue<'l, Data>,
    /// Sources that were removed while borrowed and are still to be unregistered.
    retired: RefCell<Vec<Rc<dyn AnySource<Data> + 'l>>>,
    // Last, because sources may use it while they are dropped.
    pub(crate) reactor: Rc<Reactor>,
}

impl<'l, Data> Shared<'l, Data> {
    pub(crate) fn new(reactor: Rc<Reactor>) -> Self {
        Shared {
            registry: RefCell::new(Registry::new()),
            idles: IdleQueue::new(),
            retired: RefCell::new(Vec::new()),
            reactor,
        }
    }

    fn poll(&self) -> Poll {
        Poll::new(self.reactor.clone())
    }

    fn insert(&self, source: Rc<dyn AnySource<Data> + 'l>) -> Result<RegistrationToken> {
        let key = self.registry.borrow_mut().insert(source.clone());
        let inserting = Inserting { shared: self, key };
        let registered = self.registration_pass(key, |poll, tokens| source.register(poll, tokens));
        if let Err(refused) = registered {
            // The caller keeps the source; this drops the loop's reference to it.
            drop(inserting);
            return Err(refused.into());
        }
        std::mem::forget(inserting);
        Ok(RegistrationToken { key })
    }

    /// Calls `register` or `reregister` with fresh tokens and takes note of them.
    fn registration_pass(
        &self,
        key: Key,
        call: impl FnOnce(&mut Poll, &mut TokenFactory) -> Attempt,
    ) -> Attempt {
        let mut tokens = self.registry.borrow_mut().token_factory(key);
        call(&mut self.poll(), &mut tokens)?;
        self.registry.borrow_mut().set_registered(key, &tokens);
        Ok(())
    }

    fn enable(&self, key: Key) -> Result<()> {
        let change = self.registry.borrow_mut().enable(key).ok_or(Error::InvalidToken)?;
        if let Change::Now(source) = change {
            self.registration_pass(key, |poll, tokens| source.register(poll, tokens))?;
        }
        Ok(())
    }

    fn update(&self, key: Key) -> Result<()> {
        let change = self.registry.borrow_mut().change(key, Deferred::Update);
        if let Change::Now(source) = change.ok_or(Error::InvalidToken)? {
            self.registration_pass(key, |poll, tokens| source.reregister(poll, tokens))?;
        }
        Ok(())
    }

    fn disable(&self, key: Key) -> Result<()> {
        let change = self.registry.borrow_mut().change(key, Deferred::Disable);
        if let Change::Now(source) = change.ok_or(Error::InvalidToken)? {
            let outcome = source.unregister(&mut self.poll());
            if !matches!(outcome, Err(Refused::Busy)) {
                // Disabled even if it failed: what the source could not undo is not delivered.
                self.registry.borrow_mut().set_disabled(key);
            }
            outcome?;
        }
        Ok(())
    }

    fn remove(&self, key: Key) {
        let removed = self.registry.borrow_mut().remove(key);
        match removed {
            // `Running` retires it when the call has returned.
            None | Some(Removed { is_running: true, .. }) => {}
            Some(Removed { source, is_running: false }) => self.retire(source),
        }
    }

    /// Unregisters a source that was removed and drops it, unless somebody else keeps it.
    ///
    /// A source that is borrowed has to wait until the next dispatch.
    fn retire(&self, source: Rc<dyn AnySource<Data> + 'l>) {
        match source.unregister(&mut self.poll()) {
            Ok(()) => {}
            Err(Refused::Busy) => self.retired.borrow_mut().push(source),
            Err(Refused::Failed(error)) => {
                tracing::warn!(%error, "a removed event source could not unregister");
            }
        }
    }

    /// Tries again with what could not be unregistered when it was removed.
    #[inline]
    pub(crate) fn retire_late(&self) {
        if !self.retired.borrow().is_empty() {
            for source in self.retired.take() {
                self.retire(source);
            }
        }
    }

    /// Delivers an event to the source it is addressed to. `None`: it is stale, nothing was called.
    // Always, because the call and its way back are a tenth of what an event takes.
    #[inline(always)]
    pub(crate) fn deliver(
        &self,
        target: Target,
        readiness: Readiness,
        data: &mut Data,
    ) -> Option<Result<()>> {
        let (key, Called { source, token }) = self.registry.borrow_mut().enter(target)?;
        let running = Running { shared: self, key, source: &source };
        let outcome = source.process_events(readiness, token, data);
        std::mem::forget(running);
        let left = self.registry.borrow_mut().leave(key);
        Some(match (left, outcome) {
            // Most often, and then there is nothing to do.
            (Left::Present(None), Ok(PostAction::Continue)) => Ok(()),
            (left, outcome) => self.finish(key, source, left, outcome, |answer| *answer).map(drop),
        })
    }

    /// Calls a hook of a source. `None`: it is gone or disabled, nothing was called.
    pub(crate) fn call_hook<R>(
        &self,
        key: Key,
        hook: impl FnOnce(&dyn AnySource<Data>) -> Result<R>,
    ) -> Option<Result<R>> {
        let source = self.registry.borrow_mut().enter_hook(key)?;
        let running = Running { shared: self, key, source: &source };
        let outcome = hook(&*source);
        std::mem::forget(running);
        let left = self.registry.borrow_mut().leave(key);
        Some(self.finish(key, source, left, outcome, |_| PostAction::Continue))
    }

    /// Does what the outcome of a call asks for, or else what was asked for the source meanwhile.
    #[inline(never)]
    fn finish<R>(
        &self,
        key: Key,
        source: Rc<dyn AnySource<Data> + 'l>,
        left: Left,
        outcome: Result<R>,
        answer: impl FnOnce(&R) -> PostAction,
    ) -> Result<R> {
        match (left, outcome) {
            (Left::Removed, outcome) => {
                self.retire(source);
                outcome
            }
            (Left::Present(deferred), Ok(value)) => {
                drop(source);
                self.apply(key, answer(&value), deferred)?;
                Ok(value)
            }
            (Left::Present(deferred), Err(error)) => {
                drop(source);
                self.apply_after_failure(key, deferred);
                Err(error)
            }
        }
    }

    /// Does what was asked for a source that then failed. The source's own error is the one that
    /// the caller of the dispatch is told.
    fn apply_after_failure(&self, key: Key, deferred: Option<Deferred>) {
        if let Err(error) = self.apply(key, PostAction::Continue, deferred) {
            tracing::warn!(%error, "a change to a failed event source failed too");
        }
    }

    /// Does what a source answered, or, if that is nothing, what was asked for it meanwhile.
    fn apply(&self, key: Key, answer: PostAction, deferred: Option<Deferred>) -> Result<()> {
        match (answer, deferred) {
            (PostAction::Continue, None) => Ok(()),
            (PostAction::Continue, Some(Deferred::Update)) => self.update(key),
            (PostAction::Continue, Some(Deferred::Disable)) => self.disable(key),
            (PostAction::Reregister, _) => self.update(key),
            (PostAction::Disable, _) => self.disable(key),
            (PostAction::Remove, _) => {
                self.remove(key);
                Ok(())
            }
        }
    }
}

/// A source that is in the registry but not registered yet: taken out again if that fails, or
/// panics.
struct Inserting<'a, 'l, Data> {
    shared: &'a Shared<'l, Data>,
    key: Key,
}

impl<Data> Drop for Inserting<'_, '_, Data> {
    fn drop(&mut self) {
        // Dropped after the borrow has ended.
        let removed = self.shared.registry.borrow_mut().remove(self.key);
        drop(removed);
    }
}

/// A source that is being called, for the case that the call panics; else it is forgotten.
struct Running<'a, 'l, Data> {
    shared: &'a Shared<'l, Data>,
    key: Key,
    source: &'a Rc<dyn AnySource<Data> + 'l>,
}

impl<Data> Drop for Running<'_, '_, Data> {
    /// A source that was removed is unregistered in the next dispatch, because a second panic now
    /// would be the end of the process.
    fn drop(&mut self) {
        let left = self.shared.registry.borrow_mut().leave(self.key);
        if let Left::Removed = left {
            self.shared.retired.borrow_mut().push(self.source.clone());
        }
    }
}

/// A handle to an [`EventLoop`](crate::EventLoop), to insert, change and remove its sources.
///
/// It may be cloned and kept anywhere on the loop's thread, and used at any time: outside of a
/// dispatch, in callbacks, in a source's own methods, in the `Drop` of what a callback captured.
///
/// A handle keeps the loop's sources alive. A callback that captures one keeps the loop alive for
/// ever: let it capture a [`WeakLoopHandle`], or reach the handle through `Data`.
///
/// # A source inside its own callback
///
/// [`remove`](Self::remove) takes effect at once, except that the source is unregistered and
/// dropped when the callback has returned. [`update`](Self::update), [`disable`](Self::disable) and
/// [`enable`](Self::enable) take effect when the callback has returned; the last of several counts,
/// and it counts only if the source answers [`PostAction::Continue`] or fails.
pub struct LoopHandle<'l, Data> {
    shared: Rc<Shared<'l, Data>>,
}

impl<'l, Data> LoopHandle<'l, Data> {
    pub(crate) fn new(shared: Rc<Shared<'l, Data>>) -> Self {
        LoopHandle { shared }
    }

    pub(crate) fn reactor(&self) -> &Rc<Reactor> {
        &self.shared.reactor
    }

    /// Inserts a source with its callback.
    ///
    /// The callback is called from the next wait on, also for what the source was ready for
    /// before. It gets the event, the source's metadata, and the `Data` of the dispatch.
    ///
    /// # Errors
    ///
    /// If the source cannot register: the error, with the source in it. The loop is as before.
    pub fn insert_source<S, F>(
        &self,
        source: S,
        callback: F,
    ) -> std::result::Result<RegistrationToken, InsertError<S>>
    where
        S: EventSource + 'l,
        F: FnMut(S::Event, &mut S::Metadata, &mut Data) -> S::Ret + 'l,
    {
        let dispatcher = Dispatcher::new(source, callback);
        self.shared
            .insert(dispatcher.erase())
            .map_err(|error| InsertError { error, inserted: dispatcher.into_source_inner() })
    }

    /// Inserts a source that is kept in a [`Dispatcher`], so that it can be reached later.
    ///
    /// # Errors
    ///
    /// If the source cannot register, for instance because it is in a loop already. The loop is
    /// as before.
    pub fn register_dispatcher<S>(
        &self,
        dispatcher: Dispatcher<'l, S, Data>,
    ) -> Result<RegistrationToken>
    where
        S: EventSource + 'l,
    {
        self.shared.insert(dispatcher.erase())
    }

    /// Inserts a callback that runs once, at the end of the next dispatch that finishes: of the
    /// present one, if that has not come to its idle callbacks yet.
    ///
    /// Idle callbacks run in the order of their insertion, after all events. One that is inserted
    /// by another runs in the next dispatch. They do not keep the loop from sleeping: if nothing
    /// else happens, the callback runs when the timeout of the dispatch is over.
    pub fn insert_idle<'i, F: FnOnce(&mut Data) + 'l + 'i>(&self, callback: F) -> Idle<'i> {
        let callback = IdleCallback::new(callback);
        self.shared.idles.push(callback.clone());
        self.shared.reactor.show_work();
        Idle::new(callback)
    }

    /// Enables a source that was disabled. What arrived meanwhile and is still there is reported.
    ///
    /// A source that is enabled stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidToken`] if the source was removed, an error of kind `ResourceBusy` if it is
    /// borrowed through its [`Dispatcher`], and what its registration answers.
    pub fn enable(&self, token: &RegistrationToken) -> Result<()> {
        self.shared.enable(token.key)
    }

    /// Has a source register anew, because it was changed: through its [`Dispatcher`], or by what
    /// it shares with others. Events gathered before are not delivered any more.
    ///
    /// A source that is disabled stays so; [`enable`](Self::enable) will find the change.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidToken`] if the source was removed, an error of kind `ResourceBusy` if it is
    /// borrowed through its [`Dispatcher`], and what its registration answers.
    pub fn update(&self, token: &RegistrationToken) -> Result<()> {
        self.shared.update(token.key)
    }

    /// Keeps a source in the loop but silent until it is [enabled](Self::enable): its callback is
    /// not called again, also not for an event that the present dispatch holds for it.
    ///
    /// A source that is disabled stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidToken`] if the source was removed, an error of kind `ResourceBusy` if it is
    /// borrowed through its [`Dispatcher`], and what its unregistration answers.
    pub fn disable(&self, token: &RegistrationToken) -> Result<()> {
        self.shared.disable(token.key)
    }

    /// Removes a source. Its callback is not called again, and both are dropped before this
    /// returns, unless a [`Dispatcher`] keeps them or this is the source's own callback.
    ///
    /// If the source cannot unregister, that is logged; it is gone all the same. A token of a
    /// source that was removed before does nothing.
    pub fn remove(&self, token: RegistrationToken) {
        self.shared.remove(token.key);
    }

    /// Makes a file descriptor usable in futures that are polled on this loop's thread, for
    /// instance by an executor source or `block_on`.
    ///
    /// The descriptor is set non-blocking until the adapter is dropped or taken apart.
    ///
    /// # Errors
    ///
    /// What epoll_ctl(2), kevent(2) or fcntl(2) answer; the descriptor is then as before.
    pub fn adapt_io<F: AsFd>(&self, fd: F) -> Result<Async<'l, F>> {
        Async::new(&self.shared.reactor, fd)
    }

    /// A handle that does not keep the loop's sources alive.
    pub fn downgrade(&self) -> WeakLoopHandle<'l, Data> {
        WeakLoopHandle { shared: Rc::downgrade(&self.shared) }
    }
}

impl<Data> Clone for LoopHandle<'_, Data> {
    fn clone(&self) -> Self {
        LoopHandle { shared: self.shared.clone() }
    }
}

impl<Data> fmt::Debug for LoopHandle<'_, Data> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopHandle").finish_non_exhaustive()
    }
}

/// A [`LoopHandle`] that does not keep the loop alive, for callbacks and sources to hold.
pub struct WeakLoopHandle<'l, Data> {
    shared: Weak<Shared<'l, Data>>,
}

impl<'l, Data> WeakLoopHandle<'l, Data> {
    /// The handle, while the loop or another handle to it lives.
    pub fn upgrade(&self) -> Option<LoopHandle<'l, Data>> {
        self.shared.upgrade().map(LoopHandle::new)
    }

    /// Whether the loop and every handle to it are gone.
    pub fn expired(&self) -> bool {
        self.shared.strong_count() == 0
    }
}

impl<Data> Clone for WeakLoopHandle<'_, Data> {
    fn clone(&self) -> Self {
        WeakLoopHandle { shared: self.shared.clone() }
    }
}

impl<Data> fmt::Debug for WeakLoopHandle<'_, Data> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakLoopHandle").field("expired", &self.expired()).finish_non_exhaustive()
    }
}
