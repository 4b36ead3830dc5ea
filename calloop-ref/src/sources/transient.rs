//! Parts of a composite source that come and go.
//!
//! A source that holds others cannot let one of them go by itself: the [`PostAction::Remove`] of a
//! part would remove the whole. A [`TransientSource`] turns what its source wants into a
//! [`PostAction::Reregister`] of the whole and does it there: it removes, disables or replaces the
//! source when the parent registers anew.
//!
//! ```
//! use calloop_ref::channel::{Channel, Event};
//! use calloop_ref::ping::PingSource;
//! use calloop_ref::transient::TransientSource;
//! use calloop_ref::{
//!     EventSource, Poll, PostAction, Readiness, Result, Token, TokenFactory, batch_register,
//!     batch_reregister, batch_unregister,
//! };
//!
//! /// Orders from a channel, which may end, and pings, which go on after it.
//! struct Desk {
//!     orders: TransientSource<Channel<String>>,
//!     pings: PingSource,
//! }
//!
//! impl EventSource for Desk {
//!     type Event = Option<String>;
//!     type Metadata = ();
//!     type Ret = ();
//!     type Error = Box<dyn std::error::Error + Sync + Send>;
//!
//!     fn process_events<F>(
//!         &mut self,
//!         readiness: Readiness,
//!         token: Token,
//!         mut callback: F,
//!     ) -> std::result::Result<PostAction, Self::Error>
//!     where
//!         F: FnMut(Option<String>, &mut ()),
//!     {
//!         let orders = self.orders.process_events(readiness, token, |event, unit| {
//!             if let Event::Msg(order) = event {
//!                 callback(Some(order), unit);
//!             }
//!         })?;
//!         let pings =
//!             self.pings.process_events(readiness, token, |(), unit| callback(None, unit))?;
//!         Ok(orders | pings)
//!     }
//!
//!     fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> Result<()> {
//!         batch_register!(poll, tokens, self.orders, self.pings)
//!     }
//!
//!     fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> Result<()> {
//!         batch_reregister!(poll, tokens, self.orders, self.pings)
//!     }
//!
//!     fn unregister(&mut self, poll: &mut Poll) -> Result<()> {
//!         batch_unregister!(poll, self.orders, self.pings)
//!     }
//! }
//! ```

use crate::interest::Readiness;
use crate::poll::Poll;
use crate::source::{EventSource, PostAction};
use crate::token::{Token, TokenFactory};

/// A source inside another that can be removed, disabled or replaced on its own, or be absent.
///
/// What it does to its source it does in the parent's next registration, which the parent has to
/// see to: by passing on the [`PostAction::Reregister`] that
/// [`process_events`](EventSource::process_events) answers, or after [`remove`](Self::remove) and
/// [`replace`](Self::replace) by answering it itself or by
/// [`LoopHandle::update`](crate::LoopHandle::update).
///
/// Hooks ([`EventSource::before_sleep`]) are not passed on; the parent can call them through
/// [`map`](Self::map).
#[derive(Debug)]
pub struct TransientSource<T> {
    current: Option<Child<T>>,
    /// To be unregistered and dropped in the parent's next registration.
    outgoing: Vec<Child<T>>,
}

#[derive(Debug)]
struct Child<T> {
    source: T,
    status: Status,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Status {
    /// To be registered when the parent is.
    Waiting,
    /// Registered.
    Active,
    /// Registered, to be unregistered when the parent registers anew.
    Disabling,
    /// Unregistered until the parent itself is enabled.
    Disabled,
}

impl<T: EventSource> Child<T> {
    fn unregister(&mut self, poll: &mut Poll, then: Status) -> crate::Result<()> {
        if matches!(self.status, Status::Active | Status::Disabling) {
            self.source.unregister(poll)?;
        }
        self.status = then;
        Ok(())
    }
}

impl<T> TransientSource<T> {
    /// Calls `f` with the source, unless it is absent or about to be removed.
    pub fn map<F, U>(&mut self, f: F) -> Option<U>
    where
        F: FnOnce(&mut T) -> U,
    {
        self.current.as_mut().map(|child| f(&mut child.source))
    }

    /// Whether there is no source, not even one that is about to be removed.
    pub fn is_none(&self) -> bool {
        self.current.is_none() && self.outgoing.is_empty()
    }

    /// Has the source removed in the parent's next registration. It reports nothing more.
    pub fn remove(&mut self) {
        self.outgoing.extend(self.current.take());
    }

    /// Has the source replaced in the parent's next registration. The former reports nothing more;
    /// it is unregistered before the new one is registered, and dropped after.
    pub fn replace(&mut self, new: T) {
        self.remove();
        self.current = Some(Child { source: new, status: Status::Waiting });
    }
}

impl<T: EventSource> TransientSource<T> {
    /// Unregisters what is to go; whatever cannot stays for another try.
    fn unregister_outgoing(&mut self, poll: &mut Poll) -> crate::Result<()> {
        for child in &mut self.outgoing {
            child.unregister(poll, Status::Disabled)?;
        }
        Ok(())
    }
}

impl<T> Default for TransientSource<T> {
    /// Without a source.
    fn default() -> TransientSource<T> {
        TransientSource { current: None, outgoing: Vec::new() }
    }
}

impl<T: EventSource> From<T> for TransientSource<T> {
    fn from(source: T) -> Self {
        let current = Some(Child { source, status: Status::Waiting });
        TransientSource { current, outgoing: Vec::new() }
    }
}

impl<T: EventSource> EventSource for TransientSource<T> {
    type Event = T::Event;
    type Metadata = T::Metadata;
    type Ret = T::Ret;
    type Error = T::Error;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut(Self::Event, &mut Self::Metadata) -> Self::Ret,
    {
        let Some(child) = self.current.as_mut().filter(|child| child.status == Status::Active)
        else {
            return Ok(PostAction::Continue);
        };
        let action = child.source.process_events(readiness, token, callback)?;
        match action {
            PostAction::Continue => return Ok(PostAction::Continue),
            PostAction::Reregister => {}
            PostAction::Disable => child.status = Status::Disabling,
            PostAction::Remove => self.remove(),
        }
        Ok(PostAction::Reregister)
    }

    fn register(&mut self, poll: &mut Poll, token_factory: &mut TokenFactory) -> crate::Result<()> {
        self.unregister_outgoing(poll)?;
        if let Some(child) = &mut self.current {
            child.source.register(poll, token_factory)?;
            child.status = Status::Active;
        }
        self.outgoing.clear();
        Ok(())
    }

    fn reregister(
        &mut self,
        poll: &mut Poll,
        token_factory: &mut TokenFactory,
    ) -> crate::Result<()> {
        self.unregister_outgoing(poll)?;
        if let Some(child) = &mut self.current {
            match child.status {
                Status::Waiting => {
                    child.source.register(poll, token_factory)?;
                    child.status = Status::Active;
                }
                Status::Active => child.source.reregister(poll, token_factory)?,
                Status::Disabling => child.unregister(poll, Status::Disabled)?,
                Status::Disabled => {}
            }
        }
        self.outgoing.clear();
        Ok(())
    }

    fn unregister(&mut self, poll: &mut Poll) -> crate::Result<()> {
        self.unregister_outgoing(poll)?;
        if let Some(child) = &mut self.current {
            child.unregister(poll, Status::Waiting)?;
        }
        self.outgoing.clear();
        Ok(())
    }
}
