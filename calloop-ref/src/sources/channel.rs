//! Messages from anywhere: an mpsc channel whose receiver is an event source.
//!
//! The senders may be cloned and sent to any thread; each message becomes an
//! [`Event::Msg`], in the order one sender sent them, and when the last sender is gone one
//! [`Event::Closed`] follows the last message. At most 1024 messages, or one more than the capacity
//! of a [`sync_channel`], are delivered in one dispatch, the others in the next, so that a flood
//! leaves the other sources their turn.
//!
//! ```
//! use calloop_ref::EventLoop;
//! use calloop_ref::channel::{Event, channel};
//!
//! let mut event_loop: EventLoop<'_, Vec<&str>> = EventLoop::try_new()?;
//! let (sender, receiver) = channel();
//! event_loop.handle().insert_source(receiver, |event, _, log| match event {
//!     Event::Msg(text) => log.push(text),
//!     Event::Closed => log.push("that was all"),
//! })?;
//!
//! std::thread::spawn(move || {
//!     sender.send("one").unwrap();
//!     sender.send("two").unwrap();
//! });
//! let mut log = Vec::new();
//! while log.len() < 3 {
//!     event_loop.dispatch(None, &mut log)?;
//! }
//! assert_eq!(log, ["one", "two", "that was all"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::ops::ControlFlow;
use std::sync::mpsc;

use super::ping::{Ping, PingSource, make_ping};
use super::rendezvous;
use super::turn::{STEPS_PER_TURN_MAX, forward_registration};
use crate::error::source_error;
use crate::interest::Readiness;
use crate::source::{EventSource, PostAction};
use crate::token::Token;

/// What a [`Channel`] reports.
#[derive(Debug)]
pub enum Event<T> {
    /// A message.
    Msg(T),
    /// Every sender is gone and every message was delivered. The last event of the channel, which
    /// then removes itself from the loop.
    Closed,
}

/// The sending end of a [`channel`].
#[derive(Debug)]
pub struct Sender<T> {
    // The order counts: the message channel is closed before the loop is told so.
    sender: mpsc::Sender<T>,
    ping: Ping,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender { sender: self.sender.clone(), ping: self.ping.clone() }
    }
}

impl<T> Sender<T> {
    /// Sends a message and wakes the loop for it.
    ///
    /// # Errors
    ///
    /// If the channel was dropped; the message is in the error.
    pub fn send(&self, t: T) -> Result<(), mpsc::SendError<T>> {
        self.sender.send(t)?;
        self.ping.ping();
        Ok(())
    }
}

/// The sending end of a [`sync_channel`].
#[derive(Debug)]
pub struct SyncSender<T> {
    // The order counts, as above.
    sender: BoundedSender<T>,
    ping: Ping,
}

#[derive(Debug)]
enum BoundedSender<T> {
    Buffered(mpsc::SyncSender<T>),
    Rendezvous(rendezvous::Sender<T>),
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> SyncSender<T> {
        let sender = match &self.sender {
            BoundedSender::Buffered(sender) => BoundedSender::Buffered(sender.clone()),
            BoundedSender::Rendezvous(sender) => BoundedSender::Rendezvous(sender.clone()),
        };
        SyncSender { sender, ping: self.ping.clone() }
    }
}

impl<T> SyncSender<T> {
    /// Sends a message and wakes the loop for it; blocks while the channel is full, and on one of
    /// capacity zero until the loop has taken the message.
    ///
    /// On the loop's own thread that is for ever: use [`try_send`](Self::try_send) there.
    ///
    /// # Errors
    ///
    /// If the channel was dropped; the message is in the error.
    pub fn send(&self, t: T) -> Result<(), mpsc::SendError<T>> {
        match &self.sender {
            BoundedSender::Buffered(sender) => {
                match sender.try_send(t) {
                    Ok(()) => {}
                    Err(mpsc::TrySendError::Disconnected(t)) => return Err(mpsc::SendError(t)),
                    Err(mpsc::TrySendError::Full(t)) => {
                        // Whoever filled the channel woke the loop, or is about to.
                        self.ping.ping();
                        sender.send(t)?;
                    }
                }
                self.ping.ping();
                Ok(())
            }
            BoundedSender::Rendezvous(sender) => sender.send(t, || self.ping.ping()),
        }
    }

