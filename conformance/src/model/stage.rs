//! Does what a program says with a loop, and tells the model of it.

use std::cell::{Cell, RefCell};
use std::os::fd::BorrowedFd;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::program::{Answer, Future, Id, Kind, Program, Turn, name};
use super::push::Pushing;
use super::slot::{Message, Slot};
use super::spec::Model;
use super::state::Event;
use super::surroundings::Surroundings;
use crate::adapter::{Adapter, Capabilities, Capability, Ping, Stop};
use crate::rule::Deviation;

/// How many pings a crowd is: more than a byte can count.
pub(super) const CROWD: usize = 260;

/// What came of a program.
#[derive(Debug)]
pub(super) struct Performance {
    /// What was not permitted, if anything.
    pub(super) deviation: Option<Deviation>,
    /// Whether that may be somebody else's fault.
    pub(super) is_doubtful: bool,
    /// What happened, a line each.
    pub(super) log: Vec<String>,
}

/// Performs a program on a loop of its own.
pub(super) fn perform<A: Adapter>(program: &Program) -> Performance {
    let surroundings = Surroundings::new(program.scene);
    let stage = Rc::new(Stage::<A>::new(program, surroundings));
    let outcome = A::new().map(|event_loop| stage.play(event_loop));
    if let Err(failure) = outcome {
        stage.model.borrow_mut().deviate("a loop", failure.to_string());
    }
    stage.model.borrow_mut().finish();
    stage.check_leaks();
    let model = stage.model.borrow();
    let log = stage.log.take();
    Performance { deviation: model.deviation().cloned(), is_doubtful: model.is_doubtful(), log }
}

/// What a callback panics with.
pub(super) struct Panicked;

/// No more lines than this are kept: a turn may have a thousand calls.
const LINES_MAX: usize = 500;

/// After so many calls a callback does no more than it has to.
const CALLS_ENOUGH: usize = 500;

/// What callbacks and steps share.
pub(super) struct Stage<A: Adapter> {
    pub(super) program: Program,
    pub(super) capabilities: Capabilities,
    pub(super) start: Instant,
    pub(super) model: RefCell<Model>,
    log: RefCell<Vec<String>>,
    pub(super) surroundings: Surroundings,
    /// For what is done when something is dropped; taken away when the program is over.
    pub(super) handle: RefCell<Option<A::Handle>>,
    pub(super) slots: RefCell<Vec<Slot<A>>>,
    /// How often each callback was called.
    calls: RefCell<Vec<usize>>,
    /// Which have done enough in a dispatch that came to its end.
    is_tired: RefCell<Vec<bool>>,
    pub(super) stop: RefCell<Option<StopOrWake>>,
    pub(super) is_running: Cell<bool>,
    pub(super) is_stopped: Cell<bool>,
    pub(super) messages_sent: Cell<u32>,
    pub(super) outings: Cell<u32>,
    /// How many futures were to wait for descriptors.
    pub(super) transfers: Cell<u32>,
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
        let handle = self.stage.handle.borrow().clone();
        for action in &self.stage.program.sources[self.id].farewell {
            handle.iter().for_each(|handle| self.stage.act(handle, *action, None));
        }
    }
}

