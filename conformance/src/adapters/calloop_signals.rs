//! Signals over calloop's interface, which has them on Linux only.

use super::super::calloop::Dispatcher;
use super::super::calloop::signals::{Signal, Signals};
use super::super::sender;
use super::{Context, Handle, Kind, Source};
use crate::adapter::{Failure, SignalEvent};

/// What it takes to change the set.
pub(super) type Kept = Dispatcher<'static, Signals, Context>;

fn signals(numbers: &[i32]) -> Result<Vec<Signal>, Failure> {
    const ALL: [Signal; 10] = [
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGALRM,
        Signal::SIGTERM,
        Signal::SIGCHLD,
        Signal::SIGWINCH,
        Signal::SIGURG,
        Signal::SIGKILL,
        Signal::SIGSTOP,
    ];
    let signal = |number: &i32| ALL.into_iter().find(|signal| *signal as i32 == *number);
    let unknown = |number| Failure::Other(format!("the rules do not use signal {number}"));
    numbers.iter().map(|number| signal(number).ok_or_else(|| unknown(number))).collect()
}

pub(super) fn insert(
    handle: &Handle,
    numbers: &[i32],
    mut callback: impl FnMut(&Handle, SignalEvent) + 'static,
) -> Result<Source, Failure> {
    let source = Signals::new(&signals(numbers)?)?;
    let dispatcher = Dispatcher::new(source, move |event, &mut (), context: &mut Context| {
        let (pid, uid) = sender(&event);
        let signal = event.signal() as i32;
        callback(&context.handle, SignalEvent { signal, pid: Some(pid), uid: Some(uid) });
    });
    let token = handle.register_dispatcher(dispatcher.clone())?;
    Ok(Source { token, kind: Kind::Signals(dispatcher) })
}

pub(super) fn set(kept: &Kept, numbers: &[i32]) -> Result<(), Failure> {
    Ok(kept.as_source_mut().set_signals(&signals(numbers)?)?)
}
