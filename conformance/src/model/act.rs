//! The operations of a program, in terms of the adapter.

use std::future::poll_fn;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::program::{Action, Answer, Future, Id, Kind, When};
use super::slot::{Gate, Poster};
use super::spec::Outcome;
use super::stage::{Captured, Stage, write};
use super::state::{Event, instant};
use crate::adapter::{
    Adapter, CancelIdle, Capability, ChannelEvent, Failure, Interest, Mode, Next, Ping, Spawn,
    TimerNext,
};

/// What callbacks fail with, so that a dispatch tells which did.
const FAILURES: [&str; 8] =
    ["a fails", "b fails", "c fails", "d fails", "e fails", "f fails", "g fails", "h fails"];

/// What the callback of the source fails with.
pub(super) fn failure(id: Id) -> &'static str {
    FAILURES[id % FAILURES.len()]
}

impl<A: Adapter> Stage<A> {
    /// Does something, if it means anything at this point.
    pub(super) fn act(
        self: &Rc<Self>,
        handle: &A::Handle,
        action: Action,
        fd: Option<BorrowedFd<'_>>,
    ) {
        if self.is_off() || !self.means_something(action, fd.is_some()) {
            return;
        }
        self.note(action);
        let permitted = self.model.borrow_mut().begin(action, Instant::now());
        let outcome = self.perform(handle, action, fd);
        self.model.borrow_mut().end(action, permitted, outcome, Instant::now());
    }

    fn means_something(&self, action: Action, has_fd: bool) -> bool {
        let (model, slots) = (self.model.borrow(), self.slots.borrow());
        if action.source().is_some_and(|id| id >= slots.len()) {
            return false;
        }
        let slot = |id: Id| &slots[id];
        let kind = |id: Id| self.program.sources[id].kind;
        let is_other = |id: Id| model.running() != Some(id);
        match action {
            Action::Insert(id) => model.is_absent(id) && self.can_insert(id),
            Action::Remove(id) => slot(id).source.is_some(),
            Action::Disable(id) => slot(id).source.is_some() && self.has(Capability::Disable),
            Action::Enable(id) => {
                slot(id).source.is_some() && self.has(Capability::Disable) && is_other(id)
            }
            Action::Update(id, _, mode) => {
                let is_able = self.has(Capability::Update) && self.has(of_mode(mode));
                let is_fd = matches!(kind(id), Kind::Fd(..));
                slot(id).source.is_some() && is_able && is_fd && is_other(id)
            }
            Action::Reset(id, _) => {
                let is_able = self.has(Capability::TimerReset);
                let is_timer = matches!(kind(id), Kind::Timer(_));
                slot(id).source.is_some() && is_able && is_timer && is_other(id)
            }
            Action::Write(id, _) | Action::HangUp(id) => slot(id).far.is_some() && model.is_in(id),
            Action::Read(_) => has_fd,
            Action::Ping(id) => slot(id).ping.is_some(),
            Action::Send(id) => slot(id).sender.is_some(),
            Action::Release(id) => slot(id).ping.is_some() || slot(id).sender.is_some(),
            Action::Spawn(id, _) => slot(id).spawn.is_some(),
            Action::Open(id) => slot(id).gates.iter().any(|gate| !gate.is_open()),
            Action::Cancel(id) => slot(id).cancel.is_some(),
            Action::Raise => (0..slots.len()).any(|id| kind(id) == Kind::Signal && model.is_in(id)),
            Action::WakeUp => self.has(Capability::Wakeup),
            Action::Stop => self.is_running.get() && !self.is_stopped.get(),
        }
    }

    fn can_insert(&self, id: Id) -> bool {
        let sources = &self.program.sources;
        self.has_kind(sources[id].kind) && {
            // Which of two sources of one signal is told of it differs.
            let is_signal = |source: &super::program::Source| source.kind == Kind::Signal;
            !is_signal(&sources[id]) || sources.iter().position(is_signal) == Some(id)
        }
    }

