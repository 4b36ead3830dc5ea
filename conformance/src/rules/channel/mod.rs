//! Channels: messages into the loop, and their end.

use std::fmt;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::adapter::{Adapter, ChannelEvent, Sender};
use crate::ensure;
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Deviation};

mod bounded;
mod close;
mod deliver;
mod fair;
mod gone;
mod race;
mod rendezvous;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(deliver::cases::<A>());
    cases.extend(fair::cases::<A>());
    cases.extend(close::cases::<A>());
    cases.extend(gone::cases::<A>());
    cases.extend(bounded::cases::<A>());
    cases.extend(rendezvous::cases::<A>());
    cases.extend(race::cases::<A>());
    cases
}

/// A wait that a wake-up has to end, and that is over soon if it does not.
const WAIT: Duration = Duration::from_secs(1);

/// A callback that marks messages by their text, and the end.
fn marking<A: Adapter, T: fmt::Display>(
    t: &Fixture<'_, A>,
) -> impl FnMut(&A::Handle, ChannelEvent<T>) + 'static + use<A, T> {
    let trace = t.trace();
    move |_: &A::Handle, event| match event {
        ChannelEvent::Message(message) => trace.mark(message),
        ChannelEvent::Closed => trace.mark("closed"),
    }
}

/// Sends to a channel that has room.
fn send<T>(sender: &impl Sender<T>, message: T) -> Check {
    ensure!(sender.send(message).is_ok(), "a message to be taken", "it came back");
    Ok(())
}

/// What a thread comes to, without a wait for one that hangs.
fn result_of<T>(
    t: &Fixture<'_, impl Adapter>,
    what: &str,
    thread: JoinHandle<T>,
) -> Result<T, Deviation> {
    let limit = t.trial.limit(PATIENCE);
    let start = Instant::now();
    while !thread.is_finished() {
        if start.elapsed() >= limit {
            let actual = format_args!("the thread hangs for {limit:?}").to_string();
            return Err(Deviation::new(what, actual));
        }
        thread::sleep(Duration::from_micros(100));
    }
    thread.join().map_err(|_| Deviation::new(what, "the thread panicked"))
}
