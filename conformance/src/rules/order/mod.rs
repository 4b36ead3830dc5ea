//! Order inside one dispatch, and changes while it goes on.

use std::time::Duration;

use super::kit;
use super::kit::{has, insert_once, insert_reader, let_time_pass};
use crate::adapter::{Adapter, Capability, Ping, Sender};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

mod row;
mod scenario;

use row::{Kind, Row};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&IDLE_LAST, idle_last),
        Case::new::<A>(&EACH_ONCE, each_once),
        Case::new::<A>(&REMOVED_MEANWHILE, removed_meanwhile),
        Case::new::<A>(&DISABLED_MEANWHILE, disabled_meanwhile),
        Case::new::<A>(&REMOVES_ITSELF, removes_itself),
        Case::new::<A>(&INSERTED_MEANWHILE, inserted_meanwhile),
        Case::new::<A>(&SAME_PHASES, same_phases),
        scenario::case::<A>(),
    ]
}

const IDLE_LAST: Rule = Rule {
    id: "ORD-101",
    level: Level::Must,
    sentence: "Idle callbacks MUST run after all events of their dispatch, whatever kind they are.",
    why: "They act on what the events have left, once for all of them.",
    source: "calloop, documentation of LoopHandle::insert_idle; glib, documentation of \
             G_PRIORITY_DEFAULT_IDLE",
    check: "where in a dispatch the idle callbacks run",
    needs: &[
        Capability::Descriptors,
        Capability::Idle,
        Capability::IdleAfterEvents,
        Capability::IdleEveryDispatch,
        Capability::OneWaitADispatch,
    ],
    alone: false,
};

fn idle_last<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    drop(A::insert_idle(&t.handle, t.marker("idle"))?);
    let mut kinds = vec!["descriptor"];
    let (wire, _reader) = insert_reader::<A>(&t.handle, t.marker("descriptor"))?;
    wire.send();
    if has::<A>(Capability::TimersAndFdsTogether) {
        insert_once::<A>(&t.handle, Duration::ZERO, t.marker("timer"))?;
        kinds.push("timer");
    }
    let ping = if has::<A>(Capability::Ping) {
        kinds.push("ping");
        Some(A::insert_ping(&t.handle, t.marker("ping"))?.0)
    } else {
        None
    };
    ping.iter().for_each(Ping::ping);
    let sender = if has::<A>(Capability::Channel) {
        kinds.push("message");
        let mut mark = t.marker("message");
        Some(A::insert_channel::<(), _>(&t.handle, move |handle, _| mark(handle))?.0)
    } else {
        None
    };
    sender.iter().for_each(|sender| sender.send(()).unwrap_or_default());
    let_time_pass();
    t.poll()?;
    t.expect_counts(1, &kinds, "in one dispatch")?;
    if !has::<A>(Capability::IdleEveryDispatch) {
        t.poll_until("the idle callback in the end", |trace| trace.count("idle") > 0)?;
    }
    let marks = t.trial.trace.marks();
    ensure_eq!(marks.last().map(String::as_str), Some("idle"), "last call of the dispatch");
    Ok(())
}

const EACH_ONCE: Rule = Rule {
    id: "ORD-102",
    level: Level::Must,
    sentence: "Each of many sources that are due at once MUST be called exactly once for it.",
    why: "Data that is read twice blocks, a timer that fires twice counts twice.",
    source: "libuv, test watcher_cross_stop; polling, test many_connections",
    check: "how the batch is walked, and what marks an event as delivered",
    needs: &[],
    alone: false,
};

fn each_once<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 60;
    for kind in Kind::all::<A>() {
        let before = t.trial.trace.marks().len();
        let row = Row::<A>::insert(t, kind, COUNT, |_, _, _| {})?;
        t.dispatch_until("all to be called", |trace| trace.marks().len() >= before + COUNT)?;
        t.expect_silence()?;
        let mut called = t.trial.trace.marks().split_off(before);
        called.sort_by_key(|mark| mark.parse::<usize>().ok());
        let expected: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
        ensure_eq!(called, expected, "which of {COUNT} {kind:?} were called, sorted");
        row.clear(&t.handle);
    }
    Ok(())
}

