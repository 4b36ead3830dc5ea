//! The specification as a machine: it is told what is done with a loop and what the loop does, step
//! by step, and says when that is not permitted.
//!
//! It does not compute the trace that a loop has to show, because there are many: between kinds of
//! sources the order is free. It knows which calls are due, which are permitted, and which are not.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::act::failure;
use super::program::{Action, Answer, Future, Id, Kind, Program, When, name};
use super::state::{Claim, Due, Event, State, Timer, instant};
use crate::adapter::{Capabilities, Capability, Interest, Mode};
use crate::rule::Deviation;

/// What came of an operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed,
    Full,
    Closed,
}

/// How a dispatch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Returned,
    Failed(String),
    Panicked,
}

/// Where a source is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Life {
    Absent,
    Enabled,
    Disabled,
    /// It was removed, or an idle callback that has run or was cancelled.
    Gone,
}

/// When what a callback captured has to be dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Drop {
    /// Not while it is in the loop.
    Never,
    /// With the loop at the latest.
    Whenever,
    /// When the next dispatch is over.
    Soon,
    /// Now.
    Now,
    Done,
}

#[derive(Clone, Debug)]
struct Entry {
    life: Life,
    /// Whether it is known to be enabled or disabled.
    is_sure: bool,
    /// It panicked in a way that leaves open what it does from now on.
    is_wild: bool,
    claim: Claim,
    /// It lost a claim in this dispatch because it was disabled.
    is_silenced: bool,
    drop: Drop,
    state: State,
}

/// A dispatch.
#[derive(Clone, Debug)]
struct Dispatch {
    begin: Instant,
    limit: Option<Duration>,
    /// What must end the wait before its limit.
    is_sure_to_end: bool,
    /// What may end it before its limit, other than timers.
    may_end: bool,
    calls: usize,
    /// Who was called last: its turn may go on.
    last: Option<Id>,
    /// Who is being called.
    running: Option<Id>,
    /// It was disabled in its own callback, in this turn.
    is_deferred: bool,
    /// A callback failed or panicked.
    broken: Option<Ending>,
    /// How many idle callbacks are left to run, once they have begun to.
    idles_left: Option<usize>,
}

/// The specification, and what has been told of a loop so far.
#[derive(Clone, Debug)]
pub(super) struct Model {
    capabilities: Capabilities,
    kinds: Vec<Kind>,
    keeps_name: Vec<bool>,
    entries: Vec<Entry>,
    idles: VecDeque<Id>,
    dispatch: Option<Dispatch>,
    start: Instant,
    sequence: u64,
    /// What was armed last, while it is open when the delay began to count.
    arming: Option<(Id, When)>,
    is_wakeup_due: bool,
    /// Something was done that may end a wait although there is nothing to deliver.
    is_stirred: bool,
    is_over: bool,
    deviation: Option<Deviation>,
    is_late: bool,
}

/// A limit after which a loop counts as asleep for ever.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);

impl Model {
    pub(super) fn new(program: &Program, capabilities: Capabilities, start: Instant) -> Self {
        let entry = |kind: Kind| Entry {
            life: Life::Absent,
            is_sure: true,
            is_wild: false,
            claim: Claim::No,
            is_silenced: false,
            drop: Drop::Never,
            state: State::new(kind),
        };
        Model {
            capabilities,
            kinds: program.sources.iter().map(|source| source.kind).collect(),
            keeps_name: program.sources.iter().map(|source| source.keeps_name()).collect(),
            entries: program.sources.iter().map(|source| entry(source.kind)).collect(),
            idles: VecDeque::new(),
            dispatch: None,
            start,
            sequence: 0,
            arming: None,
            is_wakeup_due: false,
            is_stirred: false,
            is_over: false,
            deviation: None,
            is_late: false,
        }
    }

    /// The first thing that was not permitted.
    pub(super) fn deviation(&self) -> Option<&Deviation> {
        self.deviation.as_ref()
    }

    /// Whether that is about lateness, for which the machine may be to blame.
    pub(super) fn is_late(&self) -> bool {
        self.is_late
    }

    pub(super) fn deviate(&mut self, expected: impl Into<String>, actual: impl Into<String>) {
        if self.deviation.is_none() {
            self.deviation = Some(Deviation { expected: expected.into(), actual: actual.into() });
        }
    }

    /// Who is being called.
    pub(super) fn running(&self) -> Option<Id> {
        self.dispatch.as_ref()?.running
    }

    pub(super) fn is_dispatching(&self) -> bool {
        self.dispatch.is_some()
    }

    pub(super) fn is_absent(&self, id: Id) -> bool {
        self.entries[id].life == Life::Absent
    }

    /// Whether it is in the loop.
    pub(super) fn is_in(&self, id: Id) -> bool {
        matches!(self.entries[id].life, Life::Enabled | Life::Disabled)
    }

