//! A [`Stream`] as a source.
//!
//! ```
//! use calloop_ref::EventLoop;
//! use calloop_ref::stream::StreamSource;
//! use futures_util::stream;
//!
//! let mut event_loop: EventLoop<'_, Vec<i32>> = EventLoop::try_new()?;
//! let source = StreamSource::new(stream::iter([1, 2, 3]))?;
//! event_loop.handle().insert_source(source, |item, _, items| {
//!     // `None` is the end.
//!     items.extend(item);
//! })?;
//!
//! let mut items = Vec::new();
//! event_loop.dispatch(None, &mut items)?;
//! assert_eq!(items, [1, 2, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;

use super::ping::PingError;
use super::turn::{STEPS_PER_TURN_MAX, Woken, forward_registration};
use crate::error::source_error;
use crate::interest::Readiness;
use crate::source::{EventSource, PostAction};
use crate::token::Token;
use crate::wake::WakeNode;

/// A source whose events are the items of a stream, in order, and `None` when it has ended.
///
/// The stream is polled in the first dispatch after the insertion and then when its waker was used,
/// from any thread; at most 1024 items are taken in one dispatch. After the end the source removes
/// itself from the loop.
#[derive(Debug)]
pub struct StreamSource<S: Stream + Unpin> {
    /// `None` after its end.
    stream: Option<S>,
    woken: Woken,
    waker: Waker,
}

/// The waker of the stream.
struct WakeSource(WakeNode);

impl Wake for WakeSource {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

impl<S: Stream + Unpin> StreamSource<S> {
    /// Makes a source of a stream.
    ///
    /// # Errors
    ///
    /// None at present: it needs nothing of the operating system.
    pub fn new(stream: S) -> crate::Result<Self> {
        let woken = Woken::new();
        // It was never polled, so that only this can lead to the first poll.
        woken.node().wake();
        let waker = Waker::from(Arc::new(WakeSource(woken.node().clone())));
        Ok(StreamSource { stream: Some(stream), woken, waker })
    }
}

impl<S: Stream + Unpin> EventSource for StreamSource<S> {
    type Event = Option<<S as Stream>::Item>;
    type Metadata = ();
    type Ret = ();
    type Error = StreamError;

    fn process_events<F>(
        &mut self,
        _: Readiness,
        token: Token,
        mut callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut(Option<<S as Stream>::Item>, &mut ()),
    {
        if self.woken.answer(token).is_none() {
            return Ok(PostAction::Continue);
        }
        let mut context = Context::from_waker(&self.waker);
        let stream = &mut self.stream;
        let broken_off = self.woken.take_turn(STEPS_PER_TURN_MAX, || {
            let Some(present) = stream else { return ControlFlow::Break(PostAction::Remove) };
            match Pin::new(present).poll_next(&mut context) {
                Poll::Pending => ControlFlow::Break(PostAction::Continue),
                Poll::Ready(Some(item)) => {
                    callback(Some(item), &mut ());
                    ControlFlow::Continue(())
                }
                Poll::Ready(None) => {
                    *stream = None;
                    callback(None, &mut ());
                    ControlFlow::Break(PostAction::Remove)
                }
            }
        });
        Ok(broken_off.unwrap_or(PostAction::Continue))
    }

    forward_registration!(woken);
}

source_error! {
    /// An error of a [`StreamSource`]. At present there is none.
    StreamError, "the stream source failed"
}

impl From<PingError> for StreamError {
    fn from(error: PingError) -> Self {
        StreamError(Box::new(error))
    }
}
