//! A ping ends a wait: one that is to come, one that goes on, from wherever.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{WAIT, insert};
use crate::adapter::{Adapter, Capability};
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::rules::kit::insert_once;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&BEFORE_THE_WAIT, before_the_wait),
        Case::new::<A>(&DURING_THE_WAIT, during_the_wait),
        Case::new::<A>(&WHILE_THE_LOOP_RUNS, while_the_loop_runs),
        Case::new::<A>(&IN_ORDER, in_order),
        Case::new::<A>(&MANY_AT_ONCE, many_at_once),
        Case::new::<A>(&A_HUNDRED_THOUSAND, a_hundred_thousand),
    ]
}

/// Dispatches once, for at most [`WAIT`], and fails unless that marks something long before.
fn expect_woken<A: Adapter>(t: &mut Fixture<'_, A>, what: &str) -> Check {
    let before = t.trial.trace.marks().len();
    let elapsed = t.dispatch(Some(WAIT))?;
    let called = t.trial.trace.marks().len() - before;
    ensure!(
        called > 0 && elapsed < WAIT,
        format_args!("{what} ends a wait of {WAIT:?} and is called"),
        "the wait took {elapsed:?}, calls: {called}"
    );
    Ok(())
}

const BEFORE_THE_WAIT: Rule = Rule {
    id: "PING-01",
    level: Level::Must,
    sentence: "A ping that came before the wait MUST end it at once and be called in that dispatch.",
    why: "Whoever pings cannot know whether the loop waits already.",
    source: "glib, test of GWakeup; calloop, test ping",
    check: "whether what the ping leaves behind is looked at before the loop sleeps",
    needs: &[Capability::Ping],
    alone: false,
};

fn before_the_wait<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (ping, _source) = insert::<A>(&t.handle, t.marker("pinged"))?;
    for _ in 0..100 {
        ping();
        expect_woken(t, "a ping from before")?;
    }
    // From another thread, which is gone by then.
    for _ in 0..20 {
        let ping = ping.clone();
        thread::spawn(move || ping()).join().map_err(|_| a_panic())?;
        expect_woken(t, "a ping of another thread from before")?;
    }
    t.expect_sleep()
}

fn a_panic() -> Deviation {
    Deviation::new("a thread that pings", "a panic")
}

const DURING_THE_WAIT: Rule = Rule {
    id: "PING-02",
    level: Level::Must,
    sentence: "A ping from another thread MUST end a wait that goes on, within 5 ms at best.",
    why: "It is how work that was done elsewhere reaches the loop.",
    source: "libuv, documentation of uv_async_send; eventfd(2)",
    check: "whether the ping writes to what the loop waits on, or the loop looks at intervals",
    needs: &[Capability::Ping],
    alone: true,
};

fn during_the_wait<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const ROUNDS: usize = 5;
    const TRIES: usize = 40;
    let soon = Duration::from_millis(5);
    let called: Rc<RefCell<Option<Instant>>> = Rc::default();
    let called_within = called.clone();
    let (ping, _source) = insert::<A>(&t.handle, move |_| {
        called_within.replace(Some(Instant::now()));
    })?;
    let mut best = Duration::MAX;
    for round in 0..TRIES {
        let ping = ping.clone();
        let pinging = thread::spawn(move || {
            // Long enough for the loop to fall asleep.
            thread::sleep(Duration::from_millis(3));
            let now = Instant::now();
            ping();
            now
        });
        let limit = t.trial.limit(PATIENCE);
        let elapsed = t.dispatch(Some(limit))?;
        let pinged = pinging.join().map_err(|_| a_panic())?;
        let Some(called) = called.take() else {
            let actual = format_args!("not called in a dispatch of {elapsed:?}").to_string();
            return Err(Deviation::new("a ping of another thread ends the wait", actual));
        };
        best = best.min(called.saturating_duration_since(pinged));
        if round >= ROUNDS && best <= soon {
            break;
        }
    }
    t.trial.trace.note(format_args!("at best {best:?} from the ping to the call"));
    ensure!(best <= soon, "a call 5 ms after the ping, at best", "at best after {best:?}");
    Ok(())
}

const WHILE_THE_LOOP_RUNS: Rule = Rule {
    id: "PING-101",
    level: Level::Must,
    sentence: "A ping that comes while callbacks run MUST be called in this dispatch or end the next \
               wait at once, whichever thread it is from.",
    why: "A loop that does not sleep needs no wake-up, but must not forget that somebody asked.",
    source: "libuv, test async_ref and documentation of uv_async_send; guido, pull request 116",
    check: "whether the note that the loop is awake is taken back before it looks for wake-ups",
    needs: &[Capability::Timers, Capability::Ping],
    alone: false,
};

