//! A source together with its callback, and the two traits that hide their types.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::interest::Readiness;
use crate::poll::Poll;
use crate::source::{EventIterator, EventSource, PostAction};
use crate::token::{Token, TokenFactory};

/// What the loop needs of a source, whatever its type.
pub(crate) trait AnySource<Data> {
    fn process_events(
        &self,
        readiness: Readiness,
        token: Token,
        data: &mut Data,
    ) -> Result<PostAction>;

    // The next three answer `Err(Refused::Busy)` while somebody else has the source borrowed.
    fn register(&self, poll: &mut Poll, tokens: &mut TokenFactory) -> Attempt;
    fn reregister(&self, poll: &mut Poll, tokens: &mut TokenFactory) -> Attempt;
    fn unregister(&self, poll: &mut Poll) -> Attempt;

    fn has_hooks(&self) -> bool;
    fn before_sleep(&self) -> Result<Option<(Readiness, Token)>>;
    fn before_handle_events(&self, events: EventIterator<'_>);
}

/// What [`Dispatcher`] needs besides: the source in its own type.
trait TypedSource<S, Data>: AnySource<Data> {
    fn source_ref(&self) -> Ref<'_, S>;
    fn source_mut(&self) -> RefMut<'_, S>;
    fn into_source(self: Rc<Self>) -> Option<S>;
}

/// The outcome of a change to a registration.
pub(crate) type Attempt = std::result::Result<(), Refused>;

/// Why a registration was not changed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The source is borrowed, by [`Dispatcher::as_source_ref`] or because it is being called.
    Busy,
    /// The source itself failed.
    Failed(Error),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Error::IoError(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "the event source is borrowed, so that its registration cannot change now",
            )),
            Refused::Failed(error) => error,
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Failed(error)
    }
}

/// A source and its callback, which is called only while the source is: one borrow is for both.
struct SourceAndCallback<S, F>(RefCell<Both<S, F>>);

struct Both<S, F> {
    source: S,
    callback: F,
}

impl<S, F> SourceAndCallback<S, F> {
    /// Both, for the loop to call. Nobody may hold a borrow of the source across a dispatch.
    #[inline]
    fn both(&self) -> RefMut<'_, Both<S, F>> {
        self.0.try_borrow_mut().expect(
            "a borrow of the source, from Dispatcher::as_source_ref or as_source_mut, is held \
             while the event loop dispatches it",
        )
    }

    fn try_source_mut(&self) -> std::result::Result<RefMut<'_, S>, Refused> {
        let both = self.0.try_borrow_mut().map_err(|_| Refused::Busy)?;
        Ok(RefMut::map(both, |both| &mut both.source))
    }
}

impl<S, F, Data> AnySource<Data> for SourceAndCallback<S, F>
where
    S: EventSource,
    F: FnMut(S::Event, &mut S::Metadata, &mut Data) -> S::Ret,
{
    #[inline]
    fn process_events(
        &self,
        readiness: Readiness,
        token: Token,
        data: &mut Data,
    ) -> Result<PostAction> {
        let mut both = self.both();
        let Both { source, callback } = &mut *both;
        source
            .process_events(readiness, token, |event, metadata| callback(event, metadata, data))
            .map_err(|error| Error::OtherError(error.into()))
    }

    fn register(&self, poll: &mut Poll, tokens: &mut TokenFactory) -> Attempt {
        Ok(self.try_source_mut()?.register(poll, tokens)?)
    }

    fn reregister(&self, poll: &mut Poll, tokens: &mut TokenFactory) -> Attempt {
        Ok(self.try_source_mut()?.reregister(poll, tokens)?)
    }

    fn unregister(&self, poll: &mut Poll) -> Attempt {
        Ok(self.try_source_mut()?.unregister(poll)?)
    }

    fn has_hooks(&self) -> bool {
        S::NEEDS_EXTRA_LIFECYCLE_EVENTS
    }

    fn before_sleep(&self) -> Result<Option<(Readiness, Token)>> {
        self.both().source.before_sleep()
    }

    fn before_handle_events(&self, events: EventIterator<'_>) {
        self.both().source.before_handle_events(events);
    }
}

