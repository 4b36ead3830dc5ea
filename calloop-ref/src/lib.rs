//! TEMP
#![deny(unsafe_code)]

mod batch;
#[cfg(feature = "block_on")]
mod block_on;
mod dispatcher;
mod error;
mod event_loop;
mod handle;
mod idle;
mod interest;
pub mod io;
mod macros;
mod poll;
mod reactor;
mod registry;
mod signal;
mod slots;
mod source;
mod sources;
mod sys;
mod timer_heap;
mod token;
mod wake;

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
