//! Who is called for a ping, how often, and when.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Pinger, WAIT, insert};
use crate::adapter::{Adapter, Capability, Ping};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::has;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&COALESCE, coalesce),
        Case::new::<A>(&OWN_CALLBACK, own_callback),
        Case::new::<A>(&EACH_OTHER, each_other),
        Case::new::<A>(&NOBODY_ELSE, nobody_else),
        Case::new::<A>(&WHILE_DISABLED, while_disabled),
    ]
}

const COALESCE: Rule = Rule {
    id: "PING-104",
    level: Level::Must,
    sentence: "Several pings before a dispatch MUST lead to one call at least and as many at most, and \
               then to none.",
    why: "A ping says that there is something to look at; the callback looks at all of it.",
    source: "libuv, documentation of uv_async_send; mio, test multiple_wakeups; calloop, test ping",
    check: "whether the state of the ping is cleared before the callback, and cleared at all",
    needs: &[Capability::Ping],
    alone: false,
};

fn coalesce<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (ping, _source) = insert::<A>(&t.handle, t.marker("pinged"))?;
    for pings in [1, 2, 5, 100] {
        let before = t.trial.trace.count("pinged");
        (0..pings).for_each(|_| ping());
        t.dispatch_until("the ping to be called", |trace| trace.count("pinged") > before)?;
        // Others may be still to come.
        for _ in 0..pings {
            t.poll()?;
        }
        let calls = t.trial.trace.count("pinged") - before;
        ensure!(calls <= pings, format_args!("at most {pings} calls"), "{calls} calls");
        t.expect_sleep()?;
    }
    Ok(())
}

const OWN_CALLBACK: Rule = Rule {
    id: "PING-04",
    level: Level::Must,
    sentence: "A ping from within its own callback MUST have it called again, after it has returned \
               and not in the same dispatch.",
    why: "A callback that has not finished its work asks for another turn, and lets others have \
          theirs.",
    source: "calloop, pull request 227; guido, pull request 116",
    check: "whether the state of the ping is cleared after the callback, which loses the new one",
    needs: &[Capability::Ping],
    alone: false,
};

fn own_callback<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const CALLS: usize = 10;
    let own: Rc<RefCell<Option<Pinger>>> = Rc::default();
    let (own_within, trace, inside) = (own.clone(), t.trace(), Cell::new(false));
    let mut calls = 0;
    let (ping, _source) = insert::<A>(&t.handle, move |_| {
        trace.mark(if inside.replace(true) { "recursive" } else { "called" });
        calls += 1;
        if calls < CALLS {
            if let Some(own) = own_within.borrow().as_ref() {
                own();
            }
        }
        inside.set(false);
    })?;
    own.replace(Some(ping.clone()));
    ping();
    for call in 0..CALLS {
        if t.trial.trace.count("called") == CALLS {
            break;
        }
        let elapsed = t.dispatch(Some(WAIT))?;
        let calls = t.trial.trace.count("called");
        ensure!(elapsed < WAIT, format_args!("call {call} of 10 at once"), "{calls} in {WAIT:?}");
        ensure!(
            !has::<A>(Capability::OneWaitADispatch) || calls == call + 1,
            format_args!("{} calls after as many dispatches", call + 1),
            "{calls} calls"
        );
    }
    t.expect_sleep()?;
    // What refers to itself lives for ever, else.
    own.take();
    ensure_eq!(t.trial.trace.marks(), ["called"; CALLS], "calls of a ping that pings itself");
    Ok(())
}

const EACH_OTHER: Rule = Rule {
    id: "PING-105",
    level: Level::Must,
    sentence: "A ping from the callback of another source MUST have its own called once, in this \
               dispatch or the next.",
    why: "Sources hand work to each other.",
    source: "libuv, documentation of uv_async_send; wayland, documentation of idle sources",
    check: "whether a wake-up by the loop's own thread waits for another reason to go round",
    needs: &[Capability::Ping],
    alone: false,
};

fn each_other<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (before, before_source) = insert::<A>(&t.handle, t.marker("before"))?;
    let after: Rc<RefCell<Option<Pinger>>> = Rc::default();
    let (first, second, mut mark) = (before, after.clone(), t.marker("between"));
    let (between, between_source) = insert::<A>(&t.handle, move |handle| {
        mark(handle);
        first();
        if let Some(second) = second.take() {
            second();
        }
    })?;
    let (after_ping, after_source) = insert::<A>(&t.handle, t.marker("after"))?;
    after.replace(Some(after_ping));
    between();
    t.dispatch(Some(WAIT))?;
    if t.trial.trace.marks().len() < 3 {
        let elapsed = t.dispatch(Some(WAIT))?;
        ensure!(elapsed < WAIT, "the next dispatch not to wait", "it took {elapsed:?}");
    }
    let mut marks = t.trial.trace.marks();
    marks.sort_unstable();
    ensure_eq!(marks, ["after", "before", "between"], "sources called, one pinging two");
    t.expect_sleep()?;
    for source in [before_source, between_source, after_source] {
        A::remove(&t.handle, source);
    }
    Ok(())
}

const NOBODY_ELSE: Rule = Rule {
    id: "PING-106",
    level: Level::Must,
    sentence: "A ping MUST have its own source called and no other, whichever clone it is sent by.",
    why: "Each callback stands for something that happened.",
    source: "calloop, tests ping and ping_multiple_senders",
    check: "which source a wake-up is addressed to",
    needs: &[Capability::Ping],
    alone: false,
};

fn nobody_else<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut pings = Vec::new();
    for number in 0..5 {
        let marker = t.marker(number);
        pings.push(A::insert_ping(&t.handle, marker)?);
    }
    let mut expected = Vec::new();
    for number in [2, 0, 4, 4, 1, 3] {
        let clone = pings[number].0.clone();
        clone.ping();
        drop(clone);
        expected.push(number.to_string());
        t.dispatch_until("the ping to be called", |trace| trace.marks().len() >= expected.len())?;
        ensure_eq!(t.trial.trace.marks(), expected, "calls, one source pinged at a time");
    }
    t.expect_sleep()
}

const WHILE_DISABLED: Rule = Rule {
    id: "PING-03",
    level: Level::Must,
    sentence: "A ping to a source that is disabled MUST NOT have it called nor keep the loop from \
               sleeping, and MUST have it called once it is enabled.",
    why: "What was asked meanwhile is still to be done.",
    source: "calloop, test disarm_rearm",
    check: "whether a wake-up is given up when its source is silent, or found again later",
    needs: &[Capability::Ping, Capability::Disable],
    alone: false,
};

fn while_disabled<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (ping, source) = insert::<A>(&t.handle, t.marker("pinged"))?;
    for pinged_before in [false, true] {
        let calls = t.trial.trace.count("pinged");
        if pinged_before {
            ping();
        }
        A::disable(&t.handle, &source)?;
        if !pinged_before {
            ping();
        }
        t.expect_sleep()?;
        A::enable(&t.handle, &source)?;
        t.dispatch_until("the ping to be called once its source is enabled", |trace| {
            trace.count("pinged") > calls
        })?;
        t.expect_sleep()?;
        ensure_eq!(t.trial.trace.count("pinged"), calls + 1, "calls for one ping");
    }
    Ok(())
}
