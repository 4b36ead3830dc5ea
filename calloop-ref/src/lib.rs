//! A callback event loop: file descriptors, timers, channels, pings, signals, idle callbacks and
//! futures on one thread, each with a callback.
//!
//! It has the interface of [calloop](https://docs.rs/calloop) 0.14 and takes its place without a
//! change of the program: change the dependency, or the crate's name. It does what a specification
//! says a callback event loop must do, where calloop sometimes does not, and a wake-up costs a
//! fraction. The package `conformance` next to this one holds that specification as tests, and
//! `benches` the measurements.
//!
//! # A first loop
//!
//! ```
//! use calloop_ref::timer::{TimeoutAction, Timer};
//! use calloop_ref::{EventLoop, LoopSignal};
//! use std::time::Duration;
//!
//! /// What all callbacks share.
//! struct State {
//!     ticks: u32,
//!     signal: LoopSignal,
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut event_loop: EventLoop<'_, State> = EventLoop::try_new()?;
//!     let mut state = State { ticks: 0, signal: event_loop.get_signal() };
//!
//!     let timer = Timer::from_duration(Duration::from_millis(1));
//!     event_loop.handle().insert_source(timer, |deadline, _, state| {
//!         state.ticks += 1;
//!         if state.ticks == 3 {
//!             state.signal.stop();
//!             return TimeoutAction::Drop;
//!         }
//!         TimeoutAction::ToInstant(deadline + Duration::from_millis(1))
//!     })?;
//!
//!     event_loop.run(None, &mut state, |_| {})?;
//!     assert_eq!(state.ticks, 3);
//!     Ok(())
//! }
//! ```
//!
//! An [`EventLoop`] waits for its sources and calls their callbacks; a [`LoopHandle`] inserts,
//! changes and removes sources, also from inside a callback. Callbacks get the `Data` that is lent
//! to [`EventLoop::dispatch`] or [`run`](EventLoop::run), so that they share state without locks or
//! reference counts. [How a dispatch proceeds](EventLoop#the-phases-of-a-dispatch) is part of the
//! contract.
//!
//! # Sources
//!
//! | what happens | source |
//! | --- | --- |
//! | a file descriptor is ready | [`generic::Generic`] |
//! | a time has come | [`timer::Timer`] |
//! | another thread, or another part of the program, asks for attention | [`ping::make_ping`] |
//! | a message comes from another thread | [`channel::channel`], [`channel::sync_channel`] |
//! | the process gets a Unix signal | `signals::Signals` (feature `signals`, Linux) |
//! | a future resolves | `futures::executor` (feature `executor`) |
//! | a stream yields an item | `stream::StreamSource` (feature `stream`) |
//! | nothing is left to do | [`LoopHandle::insert_idle`], which is no source |
//!
//! [`LoopHandle::adapt_io`] makes a file descriptor awaitable; the feature `block_on` adds
//! `EventLoop::block_on`. Sources of your own implement [`EventSource`], most often around built-in
//! ones; [`transient::TransientSource`] helps where parts come and go.
//!
//! # Removing and changing sources
//!
//! Inserting a source returns a [`RegistrationToken`]. The callback itself can answer what is to be
//! done with its source ([`PostAction`], [`timer::TimeoutAction`]). To change a source while it is
//! in the loop, keep it in a [`Dispatcher`].
//!
//! ```
//! use calloop_ref::{EventLoop, ping::make_ping};
//!
//! let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new()?;
//! let handle = event_loop.handle();
//! let (ping, source) = make_ping()?;
//! let token = handle.insert_source(source, |(), _, calls| *calls += 1)?;
//!
//! handle.disable(&token)?;
//! ping.ping();
//! let mut calls = 0;
//! event_loop.dispatch(std::time::Duration::ZERO, &mut calls)?;
//! assert_eq!(calls, 0, "it is disabled");
//!
//! handle.enable(&token)?;
//! event_loop.dispatch(std::time::Duration::ZERO, &mut calls)?;
//! assert_eq!(calls, 1, "the ping was kept");
//!
//! handle.remove(token);
//! assert!(handle.enable(&token).is_err(), "its token names nothing any more");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors and panics
//!
//! An error of a callback or source ends the dispatch and is its result. A panic unwinds out of it.
//! Neither loses an event of another source, and the loop can be used on after both.
//!
//! # Where it differs from calloop 0.14
//!
//! Beyond doing right what calloop gets wrong, and being quicker:
//!
//! * [`WeakLoopHandle`] can be named, [`TransientSource`](transient::TransientSource) is `Default`
//!   and `futures::Scheduler` is `Clone` whatever they hold.
//! * [`LoopHandle::enable`], [`disable`](LoopHandle::disable) and [`update`](LoopHandle::update)
//!   succeed where there is nothing to do.
//! * [`Readiness::error`] is set when the descriptor is in an error state.
//! * [`io::Async`] does not keep the loop alive.
//! * Unix only: there is no Windows backend.
//!
//! # When not to use it
//!
//! For many connections whose handlers are long chains of waits, an asynchronous runtime is the
//! better tool. Callbacks that compute for long hold up all others: give such work to a thread and
//! have it answer through a channel.
//!
//! # Systems
//!
//! Linux and Android (epoll, kernel 2.6.27 or later; a wait with a time limit takes one system call
//! from 5.11 on and two before), macOS, FreeBSD, NetBSD, OpenBSD and DragonFly (kqueue).
//! Signals are on Linux and Android only.

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// In reading order: nothing uses what is below it (a test of the workspace sees to that).
pub mod error;
mod interest;
mod slots;
mod timer_heap;
mod token;

mod sys;
mod wake;

mod reactor;

mod poll;
mod source;

mod dispatcher;
mod macros;

mod registry;

mod batch;
mod idle;
pub mod io;
mod signal;

mod handle;

mod event_loop;

#[cfg(feature = "block_on")]
mod block_on;
mod sources;

pub use dispatcher::Dispatcher;
pub use error::{Error, InsertError, Result};
pub use event_loop::EventLoop;
pub use handle::{LoopHandle, WeakLoopHandle};
pub use idle::Idle;
pub use interest::{Interest, Mode, Readiness};
pub use poll::Poll;
pub use signal::LoopSignal;
pub use source::{EventIterator, EventSource, PostAction};
pub use sources::*;
pub use token::{RegistrationToken, Token, TokenFactory};

/// The examples of the README are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