    fn has_kind(&self, kind: Kind) -> bool {
        supports(self.capabilities, kind)
    }

    /// Does it. What of the program is used is taken out first: the loop may call back.
    fn perform(
        self: &Rc<Self>,
        handle: &A::Handle,
        action: Action,
        fd: Option<BorrowedFd<'_>>,
    ) -> Outcome {
        match action {
            Action::Insert(id) => outcome(self.insert(handle, id)),
            Action::Remove(id) => {
                let keeps_name = self.program.sources[id].keeps_name();
                let source = &mut self.slots.borrow_mut()[id].source;
                let source = if keeps_name { source.clone() } else { source.take() };
                // The borrow has ended: what the callback captured is dropped, and tells the model.
                source.into_iter().for_each(|source| A::remove(handle, source));
                Outcome::Done
            }
            Action::Disable(id) => self.with_source(id, |source| A::disable(handle, source)),
            Action::Enable(id) => self.with_source(id, |source| A::enable(handle, source)),
            Action::Update(id, interest, mode) => {
                self.with_source(id, |source| A::update_fd(handle, source, interest, mode))
            }
            Action::Reset(id, when) => {
                self.with_source(id, |source| A::reset_timer(handle, source, when.delay()))
            }
            Action::Write(id, count) => self.slots.borrow()[id]
                .far
                .as_ref()
                .map_or(Outcome::Failed, |far| write(far, count)),
            Action::HangUp(id) => {
                self.slots.borrow_mut()[id].far = None;
                Outcome::Done
            }
            Action::Read(count) => self.read(fd, count),
            Action::Ping(_) | Action::Send(_) | Action::Release(_) => self.poke(action),
            Action::Spawn(id, future) => self.spawn(id, future),
            Action::Open(id) => self.open(id),
            Action::Cancel(id) => {
                let cancel = self.slots.borrow_mut()[id].cancel.take();
                cancel.into_iter().for_each(|cancel| cancel());
                Outcome::Done
            }
            Action::Raise => outcome(raise()),
            Action::WakeUp | Action::Stop => {
                let is_stop = action == Action::Stop;
                self.is_stopped.set(self.is_stopped.get() || is_stop);
                let stop = self.stop.borrow().clone();
                stop.map_or(Outcome::Failed, |stop| {
                    stop(is_stop);
                    Outcome::Done
                })
            }
        }
    }

    fn with_source(
        &self,
        id: Id,
        change: impl FnOnce(&A::Source) -> Result<(), Failure>,
    ) -> Outcome {
        let source = self.slots.borrow()[id].source.clone();
        source.map_or(Outcome::Failed, |source| outcome(change(&source)))
    }

    fn read(&self, fd: Option<BorrowedFd<'_>>, count: u8) -> Outcome {
        let (Some(fd), Some(id)) = (fd, self.model.borrow().running()) else {
            return Outcome::Failed;
        };
        let mut buffer = vec![0; count.into()];
        // At the end of the stream, or if there is nothing, nothing is read.
        let read = rustix::io::read(fd, &mut buffer).unwrap_or(0);
        self.model.borrow_mut().read(id, count.into(), read as u32);
        Outcome::Done
    }

    fn poke(&self, action: Action) -> Outcome {
        let Some(id) = action.source() else { return Outcome::Failed };
        match action {
            Action::Ping(_) => {
                let ping = self.slots.borrow()[id].ping.clone();
                ping.into_iter().for_each(|ping| ping());
                Outcome::Done
            }
            Action::Send(_) => {
                let Some(sender) = self.slots.borrow()[id].sender.as_ref().map(|it| it.copy())
                else {
                    return Outcome::Failed;
                };
                let message = self.message();
                let number = message.number;
                let outcome = sender.post(message);
                if outcome == Outcome::Done {
                    self.model.borrow_mut().sent(id, number);
                }
                outcome
            }
            _ => {
                let slot = &mut self.slots.borrow_mut()[id];
                let (ping, sender) = (slot.ping.take(), slot.sender.take());
                if ping.is_some() && !self.program.sources[id].keeps_name() {
                    // The source goes by itself, and nothing of it may be kept then.
                    slot.source = None;
                }
                drop((ping, sender));
                Outcome::Done
            }
        }
    }

