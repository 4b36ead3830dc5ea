//! Timers that are removed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::{STEP, all_due, mark_after};
use crate::adapter::{Adapter, Capability, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::{FAR, has};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&REMOVED, removed),
        Case::new::<A>(&REMOVED_WHEN_DUE, removed_when_due),
        Case::new::<A>(&OTHERS_REMAIN, others_remain),
        Case::new::<A>(&REMOVES_ITSELF, removes_itself),
        Case::new::<A>(&REMOVED_TWICE, removed_twice),
    ]
}

const REMOVED: Rule = Rule {
    id: "TIMER-11",
    level: Level::Must,
    sentence: "A timer that is removed before its time MUST NOT fire, nor end a wait.",
    why: "The answer came, so that the timeout has to be off.",
    source: "calloop, test cancel_timer; wayland, test timer_cancellation",
    check: "whether removal takes the entry out of the heap, or its deadline still counts",
    needs: &[Capability::Timers],
    alone: false,
};

fn removed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let removed = Rc::new(Cell::new(false));
    // Twice, because a busy machine may make up for a wait that ends early.
    for polled in [false, true, false, true] {
        let (trace, removed_within) = (t.trace(), removed.clone());
        let source = A::insert_timer(&t.handle, Duration::from_millis(3), move |_, _| {
            // On a busy machine its time may come before it is removed.
            if removed_within.get() {
                trace.mark("fired after its removal");
            }
            TimerNext::Stop
        })?;
        if polled {
            // Then the loop has taken note of the deadline.
            t.poll()?;
        }
        A::remove(&t.handle, source);
        removed.set(true);
        let limit = Duration::from_millis(50);
        let elapsed = t.dispatch(Some(limit))?;
        removed.set(false);
        t.expect_marks::<&str>(&[])?;
        ensure!(
            elapsed >= limit || !has::<A>(Capability::OneWaitADispatch),
            format_args!("a wait of {limit:?} after the removal of a timer of 3 ms"),
            "it ended after {elapsed:?}"
        );
    }
    Ok(())
}

const REMOVED_WHEN_DUE: Rule = Rule {
    id: "TIMER-118",
    level: Level::Must,
    sentence: "A timer that is due MUST NOT fire once another timer's callback has removed it.",
    why: "What the callback used may be gone; the one who removed it relies on silence.",
    source: "wayland, test timer_cancellation; libuv, documentation of uv_timer_stop",
    check: "whether the batch of timers that are due is told of a removal",
    needs: &[Capability::Timers],
    alone: false,
};

fn removed_when_due<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMERS: usize = 5;
    let others: Rc<RefCell<Vec<A::Source>>> = Rc::default();
    let removed: Rc<Cell<Option<[usize; 2]>>> = Rc::default();
    let (trace, handle) = (t.trace(), t.handle.clone());
    let sources = all_due(
        &[0, 1, 2, 3, 4],
        |number, delay| {
            let (trace, others, removed) = (trace.clone(), others.clone(), removed.clone());
            A::insert_timer(&handle, delay, move |handle, _| {
                trace.mark(number);
                // Whichever is the first removes the next, and the last.
                if removed.get().is_none() {
                    let victims = [1, TIMERS - 1].map(|ahead| (number + ahead) % TIMERS);
                    removed.set(Some(victims));
                    let others = others.borrow();
                    victims.iter().for_each(|it| A::remove(handle, others[*it].clone()));
                }
                TimerNext::Stop
            })
        },
        |source| A::remove(&handle, source),
    )?;
    *others.borrow_mut() = sources;
    t.dispatch_until("the timers that remain to fire", |trace| trace.marks().len() >= 3)?;
    t.expect_silence()?;
    let removed = removed.get().unwrap_or_default();
    let left = (0..TIMERS).filter(|number| !removed.contains(number));
    let (mut fired, left) = (t.trial.trace.marks(), left.map(|it| it.to_string()));
    fired.sort();
    let what = format!("timers that fired, the first removing {removed:?}");
    ensure_eq!(fired, left.collect::<Vec<_>>(), "{what}");
    Ok(())
}

