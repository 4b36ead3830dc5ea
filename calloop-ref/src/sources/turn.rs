//! What channels, executors and streams have in common: they are woken, then work through what has
//! piled up, a limited amount in each turn.

use std::io;
use std::ops::ControlFlow;

use crate::poll::Poll;
use crate::token::{Token, TokenFactory};
use crate::wake::{Answer, WakeNode};

/// How much one source may do in one dispatch before the others have their turn: messages, polls of
/// futures, items of a stream. Large enough that the cost of a dispatch is shared by many.
pub(crate) const STEPS_PER_TURN_MAX: usize = 1024;

/// The source's end of a wake node: registers it, and ends the registration when dropped.
#[derive(Debug)]
pub(crate) struct Woken {
    node: WakeNode,
}

impl Woken {
    pub(crate) fn new() -> Self {
        Woken { node: WakeNode::new() }
    }

    pub(crate) fn node(&self) -> &WakeNode {
        &self.node
    }

    /// What there is to act on, if `token` is that of the present registration.
    #[inline]
    pub(crate) fn answer(&self, token: Token) -> Option<Answer> {
        (self.node.token() == Some(token)).then(|| self.node.answer())
    }

    /// Takes steps until one breaks off, [`STEPS_PER_TURN_MAX`] or `steps_max` at most. If none did,
    /// or one panicked, the source is woken again: there may be more to do.
    pub(crate) fn take_turn<B>(
        &self,
        steps_max: usize,
        mut step: impl FnMut() -> ControlFlow<B>,
    ) -> Option<B> {
        let again = WakeAgain(&self.node);
        for _ in 0..steps_max.min(STEPS_PER_TURN_MAX) {
            if let ControlFlow::Break(outcome) = step() {
                std::mem::forget(again);
                return Some(outcome);
            }
        }
        None
    }

    pub(crate) fn register(&self, poll: &mut Poll, tokens: &mut TokenFactory) -> crate::Result<()> {
        Ok(self.node.bind(poll.reactor().queue(), tokens.token())?)
    }

    pub(crate) fn reregister(
        &self,
        _poll: &mut Poll,
        tokens: &mut TokenFactory,
    ) -> crate::Result<()> {
        Ok(self.node.rebind(tokens.token())?)
    }

    pub(crate) fn unregister(&self, _poll: &mut Poll) -> crate::Result<()> {
        Ok(self.node.unbind()?)
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        // It may not be registered; then there is nothing to end.
        let _: io::Result<()> = self.node.unbind();
    }
}

/// Wakes a node when dropped.
struct WakeAgain<'a>(&'a WakeNode);

impl Drop for WakeAgain<'_> {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// The three registration methods of a source that only passes them on to `self.$source`.
macro_rules! forward_registration {
    ($source:ident) => {
        fn register(
            &mut self,
            poll: &mut $crate::Poll,
            token_factory: &mut $crate::TokenFactory,
        ) -> $crate::Result<()> {
            self.$source.register(poll, token_factory)
        }

        fn reregister(
            &mut self,
            poll: &mut $crate::Poll,
            token_factory: &mut $crate::TokenFactory,
        ) -> $crate::Result<()> {
            self.$source.reregister(poll, token_factory)
        }

        fn unregister(&mut self, poll: &mut $crate::Poll) -> $crate::Result<()> {
            self.$source.unregister(poll)
        }
    };
}
pub(crate) use forward_registration;