    /// Sends a message if there is room for it, and wakes the loop in any case.
    ///
    /// A channel of capacity zero has room while somebody waits in [`Channel::recv`].
    ///
    /// # Errors
    ///
    /// If the channel is full or was dropped; the message is in the error.
    pub fn try_send(&self, t: T) -> Result<(), mpsc::TrySendError<T>> {
        let outcome = match &self.sender {
            BoundedSender::Buffered(sender) => sender.try_send(t),
            BoundedSender::Rendezvous(sender) => sender.try_send(t),
        };
        if !matches!(outcome, Err(mpsc::TrySendError::Disconnected(_))) {
            self.ping.ping();
        }
        outcome
    }
}

/// The receiving end: an event source of [`Event`]s.
///
/// Before it is inserted it can be read directly.
pub struct Channel<T> {
    receiver: Receiver<T>,
    source: PingSource,
    turn_max: usize,
    /// `Closed` was reported.
    is_closed: bool,
}

enum Receiver<T> {
    Buffered(mpsc::Receiver<T>),
    Rendezvous(rendezvous::Receiver<T>),
}

impl<T> Channel<T> {
    fn new(receiver: Receiver<T>, turn_max: usize) -> (Ping, Self) {
        let (ping, source) = make_ping().expect("a ping needs nothing of the operating system");
        (ping, Channel { receiver, source, turn_max, is_closed: false })
    }

    /// Waits for a message; see [`mpsc::Receiver::recv`].
    ///
    /// # Errors
    ///
    /// If there is none and every sender is gone.
    pub fn recv(&self) -> Result<T, mpsc::RecvError> {
        match &self.receiver {
            Receiver::Buffered(receiver) => receiver.recv(),
            Receiver::Rendezvous(receiver) => receiver.recv(),
        }
    }

    /// Takes a message if there is one; see [`mpsc::Receiver::try_recv`].
    ///
    /// # Errors
    ///
    /// If there is none, by whether there can be another.
    pub fn try_recv(&self) -> Result<T, mpsc::TryRecvError> {
        match &self.receiver {
            Receiver::Buffered(receiver) => receiver.try_recv(),
            Receiver::Rendezvous(receiver) => receiver.try_recv(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("closed", &self.is_closed).finish_non_exhaustive()
    }
}

/// Makes a channel without limit: sending never blocks.
pub fn channel<T>() -> (Sender<T>, Channel<T>) {
    let (sender, receiver) = mpsc::channel();
    let (ping, channel) = Channel::new(Receiver::Buffered(receiver), STEPS_PER_TURN_MAX);
    (Sender { sender, ping }, channel)
}

/// Makes a channel that holds at most `bound` messages: sending blocks while it is full.
///
/// With a bound of zero every message is handed over: sending blocks until the loop takes it.
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Channel<T>) {
    let (sender, receiver) = match bound {
        0 => {
            let (sender, receiver) = rendezvous::channel();
            (BoundedSender::Rendezvous(sender), Receiver::Rendezvous(receiver))
        }
        _ => {
            let (sender, receiver) = mpsc::sync_channel(bound);
            (BoundedSender::Buffered(sender), Receiver::Buffered(receiver))
        }
    };
    let (ping, channel) = Channel::new(receiver, bound.saturating_add(1));
    (SyncSender { sender, ping }, channel)
}

impl<T> EventSource for Channel<T> {
    type Event = Event<T>;
    type Metadata = ();
    type Ret = ();
    type Error = ChannelError;

    fn process_events<C>(
        &mut self,
        _: Readiness,
        token: Token,
        mut callback: C,
    ) -> Result<PostAction, Self::Error>
    where
        C: FnMut(Self::Event, &mut Self::Metadata) -> Self::Ret,
    {
        let woken = self.source.woken();
        if woken.answer(token).is_none() {
            return Ok(PostAction::Continue);
        }
        let is_closed = &mut self.is_closed;
        let receiver = &self.receiver;
        let broken_off = woken.take_turn(self.turn_max, || {
            let message = match receiver {
                Receiver::Buffered(receiver) => receiver.try_recv(),
                Receiver::Rendezvous(receiver) => receiver.try_recv(),
            };
            match message {
                Ok(message) => {
                    callback(Event::Msg(message), &mut ());
                    ControlFlow::Continue(())
                }
                Err(mpsc::TryRecvError::Empty) => ControlFlow::Break(PostAction::Continue),
                Err(mpsc::TryRecvError::Disconnected) => {
                    if !std::mem::replace(is_closed, true) {
                        callback(Event::Closed, &mut ());
                    }
                    ControlFlow::Break(PostAction::Remove)
                }
            }
        });
        Ok(broken_off.unwrap_or(PostAction::Continue))
    }

    forward_registration!(source);
}

source_error! {
    /// An error of a [`Channel`]. At present there is none: that the senders are gone is an event.
    ChannelError, "the channel failed"
}
