//! When idle callbacks run, how often, and in which order.

use std::time::Duration;

use super::kit::{FAR, has, insert_once, insert_reader};
use crate::adapter::{Adapter, Capability, Ping, Sender};
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&ONCE, once),
        Case::new::<A>(&FIRST_IN_FIRST_OUT, first_in_first_out),
        Case::new::<A>(&FROM_IDLE, from_idle),
        Case::new::<A>(&SLEEP, sleep),
        Case::new::<A>(&SAME_DISPATCH, same_dispatch),
        Case::new::<A>(&AFTER_TIMEOUT, after_timeout),
    ]
}

const ONCE: Rule = Rule {
    id: "IDLE-01",
    level: Level::Must,
    sentence: "An idle callback MUST be called exactly once.",
    why: "It stands for one piece of work that was put off: lost, a redraw or a flush is missing; \
          repeated, it is done twice.",
    source: "calloop, documentation of LoopHandle::insert_idle; calloop, test dispatch_idle",
    check: "whether the queue is emptied when it is run",
    needs: &[Capability::Idle],
    alone: false,
};

fn once<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let idle = A::insert_idle(&t.handle, t.marker("idle"))?;
    t.expect_marks::<&str>(&[])?;
    t.poll_until("an idle callback to be called", |trace| trace.count("idle") > 0)?;
    t.expect_silence()?;
    drop(idle);
    t.expect_marks(&["idle"])
}

const FIRST_IN_FIRST_OUT: Rule = Rule {
    id: "IDLE-02",
    level: Level::Must,
    sentence: "Idle callbacks MUST be called in the order of their insertion, however many there \
               are.",
    why: "Work that is put off piece by piece builds on the pieces before it.",
    source: "calloop keeps a queue; Node, documentation of setImmediate: in the order of creation",
    check: "whether the queue is a queue, and whether a pass has a limit that reorders it",
    needs: &[Capability::Idle, Capability::IdleOrder],
    alone: false,
};

fn first_in_first_out<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 2_000;
    for number in 0..COUNT {
        let idle = A::insert_idle(&t.handle, t.marker(number))?;
        drop(idle);
    }
    let mut polls = 0;
    t.poll_until("every idle callback to be called", |trace| {
        polls += 1;
        polls > 4 && trace.marks().len() >= COUNT
    })?;
    let expected: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    let marks = t.trial.trace.marks();
    let wrong = marks.iter().zip(&expected).position(|(mark, expected)| mark != expected);
    ensure_eq!(wrong, None, "first place in the order that is wrong");
    ensure_eq!(marks.len(), COUNT, "calls");
    Ok(())
}

const FROM_IDLE: Rule = Rule {
    id: "IDLE-03",
    level: Level::Must,
    sentence: "An idle callback that is inserted by another MUST run in the next dispatch, not in \
               the same.",
    why: "Work that goes on by inserting itself again would keep the dispatch from ever returning.",
    source: "IO::Async, LoopTests, idle: what a callback inserts is deferred; Node, test \
             test-timers-immediate-queue",
    check: "whether a pass runs until the queue is empty, or what was in it when the pass began",
    needs: &[Capability::Idle, Capability::OneWaitADispatch],
    alone: false,
};

fn from_idle<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    fn insert<A: Adapter>(handle: &A::Handle, trace: crate::trace::Trace, generation: usize) {
        let inserted = A::insert_idle(handle, {
            let trace = trace.clone();
            move |handle| {
                trace.mark(format_args!("generation {generation}"));
                if generation < 3 {
                    insert::<A>(handle, trace, generation + 1);
                }
            }
        });
        if let Err(failure) = inserted.map(drop) {
            trace.mark(format_args!("not inserted: {failure}"));
        }
    }

    insert::<A>(&t.handle, t.trace(), 1);
    for generation in 1..=3 {
        t.poll()?;
        let marks = t.trial.trace.marks();
        ensure_eq!(marks.len(), generation, "generations called after {generation} dispatches");
    }
    t.poll()?;
    t.expect_marks(&["generation 1", "generation 2", "generation 3"])
}

const SLEEP: Rule = Rule {
    id: "IDLE-04",
    level: Level::Must,
    sentence: "A pending idle callback MUST keep the loop from sleeping if the loop declares so, and \
               MUST NOT shorten its sleep otherwise.",
    why: "Whoever inserts an idle callback outside of a dispatch has to know whether it also has to \
          wake the loop.",
    source: "g_idle_add and uv_idle_start make the poll non-blocking; calloop, documentation of \
             LoopHandle::insert_idle: once pending events are processed",
    check: "how the timeout of the wait is chosen, and whether the adapter declares \
            idle-prevents-sleep",
    needs: &[Capability::Idle, Capability::OneWaitADispatch],
    alone: false,
};