const OTHERS_REMAIN: Rule = Rule {
    id: "TIMER-119",
    level: Level::Must,
    sentence: "The removal of a timer MUST NOT affect others, whether it is the next, the last, or \
               between them.",
    why: "Each timer belongs to somebody else.",
    source: "calloop, issue 30 and pull request 50; IO::Async, test of timers",
    check: "which entry takes the place of one that is removed from the heap",
    needs: &[Capability::Timers],
    alone: false,
};

fn others_remain<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMERS: usize = 7;
    // One after another goes, from the first to the last, and then two at a time.
    let singly = (0..TIMERS).map(|position| vec![position]);
    let removals = singly.chain([vec![0, 6], vec![6, 0], vec![1, 2], vec![5, 4], vec![3, 0]]);
    for removal in removals {
        let fired = Rc::new(RefCell::new(Vec::new()));
        let mut sources: [Option<A::Source>; TIMERS] = Default::default();
        // Inserted out of order, so that the heap is not the order of insertion.
        for number in [3, 0, 5, 1, 6, 2, 4] {
            let fired = fired.clone();
            let delay = STEP / 2 * (number as u32 + 1);
            sources[number] = Some(A::insert_timer(&t.handle, delay, move |_, _| {
                fired.borrow_mut().push(number);
                TimerNext::Stop
            })?);
        }
        for position in &removal {
            let source = sources[*position].take();
            source.into_iter().for_each(|source| A::remove(&t.handle, source));
        }
        let left = TIMERS - removal.len();
        t.dispatch_until("the timers that remain to fire", |_| fired.borrow().len() >= left)?;
        let mut expected: Vec<usize> = (0..TIMERS).collect();
        expected.retain(|number| !removal.contains(number));
        let mut fired = fired.take();
        fired.sort_unstable();
        ensure_eq!(fired, expected, "timers that fired, of seven without {removal:?}");
    }
    Ok(())
}

const REMOVES_ITSELF: Rule = Rule {
    id: "TIMER-120",
    level: Level::Must,
    sentence: "A timer that removes itself in its callback MUST NOT fire again, whatever the callback \
               answers.",
    why: "The removal is often deep in what the callback calls, and the answer above it.",
    source: "libuv, documentation of uv_close; glib, test of sources destroyed in their dispatch",
    check: "what becomes of the answer of a source that is no longer there",
    needs: &[Capability::Timers],
    alone: false,
};

fn removes_itself<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let repeats = has::<A>(Capability::TimerRepeat);
    let answers = [TimerNext::Stop, TimerNext::After(Duration::ZERO), TimerNext::After(STEP)];
    for answer in answers.into_iter().take(if repeats { 3 } else { 1 }) {
        let own: Rc<RefCell<Option<A::Source>>> = Rc::default();
        let (trace, own_within) = (t.trace(), own.clone());
        let source = A::insert_timer(&t.handle, Duration::ZERO, move |handle, _| {
            trace.mark(format_args!("fired, answers {answer:?}"));
            if let Some(own) = own_within.take() {
                A::remove(handle, own);
            }
            answer
        })?;
        own.replace(Some(source));
        let before = t.trial.trace.marks().len();
        t.dispatch_until("the timer to fire", |trace| trace.marks().len() > before)?;
        t.expect_silence()?;
    }
    Ok(())
}

const REMOVED_TWICE: Rule = Rule {
    id: "TIMER-121",
    level: Level::Must,
    sentence: "The removal of a timer that has fired or was removed before MUST do nothing, also when \
               another has taken its place.",
    why: "Whoever has a timer off does not always know whether it was first.",
    source: "Revolt, test of cancelling nonexistent watchers; calloop, issue 155",
    check: "whether the name of a source that is gone can name the next",
    needs: &[Capability::Timers],
    alone: false,
};

fn removed_twice<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let removed = mark_after(t, FAR, "removed")?;
    A::remove(&t.handle, removed.clone());
    let over = mark_after(t, Duration::ZERO, "over")?;
    t.dispatch_until("the timer to fire", |trace| trace.count("over") > 0)?;
    mark_after(t, Duration::from_millis(2), "next")?;
    mark_after(t, Duration::from_millis(2), "next")?;
    for _ in 0..2 {
        A::remove(&t.handle, removed.clone());
        A::remove(&t.handle, over.clone());
    }
    t.dispatch_until("the timers that came after", |trace| trace.count("next") == 2)?;
    t.expect_silence()
}
