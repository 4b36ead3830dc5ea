//! Waking a loop from anywhere: a source that another thread, or another part of the program,
//! can have called.
//!
//! A [`Ping`] may be cloned and sent to any thread. Pings before the loop comes to the source count
//! as one. A ping has no file descriptor: it costs no system call while the loop is awake, and one
//! write when it sleeps.
//!
//! ```
//! use calloop_ref::{EventLoop, ping::make_ping};
//!
//! let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new()?;
//! let (ping, source) = make_ping()?;
//! event_loop.handle().insert_source(source, |(), _, pings| *pings += 1)?;
//!
//! std::thread::spawn(move || ping.ping());
//! let mut pings = 0;
//! event_loop.dispatch(None, &mut pings)?;
//! assert_eq!(pings, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::io;
use std::sync::Arc;

use super::turn::{Woken, forward_registration};
use crate::error::source_error;
use crate::interest::Readiness;
use crate::source::{EventSource, PostAction};
use crate::token::Token;
use crate::wake::WakeNode;

/// Makes a source and the handle to have it called.
///
/// # Errors
///
/// None at present: a ping needs nothing of the operating system.
pub fn make_ping() -> io::Result<(Ping, PingSource)> {
    let woken = Woken::new();
    let ping = Ping { closing: Arc::new(Closing { node: woken.node().clone() }) };
    Ok((ping, PingSource { woken }))
}

/// A handle to have a [`PingSource`] called, from any thread.
///
/// When the last clone is dropped the source removes itself from its loop.
#[derive(Clone)]
pub struct Ping {
    closing: Arc<Closing>,
}

/// What all clones share; its drop is the last one's.
struct Closing {
    node: WakeNode,
}

impl Ping {
    /// Has the source's callback called in the next dispatch, and wakes the loop for it.
    ///
    /// What this thread did before is visible to the callback. A ping to a source that is not in a
    /// loop, or disabled, is kept until it is; to one that was dropped, it does nothing.
    #[inline]
    pub fn ping(&self) {
        self.closing.node.wake();
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.node.close();
    }
}

impl fmt::Debug for Ping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ping").finish_non_exhaustive()
    }
}

/// The source: an event for each time it was pinged since the last.
///
/// It removes itself when no [`Ping`] is left, after the event of the last one.
#[derive(Debug)]
pub struct PingSource {
    woken: Woken,
}

impl PingSource {
    /// For sources that are pings with something to carry.
    pub(super) fn woken(&self) -> &Woken {
        &self.woken
    }
}

impl EventSource for PingSource {
    type Event = ();
    type Metadata = ();
    type Ret = ();
    type Error = PingError;

    #[inline]
    fn process_events<C>(
        &mut self,
        _: Readiness,
        token: Token,
        mut callback: C,
    ) -> Result<PostAction, Self::Error>
    where
        C: FnMut(Self::Event, &mut Self::Metadata) -> Self::Ret,
    {
        let Some(answer) = self.woken.answer(token) else { return Ok(PostAction::Continue) };
        if answer.pinged {
            // A source that is to go after a callback that panics is told so once more.
            let closing = answer.closed.then(|| CloseAgain(self.woken.node()));
            callback((), &mut ());
            std::mem::forget(closing);
        }
        Ok(if answer.closed { PostAction::Remove } else { PostAction::Continue })
    }

    forward_registration!(woken);
}

/// Closes a node when dropped.
struct CloseAgain<'a>(&'a WakeNode);

impl Drop for CloseAgain<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

source_error! {
    /// An error of a [`PingSource`]. At present there is none.
    PingError, "the ping source failed"
}
