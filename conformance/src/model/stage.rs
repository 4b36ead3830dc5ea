//! Does what a program says with a loop, and tells the model of it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::program::{Action, Answer, Id, Kind, Program, Step, name};
use super::slot::{Message, Slot};
use super::spec::{Ending, Model, Outcome, PATIENCE};
use super::state::Event;
use crate::adapter::{Adapter, Capabilities, Capability, Failure, Stop};
use crate::rule::Deviation;

/// What came of a program.
#[derive(Debug)]
pub(super) struct Performance {
    /// What was not permitted, if anything.
    pub(super) deviation: Option<Deviation>,
    /// Whether that may be the machine's fault.
    pub(super) is_late: bool,
    /// What happened, a line each.
    pub(super) log: Vec<String>,
}

/// Performs a program on a loop of its own.
pub(super) fn perform<A: Adapter>(program: &Program) -> Performance {
    catch_signals();
    let descriptors = count_descriptors();
    let stage = Rc::new(Stage::<A>::new(program));
    let outcome = A::new().map(|event_loop| stage.play(event_loop));
    if let Err(failure) = outcome {
        stage.model.borrow_mut().deviate("a loop", failure.to_string());
    }
    stage.model.borrow_mut().finish();
    stage.check_leaks(descriptors);
    let model = stage.model.borrow();
    let log = stage.log.take();
    Performance { deviation: model.deviation().cloned(), is_late: model.is_late(), log }
}

/// A signal that nobody listens to any more must not end the process.
fn catch_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let noted = Arc::new(AtomicBool::new(false));
        // Without the handler, programs with signals end the process, which is told of, too.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGUSR1, noted);
    });
}

/// How many descriptors are open; where that cannot be told, always none.
fn count_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// What a callback panics with.
struct Panicked;

/// What callbacks and steps share.
pub(super) struct Stage<A: Adapter> {
    pub(super) program: Program,
    pub(super) capabilities: Capabilities,
    pub(super) start: Instant,
    pub(super) model: RefCell<Model>,
    log: RefCell<Vec<String>>,
    pub(super) slots: RefCell<Vec<Slot<A>>>,
    calls: RefCell<Vec<usize>>,
    pub(super) stop: RefCell<Option<StopOrWake>>,
    pub(super) is_running: Cell<bool>,
    pub(super) is_stopped: Cell<bool>,
    messages_sent: Cell<u32>,
    /// Counts the messages and futures that are not dropped yet.
    pub(super) alive: Arc<()>,
}

/// Stops the loop, or wakes it up.
type StopOrWake = Arc<dyn Fn(bool) + Send + Sync>;

/// Tells the model when it is dropped.
pub(super) struct Captured<A: Adapter> {
    pub(super) id: Id,
    pub(super) stage: Rc<Stage<A>>,
}

impl<A: Adapter> Drop for Captured<A> {
    fn drop(&mut self) {
        self.stage.note(format_args!("what {} captured is dropped", name(self.id)));
        self.stage.model.borrow_mut().dropped(self.id);
    }
}

/// Something that another thread can do.
type Remote = Box<dyn FnOnce() -> Outcome + Send>;

impl<A: Adapter> Stage<A> {
    fn new(program: &Program) -> Self {
        let start = Instant::now();
        let capabilities = A::capabilities();
        Stage {
            program: program.clone(),
            capabilities,
            start,
            model: RefCell::new(Model::new(program, capabilities, start)),
            log: RefCell::default(),
            slots: RefCell::new(program.sources.iter().map(|_| Slot::default()).collect()),
            calls: RefCell::new(vec![0; program.sources.len()]),
            stop: RefCell::default(),
            is_running: Cell::new(false),
            is_stopped: Cell::new(false),
            messages_sent: Cell::new(0),
            alive: Arc::default(),
        }
    }

    pub(super) fn has(&self, capability: Capability) -> bool {
        self.capabilities.has(capability)
    }

    pub(super) fn is_off(&self) -> bool {
        self.model.borrow().deviation().is_some()
    }

    pub(super) fn note(&self, what: impl std::fmt::Display) {
        let indent = if self.model.borrow().is_dispatching() { "    " } else { "" };
        self.log.borrow_mut().push(format!("{indent}{what}"));
    }