impl<S, F, Data> TypedSource<S, Data> for SourceAndCallback<S, F>
where
    S: EventSource,
    F: FnMut(S::Event, &mut S::Metadata, &mut Data) -> S::Ret,
{
    fn source_ref(&self) -> Ref<'_, S> {
        Ref::map(self.0.borrow(), |both| &both.source)
    }

    fn source_mut(&self) -> RefMut<'_, S> {
        RefMut::map(self.0.borrow_mut(), |both| &mut both.source)
    }

    fn into_source(self: Rc<Self>) -> Option<S> {
        Rc::into_inner(self).map(|both| both.0.into_inner().source)
    }
}

/// A source with its callback, kept so that the source can be reached while it is in the loop.
///
/// Insert it with [`LoopHandle::register_dispatcher`](crate::LoopHandle::register_dispatcher); keep
/// a clone to look at the source or change it in between. After a change of what it waits for, call
/// [`LoopHandle::update`](crate::LoopHandle::update).
///
/// ```
/// use calloop_ref::timer::{TimeoutAction, Timer};
/// use calloop_ref::{Dispatcher, EventLoop};
/// use std::time::Duration;
///
/// let mut event_loop: EventLoop<'_, bool> = EventLoop::try_new()?;
/// let dispatcher = Dispatcher::new(Timer::from_duration(Duration::from_secs(3600)), |_, _, rang| {
///     *rang = true;
///     TimeoutAction::Drop
/// });
/// let token = event_loop.handle().register_dispatcher(dispatcher.clone())?;
///
/// // An hour is too long after all.
/// dispatcher.as_source_mut().set_duration(Duration::from_millis(1));
/// event_loop.handle().update(&token)?;
///
/// let mut rang = false;
/// event_loop.dispatch(None, &mut rang)?;
/// assert!(rang);
/// # Ok::<(), calloop_ref::Error>(())
/// ```
pub struct Dispatcher<'a, S, Data>(Rc<dyn TypedSource<S, Data> + 'a>);

impl<'a, S, Data> Dispatcher<'a, S, Data>
where
    S: EventSource + 'a,
{
    /// Joins a source and its callback.
    pub fn new<F>(source: S, callback: F) -> Self
    where
        F: FnMut(S::Event, &mut S::Metadata, &mut Data) -> S::Ret + 'a,
    {
        Dispatcher(Rc::new(SourceAndCallback(RefCell::new(Both { source, callback }))))
    }

    /// The source, to look at.
    ///
    /// # Panics
    ///
    /// While the source is borrowed mutably: inside its own callback, or while the result of
    /// [`as_source_mut`](Self::as_source_mut) lives.
    pub fn as_source_ref(&self) -> Ref<'_, S> {
        self.0.source_ref()
    }

    /// The source, to change.
    ///
    /// # Panics
    ///
    /// While the source is borrowed: inside its own callback, or while the result of this method or
    /// of [`as_source_ref`](Self::as_source_ref) lives.
    pub fn as_source_mut(&self) -> RefMut<'_, S> {
        self.0.source_mut()
    }

    /// Takes the source out, once it has been removed from the loop.
    ///
    /// # Panics
    ///
    /// While the source is in the loop, or another clone of the dispatcher exists.
    pub fn into_source_inner(self) -> S {
        self.0.into_source().expect(
            "the source cannot be taken out of a dispatcher that is still in an event loop or \
             was cloned",
        )
    }

    /// The same without its type, for the loop.
    pub(crate) fn erase(&self) -> Rc<dyn AnySource<Data> + 'a> {
        self.0.clone()
    }
}

impl<S, Data> Clone for Dispatcher<'_, S, Data> {
    fn clone(&self) -> Self {
        Dispatcher(self.0.clone())
    }
}

impl<S, Data> fmt::Debug for Dispatcher<'_, S, Data> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}
