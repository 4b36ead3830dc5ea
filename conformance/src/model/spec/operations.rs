//! What a program does with a loop: what may come of it, and what it changes.

use std::time::Instant;

use super::{Drop, Life, Model, Outcome};
use crate::adapter::{Capability, Interest, Mode};
use crate::model::program::{Action, Future, Id, Kind, When};
use crate::model::state::{Claim, Due, State, Timer, instant};

impl Model {
    /// Something is about to be done; returns what may come of it.
    pub(in crate::model) fn begin(&mut self, action: Action, now: Instant) -> &'static [Outcome] {
        const DONE: &[Outcome] = &[Outcome::Done];
        const ANY: &[Outcome] = &[Outcome::Done, Outcome::Failed];
        const FAILED: &[Outcome] = &[Outcome::Failed];
        if let Action::Ping(_) | Action::Send(_) | Action::Release(_) | Action::Raise = action {
            self.is_stirred = true;
        }
        if let Action::Spawn(..) | Action::Open(_) | Action::Enable(_) | Action::WakeUp = action {
            self.is_stirred = true;
        }
        if let Action::Send(id) | Action::Release(id) | Action::Spawn(id, _) | Action::Open(id) =
            action
        {
            self.entries[id].state.stir();
        }
        let gone = action.source().is_some_and(|id| self.entries[id].life == Life::Gone);
        match action {
            Action::Enable(_) | Action::Disable(_) | Action::Update(..) | Action::Reset(..)
                if gone =>
            {
                return FAILED;
            }
            Action::Insert(id) => self.insert(id, now),
            Action::Remove(id) => self.remove(id),
            Action::Disable(id) => return if self.disable(id) { DONE } else { ANY },
            Action::Enable(id) => return if self.enable(id) { DONE } else { ANY },
            Action::Update(id, interest, mode) => {
                return if self.update(id, interest, mode) { DONE } else { ANY };
            }
            Action::Reset(id, when) => return if self.reset(id, when, now) { DONE } else { ANY },
            Action::Send(id) => return self.send(id),
            Action::Cancel(id) => self.cancel(id),
            Action::Raise => {
                for entry in &mut self.entries {
                    match &mut entry.state {
                        State::Signal(flag)
                            if matches!(entry.life, Life::Enabled | Life::Disabled) =>
                        {
                            flag.raise();
                        }
                        _ => {}
                    }
                }
            }
            Action::WakeUp => self.is_wakeup_due = true,
            Action::Spawn(id, _) => return self.accepts(id),
            Action::Write(id, _) | Action::HangUp(id) | Action::Ping(id) | Action::Release(id) => {
                self.feed(id, action)
            }
            Action::Open(_) | Action::Read(_) | Action::Stop => {}
        }
        DONE
    }

    pub(super) fn insert(&mut self, id: Id, now: Instant) {
        let entry = &mut self.entries[id];
        entry.life = Life::Enabled;
        entry.state.register();
        match self.kinds[id] {
            Kind::Idle => self.idles.push_back(id),
            Kind::Timer(when) => {
                self.sequence += 1;
                self.arm(id, when, now, Some(self.sequence));
                if let Some(at) = self.exact(when) {
                    self.arm_at(id, at);
                }
            }
            _ => {}
        }
    }

    /// Only what was armed by its insertion has a place among equal deadlines.
    pub(super) fn arm(&mut self, id: Id, when: When, now: Instant, sequence: Option<u64>) {
        let from = now + when.delay();
        if let State::Timer(timer) = &mut self.entries[id].state {
            timer.due = Some(Due { from, to: from, sequence });
            self.arming = Some((id, when));
        }
    }

    /// The instant that stands for it, if the loop can be asked for one.
    pub(super) fn exact(&self, when: When) -> Option<Instant> {
        let has_deadlines = self.capabilities.has(Capability::Deadlines);
        instant(when, self.start).filter(|_| has_deadlines)
    }

    /// Sets an arming to this instant.
    pub(super) fn arm_at(&mut self, id: Id, at: Instant) {
        if let State::Timer(Timer { due: Some(due), .. }) = &mut self.entries[id].state {
            (due.from, due.to) = (at, at);
        }
        self.arming = None;
    }

    /// A delay is counted from some instant between the beginning of the operation and now.
    pub(super) fn armed(&mut self, now: Instant) {
        let Some((id, when)) = self.arming.take() else { return };
        if let State::Timer(Timer { due: Some(due), .. }) = &mut self.entries[id].state {
            due.to = now + when.delay();
        }
    }

    pub(super) fn remove(&mut self, id: Id) {
        let is_running = self.running() == Some(id);
        let multi = is_running && self.entries[id].state.has_long_turns();
        let keeps_name = self.keeps_name[id];
        let entry = &mut self.entries[id];
        if !matches!(entry.life, Life::Enabled | Life::Disabled) {
            return;
        }
        (entry.life, entry.is_sure, entry.is_wild) = (Life::Gone, true, false);
        entry.claim = if multi { Claim::May } else { Claim::No };
        if !is_running && entry.drop != Drop::Done {
            entry.drop = if keeps_name { Drop::Whenever } else { Drop::Now };
        }
    }

    /// Whether it must succeed.
    pub(super) fn disable(&mut self, id: Id) -> bool {
        if self.running() == Some(id) {
            if let Some(dispatch) = &mut self.dispatch {
                dispatch.is_deferred = true;
            }
            return true;
        }
        let entry = &mut self.entries[id];
        let is_change = entry.life == Life::Enabled && entry.is_sure;
        entry.is_silenced |= entry.claim != Claim::No;
        (entry.life, entry.claim, entry.is_sure) = (Life::Disabled, Claim::No, true);
        is_change
    }

    /// Whether it must succeed.
    pub(super) fn enable(&mut self, id: Id) -> bool {
        let entry = &mut self.entries[id];
        let is_change = entry.life == Life::Disabled && entry.is_sure;
        if is_change || !entry.is_sure {
            entry.state.register();
            if entry.is_silenced {
                entry.claim = Claim::May;
            }
            if let State::Timer(timer) = &mut entry.state {
                if let Some(due) = &mut timer.due {
                    due.sequence = None;
                }
            }
        }
        // If it was enabled all along, nothing has changed: it stays unsure until it is called.
        entry.life = Life::Enabled;
        is_change
    }

    /// Whether it must succeed.
    pub(super) fn update(&mut self, id: Id, interest: Interest, mode: Mode) -> bool {
        let entry = &mut self.entries[id];
        let is_change = entry.life == Life::Enabled && entry.is_sure;
        if let State::Fd(fd) = &mut entry.state {
            (fd.interest, fd.mode) = (interest, mode);
        }
        if entry.life == Life::Enabled || !entry.is_sure {
            entry.state.register();
            entry.claim = Claim::No;
        }
        is_change
    }

    /// Whether it must succeed.
    pub(super) fn reset(&mut self, id: Id, when: When, now: Instant) -> bool {
        self.arm(id, when, now, None);
        let entry = &mut self.entries[id];
        entry.claim = Claim::No;
        entry.life == Life::Enabled && entry.is_sure
    }

    pub(super) fn send(&mut self, id: Id) -> &'static [Outcome] {
        match &self.entries[id].state {
            State::Channel(channel) if channel.is_full() && self.is_in(id) => &[Outcome::Full],
            _ => self.accepts(id),
        }
    }

    /// What comes of handing something to a source: when it is gone but its last turn is not over,
    /// or its name is kept, it may still take it.
    pub(super) fn accepts(&self, id: Id) -> &'static [Outcome] {
        match (self.is_in(id), self.entries[id].drop) {
            (true, _) => &[Outcome::Done],
            (false, Drop::Done) => &[Outcome::Closed],
            (false, _) => &[Outcome::Done, Outcome::Full, Outcome::Closed],
        }
    }

    /// A message was accepted.
    pub(in crate::model) fn sent(&mut self, id: Id, number: u32) {
        if let State::Channel(channel) = &mut self.entries[id].state {
            channel.queue.push_back(number);
        }
    }

    /// A future was accepted.
    pub(in crate::model) fn spawned(&mut self, id: Id, future: Future) {
        if let State::Executor(executor) = &mut self.entries[id].state {
            executor.spawn(future);
        }
    }

    /// A future was opened.
    pub(in crate::model) fn opened(&mut self, id: Id, task: u32) {
        if let State::Executor(executor) = &mut self.entries[id].state {
            executor.open(task);
        }
    }

    /// The callback of a descriptor has read.
    pub(in crate::model) fn read(&mut self, id: Id, asked: u32, count: u32) {
        let State::Fd(fd) = &mut self.entries[id].state else { return };
        let expected = fd.bytes.min(asked);
        fd.bytes -= expected;
        if count != expected {
            let (expected, count) = (format!("{expected} bytes read"), format!("{count}"));
            self.deviate(expected, count);
        }
    }

    pub(super) fn feed(&mut self, id: Id, action: Action) {
        match (&mut self.entries[id].state, action) {
            (State::Fd(fd), Action::Write(_, bytes)) => fd.arrive(bytes.into()),
            (State::Fd(fd), Action::HangUp(_)) => fd.hang_up(),
            (State::Ping(flag), Action::Ping(_)) => flag.raise(),
            (State::Ping(flag), Action::Release(_)) => flag.is_closed = true,
            (State::Channel(channel), Action::Release(_)) => channel.is_closed = true,
            _ => {}
        }
    }

    pub(super) fn cancel(&mut self, id: Id) {
        if self.running() == Some(id) || self.entries[id].life != Life::Enabled {
            return;
        }
        let position = self.idles.iter().position(|waiting| *waiting == id);
        let position = position.expect("an idle callback that is enabled waits");
        self.idles.remove(position);
        if let Some(left) = self.dispatch.as_mut().and_then(|it| it.idles_left.as_mut()) {
            *left -= usize::from(position < *left);
        }
        (self.entries[id].life, self.entries[id].drop) = (Life::Gone, Drop::Soon);
    }

    /// Something has been done.
    pub(in crate::model) fn end(
        &mut self,
        action: Action,
        permitted: &[Outcome],
        outcome: Outcome,
        now: Instant,
    ) {
        self.armed(now);
        if !permitted.contains(&outcome) {
            let words: Vec<String> = permitted.iter().map(|it| format!("{it:?}")).collect();
            let expected = format!("`{action}` to come to this: {}", words.join(" or "));
            self.deviate(expected, format!("{outcome:?}"));
        }
        self.check_drops();
    }
}
