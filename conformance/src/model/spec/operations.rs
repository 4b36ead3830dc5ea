//! What a program does with a loop: what may come of it, and what it changes.

use std::time::Instant;

use super::{Drop, Life, Model, Outcome};
use crate::adapter::{Capability, Interest, Mode};
use crate::model::program::{Action, Id, Kind, Set, Signal, When};
use crate::model::state::{Claim, Due, State, Timer, after, instant};

/// Whether it may end a wait though there is nothing to deliver.
fn stirs(action: Action) -> bool {
    matches!(
        action,
        Action::Ping(_)
            | Action::Send(_)
            | Action::Push(_)
            | Action::Burst(_)
            | Action::Feed(_)
            | Action::Release(_)
            | Action::Raise(_)
            | Action::Watch(..)
            | Action::Spawn(..)
            | Action::Open(_)
            | Action::Enable(_)
            | Action::WakeUp
            | Action::Stop
    )
}

impl Model {
    /// Something is about to be done; returns what may come of it.
    pub(in crate::model) fn begin(&mut self, action: Action, now: Instant) -> &'static [Outcome] {
        const DONE: &[Outcome] = &[Outcome::Done];
        const ANY: &[Outcome] = &[Outcome::Done, Outcome::Failed];
        const FAILED: &[Outcome] = &[Outcome::Failed];
        self.is_stirred |= stirs(action);
        if let Action::Send(id)
        | Action::Push(id)
        | Action::Burst(id)
        | Action::Release(id)
        | Action::Spawn(id, _)
        | Action::Open(id) = action
        {
            self.entries[id].state.stir();
        }
        let gone = action.source().map(|id| &self.entries[id]);
        let gone = gone.filter(|entry| entry.life == Life::Gone).map(|entry| entry.is_wild);
        match action {
            Action::Enable(_) | Action::Disable(_) | Action::Update(..) | Action::Reset(..)
                if gone.is_some() =>
            {
                return if gone == Some(true) { ANY } else { FAILED };
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
            Action::Raise(signal) => self.raise(signal),
            Action::Watch(id, set) => return if self.watch(id, set) { DONE } else { ANY },
            Action::WakeUp => self.is_wakeup_due = true,
            Action::Spawn(id, _) => return self.accepts(id),
            Action::Write(id, _)
            | Action::HangUp(id)
            | Action::Fill(id)
            | Action::Drain(id)
            | Action::Ping(id)
            | Action::Release(id) => self.feed(id, action),
            Action::Push(_)
            | Action::Open(_)
            | Action::Read(_)
            | Action::Stop
            | Action::Nest
            | Action::NestOnThread
            | Action::Linger
            | Action::Burst(_) => {}
            Action::Feed(id) => {
                if let State::Executor(executor) = &mut self.entries[id].state {
                    executor.feed(now);
                }
            }
        }
        DONE
    }

    /// A signal that nobody watches is pending only where the thread blocks it.
    fn raise(&mut self, signal: Signal) {
        for entry in &mut self.entries {
            if let State::Signals(signals) = &mut entry.state {
                if entry.life != Life::Gone && signals.set.has(signal) {
                    signals.raise(signal);
                }
            }
        }
    }

    /// Whether it must succeed.
    fn watch(&mut self, id: Id, set: Set) -> bool {
        let entry = &mut self.entries[id];
        if let State::Signals(signals) = &mut entry.state {
            entry.claim = entry.claim.min(signals.watch(set).max(Claim::May));
        }
        entry.life != Life::Gone
    }

    pub(super) fn insert(&mut self, id: Id, now: Instant) {
        let entry = &mut self.entries[id];
        entry.life = Life::Enabled;
        entry.state.register();
        match self.kinds[id] {
            Kind::Idle => {
                self.idles.push_back(id);
                self.is_noted = true;
            }
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
        let from = after(now, when.delay());
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
            due.to = after(now, when.delay());
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
        (entry.life, entry.claim) = (Life::Disabled, Claim::No);
        // One that may be over already stays so.
        entry.is_sure |= !entry.is_wild;
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
        self.changes += 1;
        let at = self.changes;
        match (&mut self.entries[id].state, action) {
            (State::Fd(fd), Action::Write(_, bytes)) => fd.arrive(bytes.into(), at),
            (State::Fd(fd), Action::HangUp(_)) => fd.hang_up(at),
            (State::Fd(fd), Action::Fill(_)) => fd.fill(),
            (State::Fd(fd), Action::Drain(_)) => fd.drain(at),
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
