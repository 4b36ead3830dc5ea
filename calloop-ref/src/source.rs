//! What an event source is, and what it may ask for after its events.

use std::error::Error as StdError;
use std::ops::{BitOr, BitOrAssign};

use crate::error::Result;
use crate::interest::Readiness;
use crate::poll::Poll;
use crate::token::{Token, TokenFactory};

/// What a source wants done with its registration once it has processed its events.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum PostAction {
    /// Nothing: go on as before.
    Continue,
    /// Call [`EventSource::reregister`], because the source changed.
    Reregister,
    /// Unregister it, but keep it: [`LoopHandle::enable`](crate::LoopHandle::enable) brings it
    /// back.
    Disable,
    /// Unregister and drop it.
    Remove,
}

/// Joins what two sub-sources want into what their common parent wants.
///
/// If they agree, that; if not, [`Reregister`](PostAction::Reregister), in which the parent can
/// sort out each. So `Remove | Continue` is not `Remove`: wrap a sub-source that may remove itself
/// in a [`TransientSource`](crate::transient::TransientSource).
impl BitOr for PostAction {
    type Output = PostAction;

    fn bitor(self, other: Self) -> Self::Output {
        if self == other { self } else { PostAction::Reregister }
    }
}

/// As [`BitOr`].
impl BitOrAssign for PostAction {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// Something that produces events in an event loop.
///
/// A source registers what it waits for with the loop, and is told with the [`Token`] of that
/// registration when it is ready; then it does what it has to do and calls the callback once an
/// event. Sources compose: a source can hold others, forward the three registration methods to
/// them, and forward `process_events` to each, which ignores tokens that are not its own.
///
/// ```
/// use calloop_ref::ping::{PingError, PingSource};
/// use calloop_ref::timer::{TimeoutAction, Timer};
/// use calloop_ref::{
///     EventSource, Poll, PostAction, Readiness, Result, Token, TokenFactory, batch_register,
///     batch_reregister, batch_unregister,
/// };
///
/// /// Pings, and a beat when there was none for long.
/// struct Watchdog {
///     pings: PingSource,
///     timer: Timer,
/// }
///
/// enum Sign {
///     Life,
///     Silence,
/// }
///
/// impl EventSource for Watchdog {
///     type Event = Sign;
///     type Metadata = ();
///     type Ret = TimeoutAction;
///     type Error = Box<dyn std::error::Error + Sync + Send>;
///
///     fn process_events<F>(
///         &mut self,
///         readiness: Readiness,
///         token: Token,
///         mut callback: F,
///     ) -> std::result::Result<PostAction, Self::Error>
///     where
///         F: FnMut(Sign, &mut ()) -> TimeoutAction,
///     {
///         let mut action = self.pings.process_events(readiness, token, |(), unit| {
///             callback(Sign::Life, unit);
///         })?;
///         action |= self
///             .timer
///             .process_events(readiness, token, |_deadline, unit| callback(Sign::Silence, unit))?;
///         Ok(action)
///     }
///
///     fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> Result<()> {
///         batch_register!(poll, tokens, self.pings, self.timer)
///     }
///
///     fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> Result<()> {
///         batch_reregister!(poll, tokens, self.pings, self.timer)
///     }
///
///     fn unregister(&mut self, poll: &mut Poll) -> Result<()> {
///         batch_unregister!(poll, self.pings, self.timer)
///     }
/// }
/// ```
pub trait EventSource {
    /// What the callback is told.
    type Event;

    /// What the callback may look at or change besides, for instance the source's own state.
    type Metadata;

    /// What the callback answers.
    type Ret;

    /// What can fail in [`process_events`](Self::process_events).
    type Error: Into<Box<dyn StdError + Sync + Send>>;

    /// Whether the loop calls [`before_sleep`](Self::before_sleep) and
    /// [`before_handle_events`](Self::before_handle_events) around each wait.
    const NEEDS_EXTRA_LIFECYCLE_EVENTS: bool = false;

    /// Processes the readiness that the loop reports for one of the source's tokens.
    ///
    /// Called once an event. A token may belong to another part of a composite source: then there
    /// is nothing to do and the answer is [`PostAction::Continue`]. An error ends the dispatch and
    /// is handed to its caller; the source stays in the loop and no event of others is lost.
    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        callback: F,
    ) -> std::result::Result<PostAction, Self::Error>
    where
        F: FnMut(Self::Event, &mut Self::Metadata) -> Self::Ret;