    fn spawn(self: &Rc<Self>, id: Id, future: Future) -> Outcome {
        let Some(spawn) = self.slots.borrow()[id].spawn.clone() else { return Outcome::Failed };
        let gate = Rc::new(Gate::new(future == Future::Ready));
        let task = self.slots.borrow()[id].gates.len() as u32;
        self.slots.borrow_mut()[id].gates.push(gate.clone());
        let (stage, alive) = (self.clone(), self.alive.clone());
        let boxed = poll_fn(move |context| {
            let _ = &alive;
            stage.polled(id, task);
            gate.poll(context).map(|()| task)
        });
        if !spawn(Box::pin(boxed)) {
            self.slots.borrow_mut()[id].gates.pop();
            return Outcome::Closed;
        }
        self.model.borrow_mut().spawned(id, future);
        Outcome::Done
    }

    fn open(&self, id: Id) -> Outcome {
        let gates = self.slots.borrow()[id].gates.clone();
        let Some(task) = gates.iter().position(|gate| !gate.is_open()) else {
            return Outcome::Failed;
        };
        self.model.borrow_mut().opened(id, task as u32);
        gates[task].open();
        Outcome::Done
    }

    fn insert(self: &Rc<Self>, handle: &A::Handle, id: Id) -> Result<(), Failure> {
        let captured = Captured { id, stage: self.clone() };
        let stage = self.clone();
        match self.program.sources[id].kind {
            Kind::Fd(interest, mode) => self.insert_fd(handle, captured, interest, mode),
            Kind::Ping => {
                let (ping, source) = A::insert_ping(handle, move |handle| {
                    let _ = &captured;
                    stage.called(handle, id, Event::Pinged, None);
                })?;
                let slot = &mut self.slots.borrow_mut()[id];
                slot.ping = Some(Arc::new(move || ping.ping()));
                slot.source = Some(source);
                Ok(())
            }
            Kind::Channel { bound } => self.insert_channel(handle, captured, bound),
            Kind::Timer(when) => self.insert_timer(handle, captured, when),
            Kind::Idle => {
                let idle = A::insert_idle(handle, move |handle| {
                    stage.called(handle, id, Event::Idle, None);
                    drop(captured);
                })?;
                let can_cancel = self.has(Capability::IdleCancel);
                if can_cancel {
                    self.slots.borrow_mut()[id].cancel = Some(Box::new(|| idle.cancel()));
                }
                Ok(())
            }
            Kind::Signal => {
                let number = signal_hook::consts::SIGUSR1;
                let source = A::insert_signals(handle, &[number], move |handle, event| {
                    let _ = &captured;
                    stage.called(handle, id, Event::Signal(event.signal), None);
                })?;
                self.slots.borrow_mut()[id].source = Some(source);
                Ok(())
            }
            Kind::Executor => {
                let (spawn, source) = A::insert_executor(handle, move |handle, output: u32| {
                    let _ = &captured;
                    stage.called(handle, id, Event::Output(output), None);
                })?;
                let slot = &mut self.slots.borrow_mut()[id];
                slot.spawn = Some(Rc::new(move |future| spawn.spawn(future)));
                slot.source = Some(source);
                Ok(())
            }
        }
    }

    fn insert_fd(
        self: &Rc<Self>,
        handle: &A::Handle,
        captured: Captured<A>,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        let (stage, id) = (self.clone(), captured.id);
        let near: OwnedFd = near.into();
        let source = A::insert_fd(handle, near, interest, mode, move |handle, fd, readiness| {
            let _ = &captured;
            match stage.called(handle, id, Event::Ready(readiness), Some(fd)) {
                Answer::Rearm => Next::Rearm,
                Answer::Disable => Next::Disable,
                Answer::Remove => Next::Remove,
                Answer::Fail => Next::Fail(failure(id)),
                Answer::Go | Answer::Again(_) | Answer::Panic => Next::Continue,
            }
        })?;
        let slot = &mut self.slots.borrow_mut()[id];
        (slot.source, slot.far) = (Some(source), Some(far));
        Ok(())
    }