    fn text(&self, id: Id) -> String {
        format!("{} ({})", name(id), self.kinds[id])
    }

    // Operations.

    /// Something is about to be done; returns what may come of it.
    pub(super) fn begin(&mut self, action: Action, now: Instant) -> &'static [Outcome] {
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

    fn insert(&mut self, id: Id, now: Instant) {
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
    fn arm(&mut self, id: Id, when: When, now: Instant, sequence: Option<u64>) {
        let from = now + when.delay();
        if let State::Timer(timer) = &mut self.entries[id].state {
            timer.due = Some(Due { from, to: from, sequence });
            self.arming = Some((id, when));
        }
    }

    /// The instant that stands for it, if the loop can be asked for one.
    fn exact(&self, when: When) -> Option<Instant> {
        let has_deadlines = self.capabilities.has(Capability::Deadlines);
        instant(when, self.start).filter(|_| has_deadlines)
    }

    /// Sets an arming to this instant.
    fn arm_at(&mut self, id: Id, at: Instant) {
        if let State::Timer(Timer { due: Some(due), .. }) = &mut self.entries[id].state {
            (due.from, due.to) = (at, at);
        }
        self.arming = None;
    }

    /// A delay is counted from some instant between the beginning of the operation and now.
    fn armed(&mut self, now: Instant) {
        let Some((id, when)) = self.arming.take() else { return };
        if let State::Timer(Timer { due: Some(due), .. }) = &mut self.entries[id].state {
            due.to = now + when.delay();
        }
    }

    fn remove(&mut self, id: Id) {
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
    fn disable(&mut self, id: Id) -> bool {
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
    fn enable(&mut self, id: Id) -> bool {
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
    fn update(&mut self, id: Id, interest: Interest, mode: Mode) -> bool {
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
    fn reset(&mut self, id: Id, when: When, now: Instant) -> bool {
        self.arm(id, when, now, None);
        let entry = &mut self.entries[id];
        entry.claim = Claim::No;
        entry.life == Life::Enabled && entry.is_sure
    }

    fn send(&mut self, id: Id) -> &'static [Outcome] {
        match &self.entries[id].state {
            State::Channel(channel) if channel.is_full() && self.is_in(id) => &[Outcome::Full],
            _ => self.accepts(id),
        }
    }

    /// What comes of handing something to a source: when it is gone but its last turn is not over,
    /// or its name is kept, it may still take it.
    fn accepts(&self, id: Id) -> &'static [Outcome] {
        match (self.is_in(id), self.entries[id].drop) {
            (true, _) => &[Outcome::Done],
            (false, Drop::Done) => &[Outcome::Closed],
            (false, _) => &[Outcome::Done, Outcome::Full, Outcome::Closed],
        }
    }

    /// A message was accepted.
    pub(super) fn sent(&mut self, id: Id, number: u32) {
        if let State::Channel(channel) = &mut self.entries[id].state {
            channel.queue.push_back(number);
        }
    }

    /// A future was accepted.
    pub(super) fn spawned(&mut self, id: Id, future: Future) {
        if let State::Executor(executor) = &mut self.entries[id].state {
            executor.spawn(future);
        }
    }

    /// A future was opened.
    pub(super) fn opened(&mut self, id: Id, task: u32) {
        if let State::Executor(executor) = &mut self.entries[id].state {
            executor.open(task);
        }
    }

    /// The callback of a descriptor has read.
    pub(super) fn read(&mut self, id: Id, asked: u32, count: u32) {
        let State::Fd(fd) = &mut self.entries[id].state else { return };
        let expected = fd.bytes.min(asked);
        fd.bytes -= expected;
        if count != expected {
            let (expected, count) = (format!("{expected} bytes read"), format!("{count}"));
            self.deviate(expected, count);
        }
    }

    fn feed(&mut self, id: Id, action: Action) {
        match (&mut self.entries[id].state, action) {
            (State::Fd(fd), Action::Write(_, bytes)) => fd.arrive(bytes.into()),
            (State::Fd(fd), Action::HangUp(_)) => fd.hang_up(),
            (State::Ping(flag), Action::Ping(_)) => flag.raise(),
            (State::Ping(flag), Action::Release(_)) => flag.is_closed = true,
            (State::Channel(channel), Action::Release(_)) => channel.is_closed = true,
            _ => {}
        }
    }

    fn cancel(&mut self, id: Id) {
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
    pub(super) fn end(
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

    // Dropping.

    /// What the callback of a source captured was dropped.
    pub(super) fn dropped(&mut self, id: Id) {
        let is_closing = match &self.entries[id].state {
            State::Ping(flag) => flag.is_closed,
            _ => false,
        };
        let text = self.text(id);
        let is_over = self.is_over;
        let entry = &mut self.entries[id];
        let was = std::mem::replace(&mut entry.drop, Drop::Done);
        let is_premature = matches!(entry.life, Life::Enabled | Life::Disabled);
        if is_over {
        } else if is_closing || entry.is_wild {
            (entry.life, entry.claim) = (Life::Gone, Claim::No);
        } else if is_premature || was == Drop::Done {
            let expected = format!("the callback of {text} kept while it is in the loop");
            self.deviate(expected, "what it captured was dropped");
        }
    }

    /// Nothing that is gone may be kept, except by a turn that is not over.
    fn check_drops(&mut self) {
        let last = self.dispatch.as_ref().and_then(|dispatch| dispatch.last);
        let overdue = |(id, entry): (Id, &Entry)| entry.drop == Drop::Now && Some(id) != last;
        if let Some(id) = self.entries.iter().enumerate().position(overdue) {
            let expected =
                format!("what the callback of {} captured dropped by now", self.text(id));
            self.deviate(expected, "it is kept");
        }
    }

    /// The program is over, and nothing is left of the loop.
    pub(super) fn finish(&mut self) {
        let is_kept = |entry: &Entry| entry.life != Life::Absent && entry.drop != Drop::Done;
        if let Some(id) = self.entries.iter().position(is_kept) {
            let what = self.text(id);
            self.deviate(
                format!("what the callback of {what} captured dropped with the loop"),
                "it leaked",
            );
        }
    }

    /// What is left of the program is about to be dropped.
    pub(super) fn give_up(&mut self) {
        self.is_over = true;
    }

    // Dispatches.

    /// What a wait that begins now would gather, in order of the sources.
    fn gather(&mut self, now: Instant, limit: Option<Duration>) -> (bool, bool) {
        let (mut is_sure, mut may_end) = (self.is_wakeup_due, self.is_stirred);
        for entry in &mut self.entries {
            entry.is_silenced = false;
            entry.claim = Claim::No;
            if entry.is_wild {
                (entry.claim, may_end) = (Claim::May, true);
            } else if entry.life == Life::Enabled || (entry.life != Life::Absent && !entry.is_sure)
            {
                let claim = entry.state.gather(now);
                let most = if entry.is_sure { Claim::Must } else { Claim::May };
                entry.claim = claim.min(most);
                is_sure |= entry.claim == Claim::Must;
                may_end |= entry.claim == Claim::May && !matches!(entry.state, State::Timer(_))
                    || claim != entry.claim;
            }
        }
        if !self.idles.is_empty() && self.capabilities.has(Capability::IdlePreventsSleep) {
            is_sure = true;
        }
        if !is_sure && !may_end {
            is_sure = self.claim_next_timer(now, limit);
        }
        (is_sure, may_end)
    }

    /// If nothing but a timer can end the wait, the wait ends with it.
    fn claim_next_timer(&mut self, now: Instant, limit: Option<Duration>) -> bool {
        let timer = |entry: &Entry| match &entry.state {
            State::Timer(timer) if entry.claim == Claim::May => timer.due,
            _ => None,
        };
        let dues: Vec<(Id, Due)> =
            self.entries.iter().enumerate().filter_map(|(id, it)| Some((id, timer(it)?))).collect();
        let Some((id, next)) = dues.iter().min_by_key(|(_, due)| due.to).copied() else {
            return false;
        };
        let is_within = limit.is_none_or(|limit| next.to <= now + limit);
        let is_alone = dues.iter().all(|(other, due)| *other == id || due.from > next.to);
        if is_within && is_alone {
            self.entries[id].claim = Claim::Must;
        }
        is_within
    }

    /// Whether a wait is sure to end; and whether nothing at all would end it.
    pub(super) fn prospect(&self, now: Instant) -> (bool, bool) {
        let (is_sure, may_end) = self.clone().gather(now, Some(Duration::from_secs(60)));
        (is_sure, !is_sure && !may_end)
    }

    /// Whether a dispatch would call something, as far as is known.
    pub(super) fn has_work(&self, now: Instant) -> bool {
        let mut then = self.clone();
        then.gather(now, Some(Duration::ZERO));
        !self.idles.is_empty() || then.entries.iter().any(|entry| entry.claim == Claim::Must)
    }

    pub(super) fn begin_dispatch(&mut self, now: Instant, limit: Option<Duration>) {
        let (is_sure_to_end, may_end) = self.gather(now, limit);
        (self.is_wakeup_due, self.is_stirred) = (false, false);
        for entry in &mut self.entries {
            // It removes itself in this dispatch, or has its callback called first.
            if let State::Ping(flag) = &entry.state {
                let closes = flag.is_closed && entry.life == Life::Enabled && entry.is_sure;
                if closes && self.capabilities.has(Capability::PingCloses) && !entry.is_wild {
                    entry.drop = if entry.drop == Drop::Done { Drop::Done } else { Drop::Soon };
                }
            }
        }
        self.dispatch = Some(Dispatch {
            begin: now,
            limit,
            is_sure_to_end,
            may_end,
            calls: 0,
            last: None,
            running: None,
            is_deferred: false,
            broken: None,
            idles_left: None,
        });
    }

    /// A callback is called.
    pub(super) fn call(&mut self, id: Id, event: Event, now: Instant) {
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
    fn refuse(&mut self, id: Id, event: Event, now: Instant) -> Result<(), String> {
        let permitted = self.permitted();
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
            Life::Absent | Life::Gone => return Err(format!("{permitted}, since it was removed")),
            Life::Disabled => return Err(format!("{permitted}, since it is disabled")),
        }
        if entry.claim == Claim::No {
            return Err(format!("{permitted}, since the wait gathered no more of it"));
        }
        self.check_order(id)?;
        let entry = &mut self.entries[id];
        (entry.claim, entry.is_sure) = (entry.state.call(event, now)?, true);
        if entry.life == Life::Disabled && !goes_on {
            entry.life = Life::Enabled;
        }
        Ok(())
    }

    fn refuse_idle(&mut self, id: Id) -> Result<(), String> {
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

    /// Timers that are due fire in the order of their deadlines.
    fn check_order(&self, id: Id) -> Result<(), String> {
        let State::Timer(timer) = &self.entries[id].state else { return Ok(()) };
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

    /// A source that must be called in this dispatch and was not.
    fn due(&self) -> Option<Id> {
        self.entries.iter().position(|entry| entry.claim == Claim::Must)
    }

    /// What may happen next, in words.
    fn permitted(&self) -> String {
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

    /// The callback returned or panicked.
    pub(super) fn end_call(&mut self, id: Id, answer: Answer, now: Instant) {
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
            entry.state.stir();
        }
        match (&entry.state, answer) {
            (State::Timer(_), Answer::Panic) => entry.is_wild |= entry.life != Life::Gone,
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
            if entry.drop != Drop::Done {
                entry.drop = match answer {
                    _ if keeps_name => Drop::Whenever,
                    // Closed, and then it panicked: when that is over is not specified.
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

    pub(super) fn end_dispatch(&mut self, ending: Ending, now: Instant) {
        self.armed(now);
        if self.deviation.is_some() {
            self.dispatch = None;
            return;
        }
        let Some(mut dispatch) = self.dispatch.take() else { return };
        let expected = dispatch.broken.take().unwrap_or(Ending::Returned);
        let is_like = match (&expected, &ending) {
            (Ending::Failed(text), Ending::Failed(actual)) => actual.contains(text.as_str()),
            (expected, ending) => expected == ending,
        };
        if !is_like {
            self.deviate(format!("the dispatch {expected:?}"), format!("it {ending:?}"));
        }
        if expected == Ending::Returned {
            self.check_end(&dispatch, now);
        } else {
            self.is_stirred = true;
            for entry in &mut self.entries {
                if entry.claim == Claim::Must || (entry.claim == Claim::May && !entry.is_sure) {
                    entry.state.carry();
                }
            }
        }
        for entry in &mut self.entries {
            (entry.claim, entry.is_silenced) = (Claim::No, false);
            if entry.drop == Drop::Soon && expected == Ending::Returned {
                (entry.drop, entry.life) = (Drop::Now, Life::Gone);
            }
        }
        self.check_drops();
    }

    fn check_end(&mut self, dispatch: &Dispatch, now: Instant) {
        if let Some(due) = self.due() {
            let (due, calls) = (self.text(due), dispatch.calls);
            let actual = format!("the dispatch ended after {calls} calls without it");
            self.deviate(format!("call of {due}"), actual);
        }
        let idles_left = dispatch.idles_left.unwrap_or(self.idles.len());
        if let (Some(idle), 1..) = (self.idles.front(), idles_left) {
            let idle = self.text(*idle);
            self.deviate(format!("call of {idle}"), "the dispatch ended without it");
        }
        let elapsed = now - dispatch.begin;
        let is_long = |limit: &Duration| *limit >= PATIENCE && elapsed >= *limit;
        if dispatch.is_sure_to_end && dispatch.limit.as_ref().is_some_and(is_long) {
            self.is_late = self.deviation.is_none();
            self.deviate("the wait to end at once", format!("it lasted for {elapsed:.1?}"));
        }
        let is_quiet = !dispatch.is_sure_to_end && !dispatch.may_end && dispatch.calls == 0;
        if let Some(limit) = dispatch.limit.filter(|limit| is_quiet && elapsed < *limit) {
            self.deviate(
                format!("the wait to last for {limit:?}, since nothing happens"),
                format!("it ended after {elapsed:.1?}"),
            );
        }
    }
}