    /// Does the steps, then drops everything.
    fn play(self: &Rc<Self>, mut event_loop: A) {
        let handle = event_loop.handle();
        let needed = self.has(Capability::Stop) || self.has(Capability::Wakeup);
        if let (true, Ok(stop)) = (needed, event_loop.stopper()) {
            let stop = move |is_stop: bool| if is_stop { stop.stop() } else { stop.wakeup() };
            *self.stop.borrow_mut() = Some(Arc::new(stop));
        }
        for step in &self.program.steps {
            if self.is_off() {
                break;
            }
            self.step(&mut event_loop, &handle, *step);
        }
        if !self.is_off() {
            self.note("the end: everything is dropped");
        }
        self.model.borrow_mut().give_up();
        let slots = self.slots.take();
        drop(slots);
        drop(self.stop.take());
        drop(handle);
        drop(event_loop);
    }

    fn check_leaks(&self, descriptors: usize) {
        let left = count_descriptors();
        let mut model = self.model.borrow_mut();
        if Arc::strong_count(&self.alive) > 1 {
            model.deviate("every message and future dropped with the loop", "some leaked");
        }
        // Tests on other threads may have opened some.
        let _ = (descriptors, left);
    }

    fn step(self: &Rc<Self>, event_loop: &mut A, handle: &A::Handle, step: Step) {
        match step {
            Step::Do(action) => self.act(handle, action, None),
            Step::Dispatch => self.dispatch(event_loop, Duration::ZERO),
            Step::Wait => self.dispatch(event_loop, Duration::from_millis(5)),
            Step::Block => {
                let (is_sure, _) = self.model.borrow().prospect(Instant::now());
                self.dispatch(event_loop, if is_sure { PATIENCE } else { Duration::ZERO });
            }
            Step::Meanwhile(action) => self.meanwhile(event_loop, handle, action),
            Step::Run => self.run(event_loop),
            Step::Peek => self.peek(event_loop),
        }
    }

    fn dispatch(&self, event_loop: &mut A, limit: Duration) {
        self.note(format_args!("dispatch, at most {limit:?}"));
        self.model.borrow_mut().begin_dispatch(Instant::now(), Some(limit));
        let outcome = catch_unwind(AssertUnwindSafe(|| event_loop.dispatch(Some(limit))));
        self.end_dispatch(outcome);
    }

    fn end_dispatch(&self, outcome: thread::Result<Result<(), Failure>>) {
        let ending = match outcome {
            Ok(Ok(())) => Ending::Returned,
            Ok(Err(failure)) => Ending::Failed(failure.to_string()),
            Err(payload) if payload.is::<Panicked>() => Ending::Panicked,
            Err(payload) => Ending::Failed(format!("panicked: {}", text_of(&*payload))),
        };
        self.note(format_args!("the dispatch ends: {ending:?}"));
        self.model.borrow_mut().end_dispatch(ending, Instant::now());
    }

