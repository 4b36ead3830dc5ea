//! Which timer first, and which in one dispatch.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{all_due, mark_after};
use crate::adapter::{Adapter, Capability, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&DEADLINE_ORDER, deadline_order),
        Case::new::<A>(&NEAR_DEADLINES, near_deadlines),
        Case::new::<A>(&EQUAL_DEADLINES, equal_deadlines),
        Case::new::<A>(&ALL_DUE_FIRE, all_due_fire),
        Case::new::<A>(&NOT_IN_THE_SAME_BATCH, not_in_the_same_batch),
    ]
}

/// The numbers below `count` in an arbitrary order, by the seed of the run.
fn permutation<A: Adapter>(t: &Fixture<'_, A>, count: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    fastrand::Rng::with_seed(t.trial.settings.seed).shuffle(&mut numbers);
    t.trial.trace.note(format_args!("inserted in the order {numbers:?}"));
    numbers
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

const DEADLINE_ORDER: Rule = Rule {
    id: "TIMER-05",
    level: Level::Must,
    sentence: "Timers that are due in one dispatch MUST fire in the order of their deadlines, \
               whatever the order of their insertion.",
    why: "Programs set timers relative to each other and rely on the order.",
    source: "wayland, test timer_order; libuv, test timer_order",
    check: "what the heap or list of timers is ordered by, and whether a batch keeps that order",
    needs: &[Capability::Timers, Capability::DeadlineOrder],
    alone: false,
};

fn deadline_order<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMERS: usize = 20;
    let order = permutation(t, TIMERS);
    let handle = t.handle.clone();
    all_due(
        &order,
        |number, delay| mark_after(t, delay, number),
        |source| A::remove(&handle, source),
    )?;
    t.dispatch_until("all timers to fire", |trace| trace.marks().len() >= TIMERS)?;
    ensure_eq!(t.trial.trace.marks(), numbers(0..TIMERS), "timers by their deadline");
    Ok(())
}

const NEAR_DEADLINES: Rule = Rule {
    id: "TIMER-107",
    level: Level::Must,
    sentence: "Timers MUST fire in the order of their deadlines, however near these are.",
    why: "Deadlines are computed from each other; a nanosecond is as good as an hour to tell them.",
    source: "libuv, test timer_order; calloop, documentation of Timer::from_deadline",
    check: "whether deadlines are compared in a coarser unit than they are set in",
    needs: &[
        Capability::Timers,
        Capability::Deadlines,
        Capability::DeadlineOrder,
        Capability::SubMillisecondTimers,
    ],
    alone: false,
};

fn near_deadlines<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMERS: usize = 100;
    let order = permutation(t, TIMERS);
    for step in [Duration::from_micros(1), Duration::from_nanos(1)] {
        let start = Instant::now();
        let fired = Rc::new(RefCell::new(Vec::new()));
        for number in order.iter().copied() {
            let fired = fired.clone();
            A::insert_deadline(&t.handle, start + step * number as u32, move |_, _| {
                fired.borrow_mut().push(number);
                TimerNext::Stop
            })?;
        }
        t.dispatch_until("all timers to fire", |_| fired.borrow().len() >= TIMERS)?;
        let expected: Vec<usize> = (0..TIMERS).collect();
        ensure_eq!(*fired.borrow(), expected, "timers whose deadlines are {step:?} apart");
    }
    Ok(())
}

const EQUAL_DEADLINES: Rule = Rule {
    id: "TIMER-06",
    level: Level::Must,
    sentence: "Timers of one deadline MUST fire in the order of their insertion, also if some \
               between them were removed.",
    why: "Work that is put off to the same moment stays in order, as in a queue.",
    source: "libuv and glib order equal deadlines by insertion; calloop keeps a counter for it",
    check: "whether the order of timers has a second key: a sequence number",
    needs: &[Capability::Timers, Capability::Deadlines, Capability::EqualDeadlinesFifo],
    alone: false,
};

fn equal_deadlines<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let deadline = Instant::now() + Duration::from_millis(2);
    let mut sources = Vec::new();
    for number in 0..50 {
        let trace = t.trace();
        sources.push(A::insert_deadline(&t.handle, deadline, move |_, _| {
            trace.mark(number);
            TimerNext::Stop
        })?);
    }
    for source in sources.into_iter().skip(3).step_by(10) {
        A::remove(&t.handle, source);
    }
    t.dispatch_until("45 timers to fire", |trace| trace.marks().len() >= 45)?;
    let mut expected = numbers(0..50);
    expected.retain(|number| !number.ends_with('3'));
    ensure_eq!(t.trial.trace.marks(), expected, "timers of one deadline by their insertion");
    Ok(())
}

const ALL_DUE_FIRE: Rule = Rule {
    id: "TIMER-108",
    level: Level::Must,
    sentence: "All timers that are due MUST fire in one dispatch.",
    why: "A loop that was held up catches up with what it owes before it looks for more.",
    source: "wayland, test timer_order; glib, test of many timeouts; calloop, book, Timers",
    check: "whether a dispatch stops after one timer or after some",
    needs: &[Capability::Timers, Capability::OneWaitADispatch],
    alone: false,
};

fn all_due_fire<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMERS: usize = 3_000;
    let fired = Rc::new(RefCell::new(Vec::new()));
    for number in 0..TIMERS {
        let fired = fired.clone();
        A::insert_timer(&t.handle, Duration::from_millis(2), move |_, _| {
            fired.borrow_mut().push(number);
            TimerNext::Stop
        })?;
    }
    std::thread::sleep(Duration::from_millis(5));
    t.poll()?;
    ensure_eq!(fired.borrow().len(), TIMERS, "timers that fired in one dispatch, all being due");
    Ok(())
}

const NOT_IN_THE_SAME_BATCH: Rule = Rule {
    id: "TIMER-109",
    level: Level::Must,
    sentence: "A timer without delay that the callback of a timer inserts MUST NOT fire in the same \
               dispatch.",
    why: "A chain of them would keep the dispatch from ever ending.",
    source: "Node.js, test of nested timers; libuv, test timer_zero_timeout",
    check: "whether the heap is read again after each callback, with the time of now",
    needs: &[Capability::Timers, Capability::OneWaitADispatch],
    alone: false,
};

fn not_in_the_same_batch<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    /// Each inserts the next, until there were `left` more.
    fn chain<A: Adapter>(handle: &A::Handle, fired: &Rc<Cell<u32>>, left: u32) {
        let fired = fired.clone();
        let inserted = A::insert_timer(handle, Duration::ZERO, move |handle, _| {
            fired.set(fired.get() + 1);
            if left > 0 {
                chain::<A>(handle, &fired, left - 1);
            }
            TimerNext::Stop
        });
        inserted.expect("a timer can be inserted by a timer's callback");
    }
    let fired = Rc::new(Cell::new(0));
    chain::<A>(&t.handle, &fired, 20);
    for before in 0..=20 {
        t.dispatch_until("the next timer of the chain to fire", |_| fired.get() > before)?;
        let at_once = fired.get() - before;
        ensure!(at_once == 1, "one timer of a chain in each dispatch", "{at_once} fired in one");
    }
    Ok(())
}