    fn insert_channel(
        self: &Rc<Self>,
        handle: &A::Handle,
        captured: Captured<A>,
        bound: Option<usize>,
    ) -> Result<(), Failure> {
        let (stage, id) = (self.clone(), captured.id);
        let callback = move |handle: &A::Handle, event: ChannelEvent<super::slot::Message>| {
            let _ = &captured;
            let event = match event {
                ChannelEvent::Message(message) => Event::Message(message.number),
                ChannelEvent::Closed => Event::Closed,
            };
            stage.called(handle, id, event, None);
        };
        let is_bounded = bound.is_some();
        match bound {
            None => {
                let (sender, source) = A::insert_channel(handle, callback)?;
                let slot = &mut self.slots.borrow_mut()[id];
                slot.sender = Some(Box::new(Poster { sender, is_bounded }));
                slot.source = Some(source);
            }
            Some(bound) => {
                let (sender, source) = A::insert_bounded_channel(handle, bound, callback)?;
                let slot = &mut self.slots.borrow_mut()[id];
                slot.sender = Some(Box::new(Poster { sender, is_bounded }));
                slot.source = Some(source);
            }
        }
        Ok(())
    }

    fn insert_timer(
        self: &Rc<Self>,
        handle: &A::Handle,
        captured: Captured<A>,
        when: When,
    ) -> Result<(), Failure> {
        let (stage, id) = (self.clone(), captured.id);
        let callback = move |handle: &A::Handle, deadline: Option<Instant>| {
            let _ = &captured;
            match stage.called(handle, id, Event::Expired(deadline), None) {
                Answer::Again(when) => match stage.exact(when) {
                    Some(deadline) => TimerNext::At(deadline),
                    None => TimerNext::After(when.delay()),
                },
                _ => TimerNext::Stop,
            }
        };
        let source = match self.exact(when) {
            Some(deadline) => A::insert_deadline(handle, deadline, callback)?,
            None => A::insert_timer(handle, when.delay(), callback)?,
        };
        self.slots.borrow_mut()[id].source = Some(source);
        Ok(())
    }

    /// The instant that stands for it, if the loop can be asked for one.
    fn exact(&self, when: When) -> Option<Instant> {
        instant(when, self.start).filter(|_| self.has(Capability::Deadlines))
    }
}

fn outcome(result: Result<(), Failure>) -> Outcome {
    result.map_or(Outcome::Failed, |()| Outcome::Done)
}

/// Raises SIGUSR1 for this thread, so that it has arrived when this returns.
///
/// # Errors
///
/// What raise(3) answers.
pub fn raise() -> Result<(), Failure> {
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGUSR1)
        .map_err(|error| Failure::Io(error.into()))
}

fn of_mode(mode: Mode) -> Capability {
    match mode {
        Mode::Level => Capability::Level,
        Mode::Edge => Capability::Edge,
        Mode::OneShot => Capability::OneShot,
    }
}

/// Whether a loop has sources of this kind.
pub(super) fn supports(capabilities: crate::adapter::Capabilities, kind: Kind) -> bool {
    capabilities.has(match kind {
        Kind::Fd(_, mode) => of_mode(mode),
        Kind::Ping => Capability::Ping,
        Kind::Channel { bound: None } => Capability::Channel,
        Kind::Channel { bound: Some(0) } => Capability::Rendezvous,
        Kind::Channel { bound: Some(_) } => Capability::BoundedChannel,
        Kind::Timer(_) => return true,
        Kind::Idle => Capability::Idle,
        Kind::Signal => Capability::Signals,
        Kind::Executor => Capability::Executor,
    })
}
