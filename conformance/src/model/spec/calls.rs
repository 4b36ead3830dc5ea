//! The calls of a dispatch: which are permitted, and what they change.

use std::time::Instant;

use super::{Drop, Ending, Entry, Life, Model};
use crate::adapter::Capability;
use crate::model::act::failure;
use crate::model::program::{Answer, Id, When};
use crate::model::state::{Claim, Event, Fd, State};

/// So many calls in one dispatch are not permitted, whatever there is to do.
const CALLS_MAX: usize = 50_000;

impl Model {
    /// A callback is called.
    pub(in crate::model) fn call(&mut self, id: Id, event: Event, now: Instant) {
        self.armed(now);
        let refused = self.refuse(id, event, now).err();
        if let Some(why) = refused {
            let call = format!("call of {}, {event:?}", self.text(id));
            self.deviate(why, call);
            return;
        }
        let entry = &mut self.entries[id];
        if event == Event::Idle {
            (entry.life, entry.claim) = (Life::Gone, Claim::No);
        }
        let goes_on = entry.state.has_long_turns();
        let dispatch = self.dispatch.as_mut().expect("a call was permitted");
        dispatch.calls += 1;
        dispatch.is_deferred &= dispatch.last == Some(id) && goes_on;
        dispatch.last = Some(id);
        if !matches!(event, Event::Polled(_)) {
            dispatch.running = Some(id);
        }
        self.check_drops();
    }

    /// Says why a call is not permitted, if it is not.
    pub(super) fn refuse(&mut self, id: Id, event: Event, now: Instant) -> Result<(), String> {
        let Some(dispatch) = &self.dispatch else {
            return Err("no call outside a dispatch".into());
        };
        if let Some(running) = dispatch.running {
            return Err(format!("no call during the call of {}", self.text(running)));
        }
        if event == Event::Idle {
            return self.refuse_idle(id);
        }
        if dispatch.idles_left.is_some() {
            return Err("idle callbacks to be the last of a dispatch".into());
        }
        let (is_last, entry) = (dispatch.last == Some(id), &self.entries[id]);
        if entry.is_wild {
            return Ok(());
        }
        let goes_on = is_last && entry.state.has_long_turns();
        match entry.life {
            Life::Enabled => {}
            _ if goes_on || !entry.is_sure => {}
            Life::Absent | Life::Gone => {
                return Err(format!("{}, since it was removed", self.permitted()));
            }
            Life::Disabled => return Err(format!("{}, since it is disabled", self.permitted())),
        }
        if entry.claim == Claim::No {
            let permitted = self.permitted();
            return Err(format!("{permitted}, since the wait gathered no more of it"));
        }
        if dispatch.calls >= CALLS_MAX {
            return Err(format!("the dispatch to end, after {CALLS_MAX} calls"));
        }
        self.check_order(id)?;
        let entry = &mut self.entries[id];
        entry.claim = entry.state.call(event, now)?;
        entry.is_sure |= entry.state.is_settled();
        if entry.life == Life::Disabled && !goes_on {
            entry.life = Life::Enabled;
        }
        Ok(())
    }

