//! The steps of a program: the dispatches, and what is done around them.

use std::any::Any;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::link::write;
use super::program::{Action, Id, Kind, Step, WAIT};
use super::spec::{Ending, Outcome, PATIENCE};
use super::stage::{Panicked, Stage};
use super::surroundings::{Interruptible, used};
use crate::adapter::{Adapter, Capability, Failure};

/// Something that another thread can do.
type Remote = Box<dyn FnOnce() -> Outcome + Send>;

/// How long a dispatch is given to fall asleep before another thread does something.
const ASLEEP: Duration = Duration::from_micros(300);

impl<A: Adapter> Stage<A> {
    pub(super) fn step(self: &Rc<Self>, event_loop: &mut A, handle: &A::Handle, step: Step) {
        match step {
            Step::Do(action) => self.act(handle, action, None),
            Step::Dispatch => self.dispatch(event_loop, Some(Duration::ZERO)),
            Step::Wait => self.dispatch(event_loop, Some(WAIT)),
            Step::Interrupt => self.interrupt(event_loop),
            Step::Block => self.block(event_loop),
            Step::Meanwhile(action) => self.meanwhile(event_loop, handle, action),
            Step::Run => self.run(event_loop),
            Step::Peek => self.peek(event_loop),
        }
    }

    fn dispatch(&self, event_loop: &mut A, limit: Option<Duration>) {
        match limit {
            Some(limit) => self.note(format_args!("dispatch, at most {limit:?}")),
            None => self.note("dispatch without limit"),
        }
        self.model.borrow_mut().begin_dispatch(Instant::now(), limit);
        let before = used();
        let outcome = catch_unwind(AssertUnwindSafe(|| event_loop.dispatch(limit)));
        self.end_dispatch(outcome, used().saturating_sub(before));
    }

    fn end_dispatch(&self, outcome: thread::Result<Result<(), Failure>>, used: Duration) {
        let ending = match outcome {
            Ok(Ok(())) => Ending::Returned,
            Ok(Err(failure)) => Ending::Failed(failure.to_string()),
            Err(payload) if payload.is::<Panicked>() => Ending::Panicked,
            Err(payload) => Ending::Failed(format!("panicked: {}", text_of(&*payload))),
        };
        self.note(format_args!("the dispatch ends: {ending:?}"));
        self.model.borrow_mut().end_dispatch(ending, Instant::now(), used);
        self.rest();
    }

