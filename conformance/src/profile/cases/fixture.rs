//! A loop under test, whose callbacks share the record of the run.

use std::future::Future;
use std::time::{Duration, Instant};

use super::calloop::ping::{Ping, make_ping};
use super::calloop::timer::{TimeoutAction, Timer};
use super::calloop::{self, EventLoop, LoopHandle, RegistrationToken};
use super::sources::BoxError;
use crate::fixture::{PATIENCE, SILENCE};
use crate::rule::{Check, Deviation, Trial};
use crate::trace::Trace;
use crate::{ensure, ensure_eq};

/// The `Data` of every dispatch.
pub(crate) struct Context {
    pub(crate) trace: Trace,
    pub(crate) handle: LoopHandle<'static, Context>,
    /// The source that the test is about, once it is inserted.
    pub(crate) subject: Option<RegistrationToken>,
}

impl Context {
    /// Marks that a callback was called.
    pub(crate) fn mark(&self, what: &str) {
        self.trace.mark(what);
    }

    /// The source that the test is about.
    pub(crate) fn subject(&self) -> RegistrationToken {
        self.subject.expect("the test inserts its subject first")
    }
}

/// A loop under test.
pub(crate) struct Fixture {
    pub(crate) event_loop: EventLoop<'static, Context>,
    pub(crate) context: Context,
    pub(crate) handle: LoopHandle<'static, Context>,
    pub(crate) trace: Trace,
    /// What is done to the registrations of puppets, apart from the trace.
    pub(crate) registrations: Trace,
    patience: Duration,
}

impl Fixture {
    pub(crate) fn new(trial: &Trial) -> Result<Self, Deviation> {
        let event_loop = EventLoop::try_new()?;
        let handle: LoopHandle<'static, Context> = event_loop.handle();
        let trace = trial.trace.clone();
        Ok(Fixture {
            event_loop,
            context: Context { trace: trace.clone(), handle: handle.clone(), subject: None },
            handle,
            trace,
            registrations: Trace::new(),
            patience: trial.limit(PATIENCE),
        })
    }

    /// Dispatches once, for at most this long.
    pub(crate) fn dispatch(&mut self, timeout: Duration) -> calloop::Result<()> {
        let outcome = self.event_loop.dispatch(timeout, &mut self.context);
        self.trace.note(format_args!("dispatched for at most {timeout:?}: {outcome:?}"));
        outcome
    }

    /// Dispatches once without waiting.
    pub(crate) fn poll(&mut self) -> calloop::Result<()> {
        self.dispatch(Duration::ZERO)
    }

    /// Dispatches until the condition holds, and fails if it does not within a time that is ample.
    pub(crate) fn dispatch_until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Trace) -> bool,
    ) -> Check {
        let start = Instant::now();
        while !holds(&self.trace) {
            let remaining = self.patience.saturating_sub(start.elapsed());
            ensure!(!remaining.is_zero(), what, "it did not happen within {:?}", self.patience);
            self.dispatch(remaining)?;
        }
        // A dispatch that sleeps to its end sees what should have woken it, too.
        let elapsed = start.elapsed();
        ensure!(elapsed < self.patience, what, "it did not happen before {elapsed:?} were over");
        Ok(())
    }

    /// Runs the loop until a future is ready, and fails if it is not within a time that is ample.
    pub(crate) fn block_on<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Deviation> {
        let signal = self.event_loop.get_signal();
        let limit = self.handle.insert_source(
            Timer::from_duration(self.patience),
            move |_, &mut (), _| {
                signal.stop();
                TimeoutAction::Drop
            },
        )?;
        let outcome = self.event_loop.block_on(future, &mut self.context, |_| {})?;
        self.handle.remove(limit);
        outcome.ok_or_else(|| Deviation::new("a future that becomes ready", "it did not"))
    }

    /// How many dispatches it takes to let the time pass: one if nothing happens.
    pub(crate) fn dispatches_in(&mut self, time: Duration) -> Result<usize, Deviation> {
        let start = Instant::now();
        let mut dispatches = 0;
        let mut remaining = time;
        while dispatches == 0 || !remaining.is_zero() {
            self.event_loop.dispatch(remaining, &mut self.context)?;
            dispatches += 1;
            remaining = time.saturating_sub(start.elapsed());
        }
        self.trace.note(format_args!("{dispatches} dispatches in {time:?}"));
        Ok(dispatches)
    }

    /// Fails if anything is marked in a while, or the loop cannot sleep through it.
    pub(crate) fn expect_quiet(&mut self) -> Check {
        /// What a loop may need to calm down, for instance to see once that a queue is empty.
        const DISPATCHES_MAX: usize = 8;
        let before = self.trace.marks().len();
        let dispatches = self.dispatches_in(SILENCE)?;
        ensure!(
            dispatches <= DISPATCHES_MAX,
            "a loop that sleeps when nothing happens",
            "{dispatches} dispatches in {SILENCE:?}"
        );
        let marks = self.trace.marks();
        ensure!(marks.len() == before, "nothing more to be called", "{:?}", &marks[before..]);
        Ok(())
    }

    /// Fails unless exactly these were marked so far, in this order.
    pub(crate) fn expect_marks<const N: usize>(&self, expected: [&str; N]) -> Check {
        ensure_eq!(self.trace.marks(), expected, "called");
        Ok(())
    }

    /// Fails unless exactly this was done to the registrations of puppets so far.
    pub(crate) fn expect_registrations<const N: usize>(&self, expected: [&str; N]) -> Check {
        ensure_eq!(self.registrations.marks(), expected, "calls that change registrations");
        Ok(())
    }

    /// Inserts a ping that marks its name.
    pub(crate) fn insert_ping(
        &self,
        name: &'static str,
    ) -> Result<(Ping, RegistrationToken), Deviation> {
        let (ping, source) = make_ping()?;
        let token = self.handle.insert_source(source, move |(), &mut (), cx| cx.mark(name))?;
        Ok((ping, token))
    }
}

/// The error of a source, which is what a dispatch has returned.
pub(crate) fn error_of_source(outcome: calloop::Result<()>) -> Result<BoxError, Deviation> {
    match outcome {
        Err(calloop::Error::OtherError(error)) => Ok(error),
        other => Err(Deviation::new("Error::OtherError", format_args!("{other:?}"))),
    }
}