fn sleep<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let idle = A::insert_idle(&t.handle, t.marker("idle"))?;
    if has::<A>(Capability::IdlePreventsSleep) {
        let limit = t.trial.limit(PATIENCE);
        let elapsed = t.dispatch(Some(limit))?;
        ensure!(elapsed < limit, "a dispatch that does not wait", "it took {elapsed:?}");
    } else {
        const SLEEP: Duration = Duration::from_millis(15);
        let elapsed = t.dispatch(Some(SLEEP))?;
        ensure!(elapsed >= SLEEP, "a dispatch that waits for {SLEEP:?}", "it took {elapsed:?}");
    }
    drop(idle);
    t.expect_marks(&["idle"])
}

const SAME_DISPATCH: Rule = Rule {
    id: "IDLE-105",
    level: Level::Must,
    sentence: "An idle callback that is inserted by the callback of an event MUST run in the same \
               dispatch.",
    why: "It is how a program gathers the events of one dispatch and acts on all of them once; if it \
          ran later, the loop might sleep in between.",
    source: "calloop, documentation of LoopHandle::insert_idle: once the pending events are \
             processed",
    check: "whether the idle queue is taken before or after the events are delivered",
    needs: &[
        Capability::Timers,
        Capability::Descriptors,
        Capability::Idle,
        Capability::IdleEveryDispatch,
        Capability::OneWaitADispatch,
    ],
    alone: false,
};

fn same_dispatch<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut kinds = vec!["descriptor", "timer"];
    let insert = |name: &str| {
        let (trace, event, idle) = (t.trace(), name.to_string(), format!("idle of {name}"));
        move |handle: &A::Handle| {
            trace.mark(&event);
            let (callback_trace, idle) = (trace.clone(), idle.clone());
            let inserted = A::insert_idle(handle, move |_| callback_trace.mark(idle));
            if let Err(failure) = inserted.map(drop) {
                trace.mark(format_args!("not inserted: {failure}"));
            }
        }
    };
    let (wire, _source) = insert_reader::<A>(&t.handle, insert("descriptor"))?;
    wire.send();
    insert_once::<A>(&t.handle, Duration::ZERO, insert("timer"))?;
    let ping = if has::<A>(Capability::Ping) {
        kinds.push("ping");
        Some(A::insert_ping(&t.handle, insert("ping"))?)
    } else {
        None
    };
    ping.iter().for_each(|(ping, _)| ping.ping());
    let channel = if has::<A>(Capability::Channel) {
        kinds.push("message");
        let insert = insert("message");
        Some(A::insert_channel::<(), _>(&t.handle, move |handle, _| insert(handle))?)
    } else {
        None
    };
    if let Some((sender, _)) = &channel {
        ensure!(sender.send(()).is_ok(), "the channel to take a message", "it was refused");
    }
    for kind in kinds {
        t.dispatch_until(kind, |trace| trace.count(kind) > 0)?;
        let idles = t.trial.trace.count(&format!("idle of {kind}"));
        ensure_eq!(idles, 1, "idle callbacks run in the dispatch of the {kind} that inserted one");
    }
    Ok(())
}

const AFTER_TIMEOUT: Rule = Rule {
    id: "IDLE-106",
    level: Level::Must,
    sentence: "A dispatch in which nothing happens MUST run the pending idle callbacks as well.",
    why: "A program that only polls, or whose sources are silent, still gets its work done.",
    source: "calloop, documentation of LoopHandle::insert_idle; glib, documentation of g_idle_add",
    check: "whether a wait that brought nothing returns before the idle callbacks",
    needs: &[Capability::Timers, Capability::Idle],
    alone: false,
};

fn after_timeout<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let never = t.marker("far timer");
    insert_once::<A>(&t.handle, FAR, never)?;
    for timeout in [Duration::ZERO, Duration::from_millis(2), Duration::ZERO] {
        let before = t.trial.trace.count("idle");
        let idle = A::insert_idle(&t.handle, t.marker("idle"))?;
        t.dispatch(Some(timeout))?;
        drop(idle);
        let called = t.trial.trace.count("idle") - before;
        ensure_eq!(called, 1, "idle callbacks run in a dispatch of {timeout:?}");
    }
    t.expect_marks(&["idle"; 3])
}
