//! The operations of a program, in terms of the adapter.

use std::future::poll_fn;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::fcntl_getfl;
use rustix::io::ioctl_fionbio;

use super::link::{drain, fill, pair, transfer, write};
use super::nest::nest;
use super::program::{Action, BURST, Future, Id, Kind, SLEEP, Signal, Source};
use super::slot::Gate;
use super::spec::Outcome;
use super::stage::Stage;
use crate::adapter::{Adapter, Capabilities, Capability, Failure, Interest, Mode};

/// What callbacks fail with, so that a dispatch tells which did.
const FAILURES: [&str; 8] =
    ["a fails", "b fails", "c fails", "d fails", "e fails", "f fails", "g fails", "h fails"];

/// What the callback of the source fails with.
pub(super) fn failure(id: Id) -> &'static str {
    FAILURES[id % FAILURES.len()]
}

/// How often a program does something that takes long.
const OUTINGS_MAX: u32 = 8;

/// How long it lasts to let time pass.
pub(super) const LINGER: Duration = Duration::from_micros(1100);

/// What a future awaits.
type Wait = Pin<Box<dyn std::future::Future<Output = ()>>>;

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
        let Some(id) = action.source() else { return self.is_possible(action, has_fd) };
        let (Some(slot), Some(source)) = (slots.get(id), self.program.sources.get(id)) else {
            return false;
        };
        let is_fd = matches!(source.kind, Kind::Fd(..));
        let has_far = slot.far.is_some() && model.is_in(id);
        // A source in its own callback cannot be borrowed to be changed.
        let can_change =
            |needed| slot.source.is_some() && self.has(needed) && model.running() != Some(id);
        let is_sending = slot.push.is_some();
        match action {
            Action::Insert(_) => model.is_absent(id) && self.can_insert(id),
            Action::Remove(_) => slot.source.is_some(),
            Action::Disable(_) => slot.source.is_some() && self.has(Capability::Disable),
            Action::Enable(_) => can_change(Capability::Disable),
            Action::Update(_, interest, mode) => {
                let is_able = supports(self.capabilities, Kind::Fd(interest, mode));
                can_change(Capability::Update) && is_able && is_fd
            }
            Action::Reset(..) => {
                can_change(Capability::TimerReset) && matches!(source.kind, Kind::Timer(_))
            }
            Action::Watch(..) => {
                can_change(Capability::SignalSet) && matches!(source.kind, Kind::Signals(_))
            }
            Action::Write(..) => has_far && model.has_room(id),
            Action::HangUp(_) => has_far,
            Action::Fill(_) | Action::Drain(_) => has_far && is_fd,
            Action::Ping(_) => slot.ping.is_some(),
            Action::Send(_) => slot.sender.is_some() && !is_sending,
            Action::Burst(_) => {
                let is_unbounded = source.kind == Kind::Channel { bound: None };
                slot.sender.is_some() && is_unbounded && model.is_in(id) && self.makes_an_outing()
            }
            Action::Feed(_) => !slot.feeds.is_empty(),
            Action::Push(_) => {
                let is_outside = !model.is_dispatching() && model.is_in(id);
                is_outside && slot.sender.is_some() && !is_sending
            }
            Action::Release(_) => !is_sending && slot.is_held(),
            Action::Spawn(_, future) => slot.spawn.is_some() && self.has_future(future),
            Action::Open(_) => slot.gates.iter().any(|gate| !gate.is_open()),
            Action::Cancel(_) => slot.cancel.is_some(),
            _ => false,
        }
    }

    /// The same of what is about no source.
    fn is_possible(&self, action: Action, has_fd: bool) -> bool {
        match action {
            Action::Read(_) => has_fd,
            Action::Raise(signal) => self.can_raise(signal),
            Action::WakeUp => self.has(Capability::Wakeup),
            Action::Stop if self.is_running.get() => !self.is_stopped.get(),
            // It is forgotten, or the run that comes need not begin.
            Action::Stop => self.has(Capability::Stop) && !self.has(Capability::StopIsKept),
            Action::Nest | Action::NestOnThread | Action::Linger => self.makes_an_outing(),
            _ => false,
        }
    }

    /// Whether there is time for something that takes long: a callback may do it ever again.
    fn makes_an_outing(&self) -> bool {
        self.outings.set(self.outings.get() + 1);
        self.outings.get() <= OUTINGS_MAX
    }

    /// Whether it strikes nobody.
    fn can_raise(&self, signal: Signal) -> bool {
        let model = self.model.borrow();
        let is_absent = |id: Id| match self.program.sources[id].kind {
            Kind::Signals(set) => set.has(signal) && model.is_absent(id) && self.can_insert(id),
            _ => false,
        };
        let is_kept = self.program.scene.is_blocking
            && self.has(Capability::SignalMask)
            && signal == Signal::Usr1
            && (0..self.program.sources.len()).any(is_absent);
        model.is_watched(signal) || is_kept
    }

    fn has_future(&self, future: Future) -> bool {
        match future {
            Future::Ready | Future::Gated => true,
            Future::Panics => self.has(Capability::Panics),
            Future::Sleeps => self.has(Capability::Sleep),
            Future::Reads | Future::Writes => self.has(Capability::AsyncIo),
        }
    }

    fn can_insert(&self, id: Id) -> bool {
        let sources = &self.program.sources;
        supports(self.capabilities, sources[id].kind) && {
            // Which of two sources of one signal is told of it differs.
            let is_signal = |source: &Source| matches!(source.kind, Kind::Signals(_));
            !is_signal(&sources[id]) || sources.iter().position(is_signal) == Some(id)
        }
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
            Action::Write(id, _) | Action::HangUp(id) | Action::Fill(id) | Action::Drain(id) => {
                self.feed(id, action)
            }
            Action::Read(count) => self.read(fd, count),
            Action::Ping(id) => {
                let ping = self.slots.borrow()[id].ping.clone();
                ping.into_iter().for_each(|ping| ping());
                Outcome::Done
            }
            Action::Send(id) => self.send(id),
            Action::Push(id) => self.push(id),
            Action::Burst(id) => {
                let mut sends = (0..BURST).map(|_| self.send(id));
                sends.find(|outcome| *outcome != Outcome::Done).unwrap_or(Outcome::Done)
            }
            Action::Feed(id) => self.feed_future(id),
            Action::Release(id) => self.release(id),
            Action::Spawn(id, future) => self.spawn(handle, id, future),
            Action::Open(id) => self.open(id),
            Action::Cancel(id) => {
                let cancel = self.slots.borrow_mut()[id].cancel.take();
                cancel.into_iter().for_each(|cancel| cancel());
                Outcome::Done
            }
            Action::Watch(id, set) => {
                self.with_source(id, |source| A::set_signals(handle, source, &set.numbers()))
            }
            Action::Raise(signal) => outcome(raise(signal)),
            Action::WakeUp | Action::Stop => {
                let is_stop = action == Action::Stop;
                self.is_stopped.set(self.is_stopped.get() || is_stop);
                let stop = self.stop.borrow().clone();
                stop.map_or(Outcome::Failed, |stop| {
                    stop(is_stop);
                    Outcome::Done
                })
            }
            Action::Nest => of_nested(nest::<A>()),
            Action::NestOnThread => {
                thread::spawn(|| of_nested(nest::<A>())).join().unwrap_or(Outcome::Failed)
            }
            Action::Linger => {
                thread::sleep(LINGER);
                Outcome::Done
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

    /// What is done with the other end of a descriptor.
    fn feed(&self, id: Id, action: Action) -> Outcome {
        let slot = &mut self.slots.borrow_mut()[id];
        let Some(far) = &slot.far else { return Outcome::Failed };
        match action {
            Action::Write(_, count) => return write(far, count),
            Action::Fill(_) => slot.near.iter().for_each(fill),
            Action::Drain(_) => drain(far),
            _ => {
                // With something unread it would be a reset of the connection, not its end.
                drain(far);
                slot.far = None;
            }
        }
        Outcome::Done
    }

    fn send(&self, id: Id) -> Outcome {
        let Some(sender) = self.slots.borrow()[id].sender.as_ref().map(|it| it.copy()) else {
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

    /// Drops what is held of a source, after the borrow has ended.
    fn release(&self, id: Id) -> Outcome {
        let _held = {
            let slot = &mut self.slots.borrow_mut()[id];
            // A ping's source goes by itself, and nothing of it may be kept then.
            let is_closing = slot.ping.is_some() && !self.program.sources[id].keeps_name();
            let source = if is_closing { slot.source.take() } else { None };
            let handles = (slot.ping.take(), slot.sender.take(), slot.spawn.take());
            (source, handles, slot.cancel.take())
        };
        Outcome::Done
    }

    fn spawn(self: &Rc<Self>, handle: &A::Handle, id: Id, future: Future) -> Outcome {
        let Some(spawn) = self.slots.borrow()[id].spawn.clone() else { return Outcome::Failed };
        let begun = Instant::now();
        let Ok(mut wait) = self.wait_of(handle, id, future) else { return Outcome::Failed };
        let gate = Arc::new(Gate::new(future != Future::Gated));
        let task = self.slots.borrow()[id].gates.len() as u32;
        self.slots.borrow_mut()[id].gates.push(gate.clone());
        let (stage, alive) = (self.clone(), self.alive.clone());
        let boxed = poll_fn(move |context: &mut Context<'_>| {
            let _ = &alive;
            stage.polled(id, task, future);
            let is_over = match &mut wait {
                Some(wait) => wait.as_mut().poll(context),
                None => gate.poll(context),
            };
            is_over.map(|()| task)
        });
        if !spawn(Box::pin(boxed)) {
            self.slots.borrow_mut()[id].gates.pop();
            return Outcome::Closed;
        }
        self.model.borrow_mut().spawned(id, future, begun);
        Outcome::Done
    }

    /// What a future awaits of the loop.
    fn wait_of(
        self: &Rc<Self>,
        handle: &A::Handle,
        id: Id,
        future: Future,
    ) -> Result<Option<Wait>, Failure> {
        if future == Future::Sleeps {
            return Ok(Some(Box::pin(A::sleep(handle, SLEEP)?)));
        }
        if !matches!(future, Future::Reads | Future::Writes) {
            return Ok(None);
        }
        let (near, far) = pair()?;
        let is_writing = future == Future::Writes;
        if is_writing {
            fill(&near);
        } else {
            // Then it has to be, and be as it was in the end.
            ioctl_fionbio(&near, false)?;
        }
        let flags = fcntl_getfl(&near)?;
        let io = A::adapt_io(handle, near)?;
        self.slots.borrow_mut()[id].feeds.push_back((far, future));
        let stage = self.clone();
        Ok(Some(Box::pin(async move {
            let near = transfer(io, is_writing).await;
            let left = fcntl_getfl(&near);
            if left != Ok(flags) {
                let expected = format!("a descriptor to come back as it was: {flags:?}");
                stage.model.borrow_mut().deviate(expected, format!("{left:?}"));
            }
        })))
    }

    fn feed_future(&self, id: Id) -> Outcome {
        let fed = self.slots.borrow_mut()[id].feeds.pop_front();
        let Some((far, future)) = fed else { return Outcome::Failed };
        match future {
            Future::Writes => drain(&far),
            // If it was dropped meanwhile nobody reads it.
            _ => drop(write(&far, 1)),
        }
        self.slots.borrow_mut()[id].fed.push(far);
        Outcome::Done
    }

    /// The oldest future of an executor that waits to be opened.
    pub(super) fn next_gate(&self, id: Id) -> Option<u32> {
        let slots = self.slots.borrow();
        let gate = slots[id].gates.iter().position(|gate| !gate.is_open())?;
        Some(gate as u32)
    }

    fn open(&self, id: Id) -> Outcome {
        let Some(task) = self.next_gate(id) else { return Outcome::Failed };
        let gate = self.slots.borrow()[id].gates[task as usize].clone();
        self.model.borrow_mut().opened(id, task);
        gate.open();
        Outcome::Done
    }
}

fn outcome(result: Result<(), Failure>) -> Outcome {
    result.map_or(Outcome::Failed, |()| Outcome::Done)
}

fn of_nested(result: Result<bool, Failure>) -> Outcome {
    match result {
        Ok(true) => Outcome::Done,
        _ => Outcome::Failed,
    }
}

/// Raises a signal for this thread, so that it has arrived when this returns.
///
/// # Errors
///
/// What raise(3) answers.
pub fn raise(signal: Signal) -> Result<(), Failure> {
    use nix::sys::signal::{Signal as Number, raise};
    let number = match signal {
        Signal::Usr1 => Number::SIGUSR1,
        Signal::Usr2 => Number::SIGUSR2,
    };
    raise(number).map_err(|error| Failure::Io(error.into()))
}

fn of_mode(mode: Mode) -> Capability {
    match mode {
        Mode::Level => Capability::Level,
        Mode::Edge => Capability::Edge,
        Mode::OneShot => Capability::OneShot,
    }
}

/// Whether a loop has sources of this kind.
pub(super) fn supports(capabilities: Capabilities, kind: Kind) -> bool {
    if matches!(kind, Kind::Fd(Interest::None, _)) && !capabilities.has(Capability::EmptyInterest) {
        return false;
    }
    capabilities.has(match kind {
        Kind::Fd(_, mode) | Kind::Pipe(mode) => of_mode(mode),
        Kind::Ping => Capability::Ping,
        Kind::Channel { bound: None } => Capability::Channel,
        Kind::Channel { bound: Some(0) } => Capability::Rendezvous,
        Kind::Channel { bound: Some(_) } => Capability::BoundedChannel,
        Kind::Timer(_) => return true,
        Kind::Idle => Capability::Idle,
        Kind::Signals(_) => Capability::Signals,
        Kind::Executor => Capability::Executor,
    })
}
