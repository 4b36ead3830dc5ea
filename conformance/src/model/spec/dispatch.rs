//! The beginning and the end of a dispatch: what the wait gathers, and what must have come of it.

use std::time::{Duration, Instant};

use super::{Dispatch, Drop, Ending, Entry, Life, Model, PATIENCE};
use crate::adapter::Capability;
use crate::model::program::Id;
use crate::model::state::{Claim, Due, State, after};

/// How much of the processor a wait may use.
const WORK_MAX: Duration = Duration::from_micros(600);

impl Entry {
    fn is_surely_enabled(&self) -> bool {
        self.life == Life::Enabled && self.is_sure && !self.is_wild
    }
}

impl Model {
    /// What a wait that begins now would gather, in order of the sources.
    pub(super) fn gather(&mut self, now: Instant, limit: Option<Duration>) -> (bool, bool) {
        let (mut is_sure, mut may_end) = (self.is_wakeup_due, self.is_stirred);
        for entry in &mut self.entries {
            entry.is_silenced = false;
            entry.claim = Claim::No;
            if entry.is_wild {
                (entry.claim, may_end) = (Claim::May, true);
                continue;
            }
            match &entry.state {
                // A delay goes on while its executor is silent.
                State::Executor(executor) if entry.drop != Drop::Done => {
                    let (may_wake, wakes) = executor.may_wake();
                    is_sure |= wakes && entry.is_surely_enabled();
                    may_end |= may_wake;
                }
                State::Channel(channel) if entry.is_surely_enabled() => {
                    is_sure |= channel.coming.is_some() && channel.bound == Some(0);
                }
                _ => {}
            }
            if entry.life == Life::Enabled || (entry.life != Life::Absent && !entry.is_sure) {
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
    pub(super) fn claim_next_timer(&mut self, now: Instant, limit: Option<Duration>) -> bool {
        let timer = |entry: &Entry| match &entry.state {
            State::Timer(timer) if entry.claim == Claim::May => timer.due,
            _ => None,
        };
        let dues: Vec<(Id, Due)> =
            self.entries.iter().enumerate().filter_map(|(id, it)| Some((id, timer(it)?))).collect();
        let Some((id, next)) = dues.iter().min_by_key(|(_, due)| due.to).copied() else {
            return false;
        };
        let is_within = limit.is_none_or(|limit| next.to <= after(now, limit));
        let is_alone = dues.iter().all(|(other, due)| *other == id || due.from > next.to);
        if is_within && is_alone {
            self.entries[id].claim = Claim::Must;
        }
        is_within
    }

    /// Whether a wait is sure to end; and whether nothing at all would end it.
    pub(in crate::model) fn prospect(&self, now: Instant) -> (bool, bool) {
        let (is_sure, may_end) = self.clone().gather(now, Some(Duration::from_secs(60)));
        (is_sure, !is_sure && !may_end)
    }

    /// Whether a dispatch would call something, as far as is known.
    pub(in crate::model) fn has_work(&self, now: Instant) -> bool {
        let mut then = self.clone();
        then.gather(now, Some(Duration::ZERO));
        !self.idles.is_empty() || then.entries.iter().any(|entry| entry.claim == Claim::Must)
    }

    /// Whether nothing at all is to be done, nor was.
    pub(in crate::model) fn is_quiet(&self, now: Instant) -> bool {
        !self.is_noted && self.idles.is_empty() && self.prospect(now).1
    }

    pub(in crate::model) fn begin_dispatch(&mut self, now: Instant, limit: Option<Duration>) {
        let (is_sure_to_end, may_end) = self.gather(now, limit);
        (self.is_wakeup_due, self.is_stirred, self.is_noted) = (false, false, false);
        for entry in &mut self.entries {
            // It removes itself in this dispatch, or has its callback called first.
            if let State::Ping(flag) = &entry.state {
                let closes = flag.is_closed && entry.is_surely_enabled();
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

    /// The dispatch is over, which has used so much of the processor.
    pub(in crate::model) fn end_dispatch(&mut self, ending: Ending, now: Instant, used: Duration) {
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
            self.check_end(&dispatch, now, used);
        } else {
            self.is_stirred = true;
            for entry in &mut self.entries {
                // A timer may have become due during the wait.
                let is_open = !entry.is_sure || matches!(entry.state, State::Timer(_));
                if entry.claim == Claim::Must || (entry.claim == Claim::May && is_open) {
                    entry.state.carry();
                }
                match (entry.claim, &mut entry.state) {
                    (Claim::May, State::Fd(fd)) => fd.forget_hang_up(),
                    (_, State::Executor(executor)) => executor.cut(dispatch.begin),
                    _ => {}
                }
            }
        }
        for entry in &mut self.entries {
            if entry.state.may_be_cut() {
                entry.state.stir();
                self.is_stirred = true;
            }
            (entry.claim, entry.is_silenced) = (Claim::No, false);
            if entry.drop == Drop::Soon && expected == Ending::Returned {
                (entry.drop, entry.life) = (Drop::Now, Life::Gone);
            }
        }
        self.check_drops();
    }

    pub(super) fn check_end(&mut self, dispatch: &Dispatch, now: Instant, used: Duration) {
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
        let is_patient = dispatch.limit.is_none_or(|limit| limit >= PATIENCE);
        if dispatch.is_sure_to_end && is_patient && elapsed >= PATIENCE {
            self.doubt("the wait to end at once", format!("it lasted for {elapsed:.1?}"));
        }
        let is_quiet = !dispatch.is_sure_to_end && !dispatch.may_end && dispatch.calls == 0;
        if let Some(limit) = dispatch.limit.filter(|limit| is_quiet && elapsed < *limit) {
            self.deviate(
                format!("the wait to last for {limit:?}, since nothing happens"),
                format!("it ended after {elapsed:.1?}"),
            );
        }
        if is_quiet && used > WORK_MAX {
            self.doubt(
                "the loop to sleep, since nothing happens",
                format!("it works for {used:.1?}"),
            );
        }
    }
}