    fn run(&self, event_loop: &mut A) {
        if !self.has(Capability::Stop) {
            return self.dispatch(event_loop, Duration::ZERO);
        }
        let Some(stop) = self.stop.borrow().clone() else { return };
        self.note("run");
        self.is_running.set(true);
        self.is_stopped.set(false);
        let (mut rounds, mut is_over) = (0, false);
        let begin = || self.model.borrow_mut().begin_dispatch(Instant::now(), Some(Duration::ZERO));
        begin();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            event_loop.run(Some(Duration::ZERO), |_| {
                if is_over {
                    self.model.borrow_mut().deviate("the run to end after a stop", "it goes on");
                }
                rounds += 1;
                self.note("the dispatch ends");
                self.model.borrow_mut().end_dispatch(Ending::Returned, Instant::now());
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
        if is_over && matches!(outcome, Ok(Ok(()))) {
            return self.note("the run ends");
        }
        self.end_dispatch(outcome);
    }

    /// Looks whether the loop's descriptor is readable when there is something to do.
    fn peek(&self, event_loop: &A) {
        if !self.has(Capability::Embed) {
            return;
        }
        self.note("look at the loop's own descriptor");
        let has_work = self.model.borrow().has_work(Instant::now());
        // What there is to do may take a moment to show, on a busy machine.
        let limit = if has_work { PATIENCE } else { Duration::ZERO };
        let readable = event_loop.as_fd().map(|fd| is_readable_within(fd, limit));
        if has_work && !matches!(readable, Ok(true)) {
            let actual = format!("{readable:?}");
            self.model.borrow_mut().deviate("the loop's own descriptor to be readable", actual);
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
            if let Action::Send(id) = action {
                then.sent(id, 0);
            }
            then.prospect(now).0
        };
        let Some(remote) = remote.filter(|_| would_wake()) else {
            self.act(handle, action, None);
            return self.dispatch(event_loop, Duration::ZERO);
        };
        self.note(format_args!("another thread is about to {action}"));
        let permitted = self.model.borrow_mut().begin(action, now);
        if let Action::Send(id) = action {
            self.model.borrow_mut().sent(id, self.messages_sent.get());
        }
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_micros(300));
            remote()
        });
        self.dispatch(event_loop, PATIENCE);
        let outcome = thread.join().unwrap_or(Outcome::Failed);
        self.model.borrow_mut().end(action, permitted, outcome, Instant::now());
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
            Action::Send(_) => {
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
            _ => None,
        }
    }

    pub(super) fn message(&self) -> Message {
        let number = self.messages_sent.get() + 1;
        self.messages_sent.set(number);
        Message { number, _alive: self.alive.clone() }
    }

    /// A callback is called: does what the program says.
    pub(super) fn called(
        self: &Rc<Self>,
        handle: &A::Handle,
        id: Id,
        event: Event,
        fd: Option<BorrowedFd<'_>>,
    ) -> Answer {
        let now = Instant::now();
        if self.is_off() {
            return Answer::Go;
        }
        self.note(format_args!("{} is called, {event:?}", name(id)));
        self.model.borrow_mut().call(id, event, now);
        if self.is_off() {
            return Answer::Go;
        }
        let call = {
            let calls = &mut self.calls.borrow_mut()[id];
            *calls += 1;
            *calls - 1
        };
        let turn = self.program.turn(id, call);
        for action in &turn.actions {
            self.act(handle, *action, fd);
        }
        let answer = self.answer(id, turn.answer);
        let kind = self.program.sources[id].kind;
        let is_last = match kind {
            Kind::Timer(_) => !matches!(answer, Answer::Again(_) | Answer::Panic),
            _ => answer == Answer::Remove || event == Event::Closed,
        };
        if is_last && !self.program.sources[id].keeps_name() {
            let source = self.slots.borrow_mut()[id].source.take();
            drop(source);
        }
        if answer != Answer::Go {
            self.note(format_args!("{} answers: {answer}", name(id)));
        }
        self.model.borrow_mut().end_call(id, answer, Instant::now());
        if answer == Answer::Panic {
            // Without the hook that would print it.
            resume_unwind(Box::new(Panicked));
        }
        answer
    }

    /// A future is polled.
    pub(super) fn polled(&self, id: Id, task: u32) {
        if !self.is_off() {
            self.note(format_args!("future {task} of {} is polled", name(id)));
            self.model.borrow_mut().call(id, Event::Polled(task), Instant::now());
        }
    }

    /// The answer of the program, as far as the source and the loop can give it.
    fn answer(&self, id: Id, answer: Answer) -> Answer {
        let is_fd = matches!(self.program.sources[id].kind, Kind::Fd(..));
        let is_timer = matches!(self.program.sources[id].kind, Kind::Timer(_));
        let is_able = match answer {
            Answer::Go => true,
            Answer::Rearm | Answer::Disable | Answer::Remove => {
                is_fd && self.has(Capability::PostActions)
            }
            Answer::Fail => is_fd && self.has(Capability::FallibleCallbacks),
            Answer::Again(_) => is_timer && self.has(Capability::TimerRepeat),
            Answer::Panic => self.has(Capability::Panics),
        };
        if is_able { answer } else { Answer::Go }
    }
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

pub(super) fn write(mut far: &UnixStream, count: u8) -> Outcome {
    use std::io::Write;
    match far.write_all(&vec![0; count.into()]) {
        Ok(()) => Outcome::Done,
        Err(_) => Outcome::Failed,
    }
}