impl<A: Adapter> Stage<A> {
    fn new(program: &Program, surroundings: Surroundings) -> Self {
        let start = Instant::now();
        let capabilities = A::capabilities();
        Stage {
            program: program.clone(),
            capabilities,
            start,
            model: RefCell::new(Model::new(program, capabilities, start)),
            log: RefCell::default(),
            surroundings,
            handle: RefCell::default(),
            slots: RefCell::new(program.sources.iter().map(|_| Slot::default()).collect()),
            calls: RefCell::new(vec![0; program.sources.len()]),
            is_tired: RefCell::new(vec![false; program.sources.len()]),
            stop: RefCell::default(),
            is_running: Cell::new(false),
            is_stopped: Cell::new(false),
            messages_sent: Cell::new(0),
            outings: Cell::new(0),
            transfers: Cell::new(0),
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
        let log = &mut *self.log.borrow_mut();
        if log.len() < LINES_MAX {
            log.push(format!("{indent}{what}"));
        }
    }

    /// Does the steps, then drops everything.
    fn play(self: &Rc<Self>, mut event_loop: A) {
        let handle = event_loop.handle();
        *self.handle.borrow_mut() = Some(handle.clone());
        let needed = self.has(Capability::Stop) || self.has(Capability::Wakeup);
        if let (true, Ok(stop)) = (needed, event_loop.stopper()) {
            let stop = move |is_stop: bool| if is_stop { stop.stop() } else { stop.wakeup() };
            *self.stop.borrow_mut() = Some(Arc::new(stop));
        }
        let crowd = self.crowd(&handle);
        for step in &self.program.steps {
            if self.is_off() {
                break;
            }
            self.step(&mut event_loop, &handle, *step);
            self.settle();
            self.check_signals();
        }
        if let Err((expected, actual)) = self.surroundings.check_descriptors() {
            self.model.borrow_mut().doubt(expected, actual);
        }
        if !self.is_off() {
            self.note("the end: everything is dropped");
        }
        self.model.borrow_mut().give_up();
        let _ = self.handle.take();
        let threads = self.let_go();
        drop((crowd, self.stop.take(), handle));
        drop(event_loop);
        self.join(threads);
    }

    /// Drops what the program holds of its sources, but for the threads that send.
    fn let_go(&self) -> Vec<Pushing> {
        let mut slots = self.slots.take();
        slots.iter_mut().filter_map(|slot| slot.push.take()).collect()
    }

    /// Pings that nobody pings.
    fn crowd(self: &Rc<Self>, handle: &A::Handle) -> Vec<(impl Ping, A::Source)> {
        let size =
            if self.program.scene.is_crowded && self.has(Capability::Ping) { CROWD } else { 0 };
        let ping = |_| {
            let stage = self.clone();
            A::insert_ping(handle, move |_| {
                let mut model = stage.model.borrow_mut();
                model.deviate("no call of a ping that nobody pinged", "one of the crowd is called");
            })
        };
        (0..size).map_while(|number| ping(number).ok()).collect()
    }

    fn check_leaks(&self) {
        let mut model = self.model.borrow_mut();
        if Arc::strong_count(&self.alive) > 1 {
            model.deviate("every message and future dropped with the loop", "some leaked");
        }
        if let Err((expected, actual)) = self.surroundings.check_end() {
            model.doubt(expected, actual);
        }
    }

    /// The signals that the loop watches are blocked, and no others.
    fn check_signals(&self) {
        let mut model = self.model.borrow_mut();
        if self.has(Capability::SignalMask) && !model.is_watching_open() {
            if let Err((expected, actual)) =
                self.surroundings.check_mask(&|it| model.is_watched(it))
            {
                model.deviate(expected, actual);
            }
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
        let is_tired = self.is_tired.borrow()[id];
        let turn = if is_tired { Turn::default() } else { self.program.turn(id, call) };
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

    /// A dispatch has ended: that callbacks which go on and on do not keep it from that is seen.
    pub(super) fn rest(&self) {
        let calls = self.calls.borrow();
        let is_tired = calls.iter().map(|calls| *calls >= CALLS_ENOUGH);
        self.is_tired.replace(is_tired.collect());
    }

    /// A future is polled.
    pub(super) fn polled(&self, id: Id, task: u32, future: Future) {
        if self.is_off() {
            return;
        }
        self.note(format_args!("future {task} of {} is polled", name(id)));
        self.model.borrow_mut().call(id, Event::Polled(task), Instant::now());
        if future == Future::Panics && !self.is_off() {
            self.model.borrow_mut().future_panicked(id);
            resume_unwind(Box::new(Panicked));
        }
    }

    /// The answer of the program, as far as the source and the loop can give it.
    fn answer(&self, id: Id, answer: Answer) -> Answer {
        let is_fd = matches!(self.program.sources[id].kind, Kind::Fd(..) | Kind::Pipe(_));
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
