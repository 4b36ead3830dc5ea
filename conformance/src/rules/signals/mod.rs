//! Unix signals. Each rule has a process of its own, so that it may be sent any.

mod delivery;
mod process;
mod removal;
mod sets;

use std::io;

use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::unistd::getpid;

use crate::adapter::{Adapter, Failure};
use crate::fixture::Fixture;
use crate::rule::Case;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(delivery::cases::<A>());
    cases.extend(process::cases::<A>());
    cases.extend(removal::cases::<A>());
    cases.extend(sets::cases::<A>());
    cases
}

/// Sends a signal to this thread.
pub(super) fn to_thread(signal: Signal) -> io::Result<()> {
    Ok(raise(signal)?)
}

/// Sends a signal to this process, whose threads may take it.
fn to_process(signal: Signal) -> io::Result<()> {
    Ok(kill(getpid(), signal)?)
}

/// Blocks a signal by hand, so that it does not take its default action.
fn block(signal: Signal) -> io::Result<()> {
    Ok(SigSet::from(signal).thread_block()?)
}

pub(super) fn is_blocked(signal: Signal) -> io::Result<bool> {
    Ok(SigSet::thread_get_mask()?.contains(signal))
}

/// Watches signals; each event marks the name of its signal, after that of the source.
fn watch<A: Adapter>(
    t: &Fixture<'_, A>,
    name: &'static str,
    signals: &[Signal],
) -> Result<A::Source, Failure> {
    let trace = t.trace();
    A::insert_signals(&t.handle, &numbers(signals), move |_, event| {
        let signal = Signal::try_from(event.signal).map_or("no signal", Signal::as_str);
        trace.mark(format_args!("{name}{signal}"));
    })
}

fn numbers(signals: &[Signal]) -> Vec<i32> {
    signals.iter().map(|signal| *signal as i32).collect()
}