/// How many sources are in a row that is changed while it is walked.
const ROW: usize = 4;

/// Checks the calls of a row in which `actor` silenced `victim`: nobody else is missed or repeated.
fn check_row(kind: Kind, called: &[String], actor: usize, victim: usize) -> Check {
    let count = |number: usize| called.iter().filter(|mark| **mark == number.to_string()).count();
    let calls = called.join(", ");
    for number in (0..ROW).filter(|number| *number != victim) {
        ensure!(
            count(number) == 1,
            format_args!(
                "one call of each of {ROW} {kind:?} but number {victim}, which number {actor} silenced"
            ),
            "{} calls of number {number}; called: {calls}",
            count(number)
        );
    }
    let position = |number: usize| called.iter().position(|mark| *mark == number.to_string());
    let is_late = position(victim).is_some_and(|late| position(actor).is_some_and(|at| at < late));
    ensure!(
        count(victim) <= 1 && !is_late,
        format_args!("no call of number {victim} of {kind:?} after number {actor} silenced it"),
        "called: {calls}"
    );
    Ok(())
}

/// Tries each pair of a source that silences another of its row.
fn silence_each<A: Adapter>(t: &mut Fixture<'_, A>, silence: fn(&A::Handle, &A::Source)) -> Check {
    for kind in Kind::all::<A>() {
        for (actor, victim) in (0..ROW).flat_map(|actor| (0..ROW).map(move |it| (actor, it))) {
            if actor == victim {
                continue;
            }
            t.trial.trace.note(format_args!("{kind:?}: number {actor} silences number {victim}"));
            let before = t.trial.trace.marks().len();
            let row = Row::<A>::insert(t, kind, ROW, move |handle, sources, number| {
                if number == actor {
                    silence(handle, &sources[victim]);
                }
            })?;
            t.dispatch_until("all others to be called", |trace| {
                trace.marks().len() >= before + ROW - 1
            })?;
            for _ in 0..2 {
                t.deliver()?;
            }
            check_row(kind, &t.trial.trace.marks()[before..], actor, victim)?;
            row.clear(&t.handle);
        }
    }
    Ok(())
}

const REMOVED_MEANWHILE: Rule = Rule {
    id: "ORD-103",
    level: Level::Must,
    sentence: "A callback that removes any other source that is due, in front of it or behind, MUST \
               NOT have a third one missed or called twice, and the removed one MUST NOT be called \
               any more.",
    why: "Closing a connection closes what belongs to it, and it is in no particular place of the \
          batch.",
    source: "libuv, tests queue_foreach_delete and watcher_cross_stop; wayland, test \
             free_source_with_data",
    check: "what walks the batch, and whether removing an entry moves the others",
    needs: &[],
    alone: false,
};

fn removed_meanwhile<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    silence_each(t, |handle, source| A::remove(handle, source.clone()))
}

const DISABLED_MEANWHILE: Rule = Rule {
    id: "ORD-104",
    level: Level::Must,
    sentence: "A callback that disables any other source that is due, in front of it or behind, MUST \
               NOT have a third one missed or called twice, and the disabled one MUST NOT be called \
               any more.",
    why: "A program that closes one tap while water is in the pipe does not expect to be splashed.",
    source: "libevent, test nonpersist_readd; calloop, documentation of LoopHandle::disable",
    check: "whether an event is checked against the state of its source when it is delivered",
    needs: &[Capability::Disable],
    alone: false,
};

fn disabled_meanwhile<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // A failure shows as a call.
    silence_each(t, |handle, source| drop(A::disable(handle, source)))
}

const REMOVES_ITSELF: Rule = Rule {
    id: "ORD-105",
    level: Level::Must,
    sentence: "Sources that each remove themselves in their callback MUST all be called, once.",
    why: "It is what happens when a server shuts down: every connection closes itself.",
    source: "libuv, test queue_foreach_delete; calloop, test kill_source",
    check: "whether removing the source that is being called moves the walk over the batch",
    needs: &[],
    alone: false,
};

