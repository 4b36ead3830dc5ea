//! Timers that are inserted, removed and set anew at random, beside a list that says what is right.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::granularity;
use crate::adapter::{Adapter, Capability, Failure, TimerNext};
use crate::ensure_eq;
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::rules::kit::has;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![Case::new::<A>(&RANDOM_CHANGES, random_changes)]
}

const RANDOM_CHANGES: Rule = Rule {
    id: "TIMER-110",
    level: Level::Must,
    sentence: "Whatever timers are inserted, removed and set anew, outside of callbacks and inside, \
               those that remain MUST fire once each, and in the order of their deadlines if the loop \
               declares that.",
    why: "The structure that holds timers is easy to get wrong where it is changed in the middle.",
    source: "libevent, test of its heap of timers; calloop, issue 30",
    check: "how the heap is put in order when an entry in its middle goes or changes",
    needs: &[Capability::Timers],
    alone: false,
};

const TIMERS: usize = 2_000;
const CHANGES: usize = 2_000;
const DELAY_MAX: Duration = Duration::from_millis(30);

/// What is right.
struct Model<A: Adapter> {
    random: fastrand::Rng,
    timers: Vec<Timer<A>>,
    /// No timer that was due before this one is left to fire.
    latest_fired: Option<Instant>,
    granularity: Duration,
    /// The first thing that went wrong.
    wrong: Option<Deviation>,
}

struct Timer<A: Adapter> {
    source: Option<A::Source>,
    /// The deadline is between these two, which are when it was about to be set and when it was.
    earliest: Instant,
    latest: Instant,
    fired: usize,
}

type Shared<A> = Rc<RefCell<Model<A>>>;

/// Sets a timer by `set` to a random delay.
fn set_at_random<A: Adapter, T>(
    model: &Shared<A>,
    set: impl FnOnce(Duration) -> Result<T, Failure>,
) -> Result<(T, Instant, Instant), Failure> {
    let nanos = model.borrow_mut().random.u64(0..DELAY_MAX.as_nanos() as u64);
    let delay = Duration::from_nanos(nanos);
    let earliest = Instant::now() + delay;
    let outcome = set(delay)?;
    Ok((outcome, earliest, Instant::now() + delay))
}

fn insert<A: Adapter>(handle: &A::Handle, model: &Shared<A>) -> Result<(), Failure> {
    let number = model.borrow().timers.len();
    let model_within = model.clone();
    let (source, earliest, latest) = set_at_random(model, |delay| {
        A::insert_timer(handle, delay, move |handle, _| {
            fire(handle, &model_within, number);
            TimerNext::Stop
        })
    })?;
    let timer = Timer { source: Some(source), earliest, latest, fired: 0 };
    model.borrow_mut().timers.push(timer);
    Ok(())
}

/// The callback of a timer.
fn fire<A: Adapter>(handle: &A::Handle, model: &Shared<A>, number: usize) {
    model.borrow_mut().judge(number);
    if model.borrow_mut().random.u8(..) < 64 {
        // Timers that are due may be in the batch already; this rule is not about these.
        let not_before = Instant::now() + Duration::from_millis(1);
        if let Err(failure) = change(handle, model, not_before) {
            model.borrow_mut().wrong.get_or_insert(failure.into());
        }
    }
}

/// Inserts, removes or sets anew a timer that is due at `not_before` or later.
fn change<A: Adapter>(
    handle: &A::Handle,
    model: &Shared<A>,
    not_before: Instant,
) -> Result<(), Failure> {
    let (number, choice) = {
        let random = &mut model.borrow_mut().random;
        (random.usize(..), random.u8(..) % 4)
    };
    let number = number % model.borrow().timers.len();
    let source = match &model.borrow().timers[number] {
        timer if timer.earliest >= not_before => timer.source.clone(),
        _ => None,
    };
    match (choice, source) {
        (0, _) => insert(handle, model)?,
        (1 | 2, Some(source)) if has::<A>(Capability::TimerReset) => {
            let ((), earliest, latest) =
                set_at_random(model, |delay| A::reset_timer(handle, &source, delay))?;
            let timer = &mut model.borrow_mut().timers[number];
            (timer.earliest, timer.latest) = (earliest, latest);
        }
        (_, Some(source)) => {
            model.borrow_mut().timers[number].source = None;
            A::remove(handle, source);
        }
        (_, None) => {}
    }
    Ok(())
}

impl<A: Adapter> Model<A> {
    /// Judges a timer that fires.
    fn judge(&mut self, number: usize) {
        let now = Instant::now();
        let timer = &mut self.timers[number];
        timer.fired += 1;
        let wrong = if timer.source.take().is_none() {
            let what = if timer.fired > 1 { "one that had fired fired again" } else { "one did" };
            Some(Deviation::new("no timer fires that was removed or is over", what))
        } else if now < timer.earliest {
            let early = timer.earliest - now;
            Some(Deviation::new("no timer fires early", format_args!("one is {early:?} early")))
        } else if self.latest_fired.is_some_and(|fired| timer.latest + self.granularity < fired) {
            let actual = "one fired after another whose deadline was later";
            Some(Deviation::new("timers fire in the order of their deadlines", actual))
        } else {
            None
        };
        if has::<A>(Capability::DeadlineOrder) {
            self.latest_fired = self.latest_fired.max(Some(timer.earliest));
        }
        self.wrong = self.wrong.take().or(wrong);
    }

    fn left(&self) -> usize {
        self.timers.iter().filter(|timer| timer.source.is_some()).count()
    }
}

fn random_changes<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let model: Shared<A> = Rc::new(RefCell::new(Model {
        random: fastrand::Rng::with_seed(t.trial.settings.seed),
        timers: Vec::new(),
        latest_fired: None,
        granularity: granularity::<A>(),
        wrong: None,
    }));
    for _ in 0..TIMERS {
        insert(&t.handle, &model)?;
    }
    // Nothing was dispatched yet, so that any of them may change.
    let any = Instant::now() - DELAY_MAX;
    for _ in 0..CHANGES {
        change(&t.handle, &model, any)?;
    }
    let limit = t.trial.limit(PATIENCE);
    let start = Instant::now();
    while model.borrow().left() > 0 && model.borrow().wrong.is_none() && start.elapsed() < limit {
        t.event_loop.dispatch(Some(limit))?;
    }
    if let Some(wrong) = model.borrow_mut().wrong.take() {
        return Err(wrong);
    }
    ensure_eq!(model.borrow().left(), 0, "timers that did not fire");
    let fired = model.borrow().timers.iter().map(|timer| timer.fired).sum::<usize>();
    t.trial.trace.note(format_args!("{fired} of {} fired", model.borrow().timers.len()));
    // Whatever was removed stays silent.
    t.expect_silence()?;
    model.borrow_mut().wrong.take().map_or(Ok(()), Err)
}
