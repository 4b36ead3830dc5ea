//! The operations of a program, in terms of the adapter.

use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use super::link::{drain, fill, write};
use super::nest::nest;
use super::program::{Action, BURST, Id, Signal};
use super::spec::Outcome;
use super::stage::Stage;
use crate::adapter::{Adapter, Failure};

/// What callbacks fail with, so that a dispatch tells which did.
const FAILURES: [&str; 8] =
    ["a fails", "b fails", "c fails", "d fails", "e fails", "f fails", "g fails", "h fails"];

/// What the callback of the source fails with.
pub(super) fn failure(id: Id) -> &'static str {
    FAILURES[id % FAILURES.len()]
}

/// How long it lasts to let time pass.
pub(super) const LINGER: Duration = Duration::from_micros(1100);

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