fn removes_itself<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 20;
    for kind in Kind::all::<A>() {
        let before = t.trial.trace.marks().len();
        let row = Row::<A>::insert(t, kind, COUNT, |handle, sources, number| {
            A::remove(handle, sources[number].clone());
        })?;
        t.dispatch_until("all to be called", |trace| trace.marks().len() >= before + COUNT)?;
        t.expect_silence()?;
        let mut called = t.trial.trace.marks().split_off(before);
        called.sort_by_key(|mark| mark.parse::<usize>().ok());
        let expected: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
        ensure_eq!(called, expected, "which of {COUNT} {kind:?} were called, sorted");
        row.clear(&t.handle);
    }
    Ok(())
}

const INSERTED_MEANWHILE: Rule = Rule {
    id: "ORD-106",
    level: Level::Must,
    sentence: "Callbacks that insert many sources MUST NOT have any other source of the batch missed, \
               and what they insert MUST be called later.",
    why: "A listener that accepts a burst of connections grows every table of the loop at once.",
    source: "libevent, test many_events; libuv, test loop_handles",
    check: "what is held across a callback that may have moved: a reference, an index, an iterator",
    needs: &[Capability::Timers],
    alone: false,
};

fn inserted_meanwhile<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 8;
    const EACH: usize = 40;
    for kind in Kind::all::<A>() {
        let (before, trace) = (t.trial.trace.marks().len(), t.trace());
        let row = Row::<A>::insert(t, kind, COUNT, move |handle, _, _| {
            for _ in 0..EACH {
                let marked = trace.clone();
                let insert = insert_once::<A>(handle, Duration::ZERO, move |_| marked.mark("new"));
                if let Err(failure) = insert {
                    trace.mark(format_args!("not inserted: {failure}"));
                }
            }
        })?;
        let all = before + COUNT + COUNT * EACH;
        t.dispatch_until("all to be called", |trace| trace.marks().len() >= all)?;
        t.expect_silence()?;
        let called = &t.trial.trace.marks()[before..];
        let count = |name: &str| called.iter().filter(|mark| *mark == name).count();
        for number in 0..COUNT {
            ensure_eq!(count(&number.to_string()), 1, "calls of number {number} of {kind:?}");
        }
        ensure_eq!(count("new"), COUNT * EACH, "calls of the new timers of {kind:?}");
        row.clear(&t.handle);
    }
    Ok(())
}

const SAME_PHASES: Rule = Rule {
    id: "ORD-107",
    level: Level::Should,
    sentence: "Timers SHOULD come before all descriptors of a dispatch, or after all of them, the \
               same in each.",
    why: "Programs come to rely on the order they see; it should be one.",
    source: "libuv, documentation of the loop's iteration; Revolt, DriverTest: \
             testExecutionOrderGuarantees",
    check: "whether the phases of a dispatch depend on what is due",
    needs: &[
        Capability::TimersAndFdsTogether,
        Capability::Descriptors,
        Capability::OneWaitADispatch,
    ],
    alone: false,
};

fn same_phases<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut wires = Vec::new();
    for _ in 0..3 {
        wires.push(insert_reader::<A>(&t.handle, t.marker("descriptor"))?.0);
    }
    let mut first = None;
    for round in 0..12 {
        let before = t.trial.trace.marks().len();
        // Now this is due first, now that.
        for wire in &wires {
            if round % 2 == 0 {
                wire.send();
            }
            insert_once::<A>(&t.handle, Duration::ZERO, t.marker("timer"))?;
            if round % 2 == 1 {
                wire.send();
            }
        }
        let_time_pass();
        t.poll()?;
        let called = t.trial.trace.marks().split_off(before);
        ensure_eq!(called.len(), 6, "calls in round {round}");
        let order = first.get_or_insert_with(|| called.clone());
        let is_parted = order[..3].iter().all(|mark| *mark == order[0]);
        ensure!(is_parted, "timers and descriptors apart", "{}", order.join(", "));
        ensure_eq!(called, *order, "order of round {round}, as in the first");
    }
    Ok(())
}
