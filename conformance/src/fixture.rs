//! A loop under test with what tests need around it.

use std::time::{Duration, Instant};

use crate::adapter::{Adapter, Capability, Failure};
use crate::rule::{Check, Deviation, Trial};
use crate::trace::Trace;

/// How long something that has to happen may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a test looks for something that must not happen.
pub const SILENCE: Duration = Duration::from_millis(20);

/// A loop under test.
#[derive(Debug)]
pub struct Fixture<'t, A: Adapter> {
    /// The loop.
    pub event_loop: A,
    /// A handle to it.
    pub handle: A::Handle,
    /// The run that this is part of.
    pub trial: &'t Trial,
}

impl<'t, A: Adapter> Fixture<'t, A> {
    /// Makes a loop to test.
    ///
    /// # Errors
    ///
    /// If the loop cannot be made.
    pub fn new(trial: &'t Trial) -> Result<Self, Deviation> {
        let event_loop = A::new()?;
        let handle = event_loop.handle();
        Ok(Fixture { event_loop, handle, trial })
    }

    /// The record of this run, for a callback to take along.
    pub fn trace(&self) -> Trace {
        self.trial.trace.clone()
    }

    /// Dispatches once and returns how long it took.
    ///
    /// # Errors
    ///
    /// What the loop answers.
    pub fn dispatch(&mut self, timeout: Option<Duration>) -> Result<Duration, Failure> {
        match timeout {
            Some(timeout) => self.trial.trace.note(format_args!("dispatch, at most {timeout:?}")),
            None => self.trial.trace.note("dispatch without limit"),
        }
        let start = Instant::now();
        let outcome = self.event_loop.dispatch(timeout);
        let elapsed = start.elapsed();
        match &outcome {
            Ok(()) => self.trial.trace.note(format_args!("dispatched for {elapsed:?}")),
            Err(failure) => self.trial.trace.note(format_args!("dispatch failed: {failure}")),
        }
        outcome.map(|()| elapsed)
    }

    /// Dispatches without waiting.
    ///
    /// # Errors
    ///
    /// What the loop answers.
    pub fn poll(&mut self) -> Result<Duration, Failure> {
        self.dispatch(Some(Duration::ZERO))
    }

    /// Dispatches what is ready by now: in one dispatch where that is one wait and all it brought,
    /// else in as many as may be needed for it, which end when the loop sleeps.
    ///
    /// # Errors
    ///
    /// What the loop answers.
    pub fn deliver(&mut self) -> Result<(), Failure> {
        const DISPATCHES: usize = 16;
        const NAP: Duration = Duration::from_millis(1);
        const NAPS: usize = 8;
        if A::capabilities().has(Capability::OneWaitADispatch) {
            return self.poll().map(drop);
        }
        let mut naps = 0;
        for _ in 0..DISPATCHES {
            // A busy machine may hold up a dispatch that has something to do.
            naps = if self.dispatch(Some(NAP))? >= NAP { naps + 1 } else { 0 };
            if naps == NAPS {
                break;
            }
        }
        Ok(())
    }

    /// Dispatches until the condition holds.
    ///
    /// # Errors
    ///
    /// If it does not within [`PATIENCE`]; and what the loop answers.
    pub fn dispatch_until(&mut self, what: &str, mut holds: impl FnMut(&Trace) -> bool) -> Check {
        self.dispatch_until_dyn(what, &mut holds)
    }

    /// Compiled once, and not for every condition.
    fn dispatch_until_dyn(&mut self, what: &str, holds: &mut dyn FnMut(&Trace) -> bool) -> Check {
        let limit = self.trial.limit(PATIENCE);
        let start = Instant::now();
        while !holds(&self.trial.trace) {
            let remaining = limit.saturating_sub(start.elapsed());
            if remaining.is_zero() {
                let actual = format_args!("it did not happen within {limit:?}").to_string();
                return Err(Deviation::new(what, actual));
            }
            self.dispatch(Some(remaining))?;
        }
        // A dispatch that sleeps to its end sees what should have woken it, too.
        let elapsed = start.elapsed();
        crate::ensure!(elapsed < limit, what, "it did not happen before {elapsed:?} were over");
        Ok(())
    }

    /// Dispatches for a while and fails if anything is marked.
    ///
    /// # Errors
    ///
    /// If anything is; and what the loop answers.
    pub fn expect_silence(&mut self) -> Check {
        let before = self.trial.trace.marks().len();
        let start = Instant::now();
        while let Some(remaining) = SILENCE.checked_sub(start.elapsed()) {
            self.dispatch(Some(remaining))?;
        }
        let marks = self.trial.trace.marks();
        crate::ensure!(
            marks.len() == before,
            "nothing more to be called",
            "called: {}",
            marks[before..].join(", ")
        );
        Ok(())
    }

    /// Fails unless exactly these were marked so far, in this order.
    ///
    /// # Errors
    ///
    /// If others were.
    pub fn expect_marks<M: AsRef<str>>(&self, expected: &[M]) -> Check {
        let marks = self.trial.trace.marks();
        let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
        crate::ensure!(
            marks == expected,
            format_args!("[{}]", expected.join(", ")),
            "[{}]",
            marks.join(", ")
        );
        Ok(())
    }
}