    /// Starts waiting for events, under a token of the factory for each thing waited for.
    ///
    /// Called when the source is inserted or enabled.
    fn register(&mut self, poll: &mut Poll, token_factory: &mut TokenFactory) -> Result<()>;

    /// Renews every registration: the source changed, or one-shot events are to be armed again.
    ///
    /// Called by [`LoopHandle::update`](crate::LoopHandle::update) and after
    /// [`PostAction::Reregister`]. A token from an earlier pass stays good until the factory has
    /// issued another in its place.
    fn reregister(&mut self, poll: &mut Poll, token_factory: &mut TokenFactory) -> Result<()>;

    /// Stops waiting for events.
    ///
    /// Called when the source is disabled or removed.
    fn unregister(&mut self, poll: &mut Poll) -> Result<()>;

    /// Called before each wait of the loop, if asked for and while the source is enabled.
    ///
    /// With `Some`, the wait does not block and [`process_events`](Self::process_events) is called
    /// with just this, before what the kernel reports: for a source that has read ahead and holds
    /// events in memory. An error ends the dispatch before it waits.
    fn before_sleep(&mut self) -> Result<Option<(Readiness, Token)>> {
        Ok(None)
    }

    /// Called after each wait with the source's own events, before any event is processed.
    ///
    /// It always follows the [`before_sleep`](Self::before_sleep) of the same wait, also when that
    /// wait did not come about. What `before_sleep` itself asked for is not among the events.
    #[allow(unused_variables, reason = "a name is better documentation than an underscore")]
    fn before_handle_events(&mut self, events: EventIterator<'_>) {}
}

/// The events of one source that a wait reported, in the order they will be processed.
#[derive(Clone, Debug)]
pub struct EventIterator<'a> {
    events: std::slice::Iter<'a, (Readiness, Token)>,
}

impl<'a> EventIterator<'a> {
    pub(crate) fn new(events: &'a [(Readiness, Token)]) -> Self {
        EventIterator { events: events.iter() }
    }
}

impl Iterator for EventIterator<'_> {
    type Item = (Readiness, Token);

    fn next(&mut self) -> Option<Self::Item> {
        self.events.next().copied()
    }
}

/// Makes a pointer to a source a source: each method calls its namesake.
macro_rules! forward_source {
    ($($pointer:tt)+) => {
        impl<T: EventSource> EventSource for $($pointer)+ {
            type Event = T::Event;
            type Metadata = T::Metadata;
            type Ret = T::Ret;
            type Error = T::Error;

            const NEEDS_EXTRA_LIFECYCLE_EVENTS: bool = T::NEEDS_EXTRA_LIFECYCLE_EVENTS;

            fn process_events<F>(
                &mut self,
                readiness: Readiness,
                token: Token,
                callback: F,
            ) -> std::result::Result<PostAction, Self::Error>
            where
                F: FnMut(Self::Event, &mut Self::Metadata) -> Self::Ret,
            {
                T::process_events(&mut **self, readiness, token, callback)
            }

            fn register(&mut self, poll: &mut Poll, token_factory: &mut TokenFactory) -> Result<()> {
                T::register(&mut **self, poll, token_factory)
            }

            fn reregister(&mut self, poll: &mut Poll, token_factory: &mut TokenFactory) -> Result<()> {
                T::reregister(&mut **self, poll, token_factory)
            }

            fn unregister(&mut self, poll: &mut Poll) -> Result<()> {
                T::unregister(&mut **self, poll)
            }

            fn before_sleep(&mut self) -> Result<Option<(Readiness, Token)>> {
                T::before_sleep(&mut **self)
            }

            fn before_handle_events(&mut self, events: EventIterator<'_>) {
                T::before_handle_events(&mut **self, events);
            }
        }
    };
}

forward_source!(Box<T>);
forward_source!(&mut T);

#[cfg(test)]
mod tests {
    use super::PostAction::{self, *};

    #[test]
    fn actions_join_to_what_both_want_or_to_reregister() {
        for left in [Continue, Reregister, Disable, Remove] {
            for right in [Continue, Reregister, Disable, Remove] {
                let expected: PostAction = if left == right { left } else { Reregister };
                assert_eq!(left | right, expected);
                let mut joined = left;
                joined |= right;
                assert_eq!(joined, expected);
            }
        }
    }
}
