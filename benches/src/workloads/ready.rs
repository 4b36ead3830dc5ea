//! Descriptors that are ready, all in one dispatch: the cost of an event, in each mode.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure, Interest, Mode, Next};

use super::drain;
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

/// As many as one wait brings; more take several.
const AT_ONCE: u64 = 1024;

/// After so many, a loop that makes room for twice as many each time has it for all.
const WAITS_FOR_ROOM: u32 = 10;

#[derive(Copy, Clone)]
pub(super) struct Ready {
    pub(super) mode: Mode,
    pub(super) ready: u64,
    pub(super) registered: u64,
}

impl Ready {
    pub(super) fn of(ready: u64, registered: u64) -> Self {
        Ready { mode: Mode::Level, ready, registered }
    }

    pub(super) fn all(mode: Mode, ready: u64) -> Self {
        Ready { mode, ready, registered: ready }
    }

    fn parameters(self) -> String {
        let Ready { mode, ready, registered } = self;
        let mode = match mode {
            Mode::Level => "",
            Mode::Edge => "mode=edge,",
            Mode::OneShot => "mode=one-shot,",
        };
        match ready == registered {
            true => format!("{mode}ready={ready}"),
            false => format!("{mode}ready={ready},registered={registered}"),
        }
    }

    /// The descriptors; those that are ready come first.
    fn descriptors(self) -> Result<Vec<OwnedFd>, Failure> {
        // News is what comes later.
        let is_ready = |number| number < self.ready && self.mode != Mode::Edge;
        (0..self.registered).map(|number| raw::eventfd(u32::from(is_ready(number)))).collect()
    }

    /// Those that have to be raised for each operation, again.
    fn to_raise(self, descriptors: &[OwnedFd]) -> Result<Vec<OwnedFd>, Failure> {
        let count = if self.mode == Mode::Edge { self.ready as usize } else { 0 };
        descriptors[..count].iter().map(raw::duplicate).collect()
    }
}

impl Workload for Ready {
    fn spec(self) -> Spec {
        let Ready { mode, ready, registered } = self;
        let spec = Spec {
            name: "ready",
            parameters: self.parameters(),
            about: "a dispatch that finds descriptors ready, which stay so",
            per: "event",
            units: ready,
            events: ready,
            needs: &[Capability::Level, Capability::OneWaitADispatch],
            is_large: registered > 4_000,
            is_extra: mode != Mode::Level || registered > 4_000,
            ..Spec::default()
        };
        match mode {
            Mode::Level => spec,
            Mode::Edge => Spec {
                about: "descriptors raised, then a dispatch that finds them so; nothing is read",
                needs: &[Capability::Edge, Capability::OneWaitADispatch],
                uncounted: vec![("write", ready)],
                ..spec
            },
            Mode::OneShot => Spec {
                about: "a dispatch that finds descriptors ready, and arms each anew",
                needs: &[
                    Capability::OneShot,
                    Capability::PostActions,
                    Capability::OneWaitADispatch,
                ],
                ..spec
            },
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let descriptors = self.descriptors()?;
        let to_raise = self.to_raise(&descriptors)?;
        let next = if self.mode == Mode::OneShot { Next::Rearm } else { Next::Continue };
        for (fd, number) in descriptors.into_iter().zip(0..) {
            let (tally, next) = (tally.clone(), next.clone());
            A::insert_fd(&handle, fd, Interest::Read, self.mode, move |_, _, _| {
                tally.saw(number);
                next.clone()
            })?;
        }
        let counted = tally.clone();
        let mut operation = move || {
            to_raise.iter().try_for_each(raw::raise)?;
            match self.ready {
                ..=AT_ONCE => event_loop.dispatch(Some(Duration::ZERO)),
                _ => drain(&mut event_loop, &counted),
            }
        };
        // Some loops make room for as many events as there were too many for the last wait.
        for _ in 0..WAITS_FOR_ROOM {
            operation()?;
            if tally.settle().is_ok() {
                break;
            }
        }
        Ok(Run::new(tally, operation))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let descriptors = self.descriptors()?;
        let to_raise = self.to_raise(&descriptors)?;
        for (fd, number) in descriptors.iter().zip(0..) {
            poller.add_as(fd, number, self.mode)?;
        }
        let mut spent = Vec::new();
        Ok(Run::new(tally.clone(), move || {
            // They have to stay open.
            let _ = &descriptors;
            to_raise.iter().try_for_each(raw::raise)?;
            loop {
                if self.mode == Mode::OneShot {
                    spent.extend(poller.poll()?);
                    tally.saw_all(spent.iter().copied());
                    for number in spent.drain(..) {
                        let fd = &descriptors[number as usize];
                        poller.modify(fd, number, Some(Mode::OneShot))?;
                    }
                } else {
                    tally.saw_all(poller.poll()?);
                }
                if self.ready <= AT_ONCE || tally.awaited() == 0 {
                    return Ok(());
                }
            }
        }))
    }
}