    pub(super) fn refuse_idle(&mut self, id: Id) -> Result<(), String> {
        let is_broken = self.dispatch.as_ref().is_some_and(|dispatch| dispatch.broken.is_some());
        let left = self.dispatch.as_ref().and_then(|dispatch| dispatch.idles_left);
        if left.is_none() && !is_broken {
            if let Some(due) = self.due() {
                return Err(format!("call of {} before any idle callback", self.text(due)));
            }
        }
        let left = left.unwrap_or(self.idles.len());
        match self.idles.front() {
            Some(next) if left > 0 && *next == id => {}
            Some(next) if left > 0 => return Err(format!("call of {}", self.text(*next))),
            _ => return Err("no more idle callbacks in this dispatch".into()),
        }
        self.idles.pop_front();
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.idles_left = Some(left - 1);
        }
        Ok(())
    }

    /// Timers that are due fire in the order of their deadlines, and descriptors in that in which
    /// they became ready.
    pub(super) fn check_order(&self, id: Id) -> Result<(), String> {
        let timer = match &self.entries[id].state {
            State::Timer(timer) => timer,
            State::Fd(fd) => return self.check_ready_order(id, fd),
            _ => return Ok(()),
        };
        let is_fifo = self.capabilities.has(Capability::EqualDeadlinesFifo);
        for (other, entry) in self.entries.iter().enumerate() {
            if let State::Timer(others) = &entry.state {
                let is_due = other != id && entry.claim == Claim::Must;
                if is_due && others.is_before(timer, is_fifo) {
                    let other = self.text(other);
                    return Err(format!("call of {other} first, whose deadline is earlier"));
                }
            }
        }
        Ok(())
    }

    fn check_ready_order(&self, id: Id, fd: &Fd) -> Result<(), String> {
        if !self.capabilities.has(Capability::ReadyOrder) {
            return Ok(());
        }
        let is_first = |(other, entry): (Id, &Entry)| match &entry.state {
            State::Fd(others) => other != id && entry.claim == Claim::Must && others.is_before(fd),
            _ => false,
        };
        match self.entries.iter().enumerate().position(is_first) {
            Some(other) => {
                Err(format!("call of {} first, which became ready first", self.text(other)))
            }
            None => Ok(()),
        }
    }

    /// A source that must be called in this dispatch and was not.
    pub(super) fn due(&self) -> Option<Id> {
        self.entries.iter().position(|entry| entry.claim == Claim::Must)
    }

    /// What may happen next, in words.
    pub(super) fn permitted(&self) -> String {
        let entries = self.entries.iter().enumerate();
        let claims = |wanted: Claim| {
            let claiming = entries.clone().filter(move |(_, entry)| entry.claim == wanted);
            claiming.map(|(id, _)| format!("call of {}", self.text(id))).collect::<Vec<_>>()
        };
        let (mut next, others) = (claims(Claim::Must), claims(Claim::May));
        if next.is_empty() {
            next.extend(others);
            match self.idles.front() {
                Some(idle) => next.push(format!("call of {}", self.text(*idle))),
                None => next.push("end of the dispatch".to_string()),
            }
        }
        next.join(" or ")
    }

    /// A future of an executor has panicked.
    pub(in crate::model) fn future_panicked(&mut self, id: Id) {
        let Some(dispatch) = &mut self.dispatch else { return };
        dispatch.broken = Some(Ending::Panicked);
        let entry = &mut self.entries[id];
        entry.state.interrupt();
        // What its callback asked for earlier in the turn does not survive the panic.
        if dispatch.is_deferred && entry.life == Life::Disabled {
            (entry.life, entry.is_sure) = (Life::Enabled, false);
        }
        if entry.life == Life::Gone && entry.drop == Drop::Now {
            entry.drop = Drop::Soon;
        }
    }

    /// The callback returned or panicked.
    pub(in crate::model) fn end_call(&mut self, id: Id, answer: Answer, now: Instant) {
        let Some(dispatch) = &mut self.dispatch else { return };
        dispatch.running = None;
        let is_deferred = dispatch.is_deferred;
        match answer {
            Answer::Panic => dispatch.broken = Some(Ending::Panicked),
            Answer::Fail => dispatch.broken = Some(Ending::Failed(failure(id).to_string())),
            _ => {}
        }
        let keeps_name = self.keeps_name[id];
        let is_broken = matches!(answer, Answer::Panic | Answer::Fail);
        let entry = &mut self.entries[id];
        if is_broken {
            entry.state.interrupt();
        }
        match (&entry.state, answer) {
            (State::Timer(_), Answer::Panic) => entry.is_wild |= entry.life != Life::Gone,
            // Whether a timer that will never fire again is over differs.
            (State::Timer(_), Answer::Again(When::Never)) if entry.life != Life::Gone => {
                (entry.is_wild, entry.is_sure) = (true, false);
            }
            (State::Timer(_), _) => entry.is_wild = false,
            _ => {}
        }
        let is_over = match (&entry.state, answer) {
            _ if entry.is_wild => false,
            (State::Channel(channel), _) => channel.is_over,
            (State::Timer(_), Answer::Again(_)) | (_, Answer::Panic) => false,
            (State::Timer(_), _) | (_, Answer::Remove) => true,
            _ => false,
        };
        let is_gone = entry.life == Life::Gone || is_over;
        if is_gone {
            entry.life = Life::Gone;
            // Closed, and then it panicked: when that is over is not specified.
            entry.is_wild |= is_over && answer == Answer::Panic;
            if entry.drop != Drop::Done {
                entry.drop = match answer {
                    _ if keeps_name => Drop::Whenever,
                    Answer::Panic if is_over => Drop::Whenever,
                    Answer::Panic => Drop::Soon,
                    _ => Drop::Now,
                };
            }
            return;
        }
        match (&entry.state, answer) {
            (State::Timer(_), Answer::Again(when)) => {
                self.arm(id, when, now, None);
                if let Some(at) = self.exact(when) {
                    self.arm_at(id, at);
                }
            }
            (_, Answer::Rearm) => entry.state.register(),
            (_, Answer::Disable) => entry.life = Life::Disabled,
            _ => {}
        }
        let entry = &mut self.entries[id];
        if is_deferred && (is_broken || answer == Answer::Rearm) {
            entry.is_sure = false;
        } else if is_deferred {
            entry.life = Life::Disabled;
            entry.claim = if entry.state.has_long_turns() { Claim::May } else { Claim::No };
        }
    }
}
