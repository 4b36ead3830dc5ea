//! Timers as calloop's interface has them.

use std::time::{Duration, Instant};

use super::calloop::ping::make_ping;
use super::calloop::timer::{TimeoutAction, Timer};
use super::calloop::{Dispatcher, Error, PostAction};
use super::fixture::{Context, Fixture};
use super::sources::Pair;
use crate::fixture::SILENCE;
use crate::rule::{Case, Check, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&DROPPED_TIMER, dropped_timer),
        Case::plain(&BEYOND_THE_CLOCK, beyond_the_clock),
        Case::plain(&SET_TAKES_AN_UPDATE, set_takes_an_update),
        Case::plain(&FINISHED_PART, finished_part),
    ]
}

const DROPPED_TIMER: Rule = Rule {
    id: "TIMER-52",
    level: Level::Must,
    sentence: "A timer that answers `TimeoutAction::Drop`, or a duration beyond the clock, MUST be \
               removed: it never fires again and its token is invalid.",
    why: "A timer that is over holds nothing any more.",
    source: "calloop, documentation of TimeoutAction; calloop, test no_overflow",
    check: "what becomes of the sum of now and a huge duration",
    needs: &[],
    alone: false,
};

fn dropped_timer(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    for huge in [None, Some(Duration::MAX)] {
        let token = f.handle.insert_source(Timer::immediate(), move |_, &mut (), cx| {
            cx.mark("fired");
            huge.map_or(TimeoutAction::Drop, TimeoutAction::ToDuration)
        })?;
        f.poll()?;
        f.expect_quiet()?;
        let outcome = f.handle.enable(&token);
        ensure!(matches!(outcome, Err(Error::InvalidToken)), "Error::InvalidToken", "{outcome:?}");
    }
    f.expect_marks(["fired"; 2])
}

const BEYOND_THE_CLOCK: Rule = Rule {
    id: "TIMER-51",
    level: Level::Must,
    sentence: "A timer set to a duration beyond the clock MUST have no deadline and never fire, and \
               can be inserted, updated, disabled, enabled and set anew as any other.",
    why: "Duration::MAX is how programs say never.",
    source: "calloop, pull request 121; calloop, documentation of Timer::current_deadline",
    check: "whether every method copes with a timer that has no deadline",
    needs: &[],
    alone: false,
};

fn beyond_the_clock(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let timer = Timer::from_duration(Duration::MAX);
    ensure_eq!(timer.current_deadline(), None, "deadline");
    let dispatcher = Dispatcher::new(timer, |_, &mut (), cx: &mut Context| {
        cx.mark("fired");
        TimeoutAction::Drop
    });
    let token = f.handle.register_dispatcher(dispatcher.clone())?;
    f.handle.update(&token)?;
    f.handle.disable(&token)?;
    f.handle.enable(&token)?;
    f.expect_quiet()?;
    dispatcher.as_source_mut().set_duration(Duration::ZERO);
    f.handle.update(&token)?;
    f.poll()?;
    f.expect_marks(["fired"])
}

const SET_TAKES_AN_UPDATE: Rule = Rule {
    id: "TIMER-14",
    level: Level::Must,
    sentence: "`set_deadline` and `set_duration` of a timer in the loop MUST take effect with \
               `LoopHandle::update`, and not before.",
    why: "The timer is set in one step, from the deadline it has to that it gets.",
    source: "calloop, documentation of Timer::set_deadline and Timer::set_duration",
    check: "whether the heap is changed in `reregister`, and the former deadline is cancelled",
    needs: &[],
    alone: false,
};

fn set_takes_an_update(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let dispatcher = Dispatcher::new(Timer::from_duration(HOUR), |_, &mut (), cx: &mut Context| {
        cx.mark("fired");
        TimeoutAction::ToDuration(HOUR)
    });
    let token = f.handle.register_dispatcher(dispatcher.clone())?;
    dispatcher.as_source_mut().set_deadline(Instant::now());
    f.expect_quiet()?;
    f.handle.update(&token)?;
    f.poll()?;
    f.expect_marks(["fired"])?;
    // The former deadline comes while the loop is looked at, and counts no more.
    dispatcher.as_source_mut().set_duration(SILENCE / 4);
    f.handle.update(&token)?;
    dispatcher.as_source_mut().set_duration(HOUR);
    f.handle.update(&token)?;
    ensure_eq!(f.dispatches_in(SILENCE)?, 1, "dispatches until after the former deadline");
    f.expect_marks(["fired"])
}

const FINISHED_PART: Rule = Rule {
    id: "TIMER-15",
    level: Level::Must,
    sentence: "A timer inside another source that was answered `TimeoutAction::Drop` MUST stay \
               silent when its parent ignores that and is updated later.",
    why: "The parent is updated for another part; the timer is over.",
    source: "calloop, documentation of TimeoutAction::Drop",
    check: "whether the timer keeps its deadline once it is over",
    needs: &[],
    alone: false,
};

fn finished_part(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (_ping, pings) = make_ping()?;
    let parent = Pair::new(Timer::immediate(), pings).joined_by(|_, _| PostAction::Continue);
    let token = f.handle.insert_source(parent, |_, &mut (), cx| cx.mark("fired"))?;
    f.poll()?;
    f.expect_quiet()?;
    f.handle.update(&token)?;
    f.expect_quiet()?;
    f.expect_marks(["fired"])
}