fn while_the_loop_runs<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for thread in [false, true].repeat(20) {
        let (ping, source) = insert::<A>(&t.handle, t.marker("pinged"))?;
        let before = t.trial.trace.count("pinged");
        insert_once::<A>(&t.handle, Duration::ZERO, move |_| {
            let ping = ping.clone();
            if thread {
                thread::spawn(move || ping()).join().expect("a ping does not panic");
            } else {
                ping();
            }
        })?;
        t.poll()?;
        if t.trial.trace.count("pinged") == before {
            let whose = if thread { "another thread" } else { "a callback" };
            expect_woken(t, &format!("a ping by {whose} while a callback runs"))?;
        }
        A::remove(&t.handle, source);
    }
    Ok(())
}

const IN_ORDER: Rule = Rule {
    id: "PING-102",
    level: Level::Should,
    sentence: "Sources that were pinged SHOULD be called in the order of the pings, not of their \
               insertion.",
    why: "Who asked first has waited longest.",
    source: "epoll(7), whose list of what is ready is in the order of becoming ready",
    check: "whether wake-ups are kept in a list or found by a walk over all sources",
    needs: &[Capability::Ping, Capability::OneWaitADispatch],
    alone: false,
};

fn in_order<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut pings = Vec::new();
    for number in 0..5 {
        pings.push(insert::<A>(&t.handle, t.marker(number))?);
    }
    for number in [3, 1, 4, 0, 2] {
        (pings[number].0)();
    }
    t.poll()?;
    ensure_eq!(t.trial.trace.marks(), ["3", "1", "4", "0", "2"], "calls by the order of the pings");
    Ok(())
}

const MANY_AT_ONCE: Rule = Rule {
    id: "PING-103",
    level: Level::Must,
    sentence: "However many sources were pinged, each MUST be called, once.",
    why: "A buffer that holds less than all must not decide who is heard.",
    source: "polling, test many_connections; epoll_wait(2), maxevents",
    check: "what becomes of wake-ups that do not fit into one batch",
    needs: &[Capability::Ping],
    alone: false,
};

fn many_at_once<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // A descriptor or two for each have to be allowed to.
    const SOURCES: usize = 300;
    let calls = Rc::new(RefCell::new([0; SOURCES]));
    let mut pings = Vec::new();
    for number in 0..SOURCES {
        let calls = calls.clone();
        pings.push(insert::<A>(&t.handle, move |_| calls.borrow_mut()[number] += 1)?);
    }
    for (ping, _) in &pings {
        ping();
    }
    let called =
        |calls: &RefCell<[u32; SOURCES]>| calls.borrow().iter().filter(|calls| **calls > 0).count();
    t.dispatch_until("each of 300 sources that were pinged to be called", |_| {
        called(&calls) == SOURCES
    })?;
    t.expect_sleep()?;
    let most = calls.borrow().iter().copied().max().unwrap_or_default();
    ensure_eq!(most, 1, "calls for one ping, at most");
    Ok(())
}

const A_HUNDRED_THOUSAND: Rule = Rule {
    id: "PING-07",
    level: Level::Must,
    sentence: "A ping MUST NOT block nor get lost because many came before it.",
    why: "A loop that is held up is pinged on, and those who ping have to go on.",
    source: "pipe(7), which holds 65 536 bytes; eventfd(2), on counters that are full",
    check: "what a ping does when the pipe or counter that carries it is full",
    needs: &[Capability::Ping],
    alone: false,
};

fn a_hundred_thousand<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const PINGS: usize = 100_000;
    let (ping, _source) = insert::<A>(&t.handle, t.marker("pinged"))?;
    let (done, is_done) = mpsc::channel();
    // In a thread, so that a ping that blocks is found out.
    thread::spawn(move || {
        (0..PINGS).for_each(|_| ping());
        done.send(ping)
    });
    let limit = t.trial.limit(PATIENCE * 2);
    let outcome = is_done.recv_timeout(limit);
    ensure!(
        outcome.is_ok(),
        format_args!("{PINGS} pings that do not block"),
        "they have not come to their end within {limit:?}"
    );
    t.dispatch_until("the ping to be called", |trace| trace.count("pinged") > 0)?;
    t.poll_until("the loop to have seen all of them", {
        let mut quiet = 0;
        let mut seen = 0;
        move |trace| {
            let count = trace.count("pinged");
            quiet = if count == seen { quiet + 1 } else { 0 };
            seen = count;
            quiet > 3
        }
    })?;
    t.expect_sleep()
}