    /// Dispatches as long as it takes; another thread does something meanwhile, if there is
    /// something to do, and ends a wait that nothing else does.
    fn watched(
        &self,
        event_loop: &mut A,
        limit: Option<Duration>,
        remote: Option<Remote>,
    ) -> Option<Outcome> {
        let rescue = self.stop.borrow().clone().filter(|_| self.has(Capability::Wakeup));
        let limit = if rescue.is_some() { limit } else { Some(PATIENCE) };
        let (over, is_over) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let outcome = remote.map(|remote| {
                thread::sleep(ASLEEP);
                remote()
            });
            let ended = is_over.recv_timeout(PATIENCE + PATIENCE / 4);
            if let (Some(rescue), Err(RecvTimeoutError::Timeout)) = (rescue, ended) {
                rescue(false);
            }
            outcome
        });
        self.dispatch(event_loop, limit);
        drop(over);
        thread.join().unwrap_or(Some(Outcome::Failed))
    }

    fn block(&self, event_loop: &mut A) {
        let (is_sure, _) = self.model.borrow().prospect(Instant::now());
        if is_sure {
            self.watched(event_loop, Some(Duration::MAX), None);
        } else {
            self.dispatch(event_loop, Some(Duration::ZERO));
        }
    }

    /// A signal that is handled elsewhere is no business of the loop.
    fn interrupt(&self, event_loop: &mut A) {
        self.note("another thread is about to interrupt this one");
        interrupted(|| self.dispatch(event_loop, Some(WAIT)));
    }

    fn run(&self, event_loop: &mut A) {
        if !self.has(Capability::Stop) {
            return self.dispatch(event_loop, Some(Duration::ZERO));
        }
        let Some(stop) = self.stop.borrow().clone() else { return };
        self.note("run");
        self.is_running.set(true);
        self.is_stopped.set(false);
        let (mut rounds, mut is_over) = (0, false);
        let begin = || self.model.borrow_mut().begin_dispatch(Instant::now(), Some(Duration::ZERO));
        let end = |now| self.model.borrow_mut().end_dispatch(Ending::Returned, now, Duration::ZERO);
        begin();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            event_loop.run(Some(Duration::ZERO), |_| {
                if is_over {
                    self.model.borrow_mut().deviate("the run to end after a stop", "it goes on");
                }
                rounds += 1;
                self.note("the dispatch ends");
                end(Instant::now());
                self.rest();
                if rounds == 2 || self.is_off() {
                    self.is_stopped.set(true);
                    stop(true);
                }
                is_over = self.is_stopped.get();
                if !is_over {
                    begin();
                }
            })
        }));
        self.is_running.set(false);
        let is_well = matches!(outcome, Ok(Ok(())));
        if !is_well && !is_over {
            return self.end_dispatch(outcome, Duration::ZERO);
        }
        self.note("the run ends");
        if !is_well {
            let actual = outcome.map_or("it panicked".into(), |it| format!("it came to {it:?}"));
            self.model.borrow_mut().deviate("a run that was stopped to return", actual);
        } else if !is_over {
            let expected = "a run to go on until it is stopped, and call its closure every time";
            self.model.borrow_mut().deviate(expected, "it ended without");
        }
    }

    /// Looks whether the loop's descriptor is readable when there is something to do, and only then.
    fn peek(&self, event_loop: &A) {
        if !self.has(Capability::Embed) {
            return;
        }
        self.note("look at the loop's own descriptor");
        let now = Instant::now();
        let has_work = self.model.borrow().has_work(now);
        let is_quiet = self.model.borrow().is_quiet(now);
        // What there is to do may take a moment to show, on a busy machine.
        let limit = if has_work { PATIENCE } else { Duration::ZERO };
        let readable = event_loop.as_fd().map(|fd| is_readable_within(fd, limit));
        let mut model = self.model.borrow_mut();
        if has_work && !matches!(readable, Ok(true)) {
            model.deviate("the loop's own descriptor to be readable", format!("{readable:?}"));
        }
        if is_quiet && !matches!(readable, Ok(false)) {
            let expected = "the loop's own descriptor not to be readable, since nothing happens";
            model.deviate(expected, format!("{readable:?}"));
        }
    }

    /// Another thread does something while the loop sleeps.
    fn meanwhile(self: &Rc<Self>, event_loop: &mut A, handle: &A::Handle, action: Action) {
        let now = Instant::now();
        let is_asleep = self.model.borrow().prospect(now).1;
        let remote = if is_asleep { self.remote(action) } else { None };
        let would_wake = || {
            let mut then = self.model.borrow().clone();
            then.begin(action, now);
            match action {
                Action::Send(id) => then.sent(id, 0),
                Action::Open(id) => {
                    self.next_gate(id).into_iter().for_each(|it| then.opened(id, it))
                }
                _ => {}
            }
            then.prospect(now).0
        };
        let Some(remote) = remote.filter(|_| would_wake()) else {
            self.act(handle, action, None);
            return self.dispatch(event_loop, Some(Duration::ZERO));
        };
        self.note(format_args!("another thread is about to {action}"));
        let permitted = self.model.borrow_mut().begin(action, now);
        match action {
            Action::Send(id) => self.model.borrow_mut().sent(id, self.messages_sent.get()),
            Action::Open(id) => {
                let next = self.next_gate(id);
                next.into_iter().for_each(|gate| self.model.borrow_mut().opened(id, gate));
            }
            _ => {}
        }
        let outcome = self.watched(event_loop, None, Some(remote)).unwrap_or(Outcome::Failed);
        self.model.borrow_mut().end(action, permitted, outcome, Instant::now());
    }

    fn is_rendezvous(&self, id: Id) -> bool {
        self.program.sources[id].kind == Kind::Channel { bound: Some(0) }
    }

    fn remote(&self, action: Action) -> Option<Remote> {
        let slots = self.slots.borrow();
        let slot = slots.get(action.source().unwrap_or_default())?;
        match action {
            Action::Ping(_) => {
                let ping = slot.ping.clone()?;
                Some(Box::new(move || {
                    ping();
                    Outcome::Done
                }))
            }
            // Whether the loop takes it at once where there is no place to keep it is up to chance.
            Action::Send(id) if slot.push.is_none() && !self.is_rendezvous(id) => {
                let sender = slot.sender.as_ref()?.copy();
                let message = self.message();
                Some(Box::new(move || sender.post(message)))
            }
            Action::WakeUp if self.has(Capability::Wakeup) => {
                let stop = self.stop.borrow().clone()?;
                Some(Box::new(move || {
                    stop(false);
                    Outcome::Done
                }))
            }
            Action::Write(id, count) if self.model.borrow().is_in(id) => {
                let far = slot.far.as_ref()?.try_clone().ok()?;
                Some(Box::new(move || write(&far, count)))
            }
            Action::Open(id) => {
                let gate = slot.gates.get(self.next_gate(id)? as usize)?.clone();
                Some(Box::new(move || {
                    gate.open();
                    Outcome::Done
                }))
            }
            _ => None,
        }
    }
}

/// Does something while a signal that is handled interrupts this thread.
pub fn interrupted(act: impl FnOnce()) {
    let this = Interruptible::this();
    let thread = thread::spawn(move || {
        thread::sleep(ASLEEP);
        this.interrupt();
    });
    act();
    let _ = thread.join();
}

/// Whether a descriptor is readable now.
pub fn is_readable(fd: BorrowedFd<'_>) -> bool {
    is_readable_within(fd, Duration::ZERO)
}

fn is_readable_within(fd: BorrowedFd<'_>, limit: Duration) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let limit = Timespec::try_from(limit).unwrap_or_default();
    poll(&mut fds, Some(&limit)).is_ok_and(|ready| ready > 0)
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("something")
}
