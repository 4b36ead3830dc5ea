//! The life of a loop, and of several.

use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::fds::usual_mode;
use super::kit::{Wire, has, insert_end, insert_far, insert_once, insert_reader, open_descriptors};
use crate::adapter::{Adapter, Capability, Ping, Sender, Spawn, Stop};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::trace::Trace;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&DROP_ALL, drop_all),
        Case::new::<A>(&DESCRIPTORS, descriptors),
        Case::new::<A>(&TWO_LOOPS, two_loops),
        Case::new::<A>(&THREADS, threads),
    ]
}

const DROP_ALL: Rule = Rule {
    id: "LOOP-109",
    level: Level::Must,
    sentence: "Dropping the loop MUST drop every source with what its callback has captured, pending \
               or not, and MUST NOT call one of them.",
    why: "Sources hold connections, files and locks; a callback must not run on a loop that is \
          being torn down.",
    source: "glib, test unref-while-pending; libevent, test free_active_base; calloop, documentation \
             of EventLoop",
    check: "whether anything in the loop holds a reference to it, in a circle",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn drop_all<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (witness, sent) = (Rc::new(()), Arc::new(()));
    let mut event_loop = A::new()?;
    let handle = event_loop.handle();
    let captured = |name: &'static str| {
        let (trace, witness) = (t.trace(), witness.clone());
        move |_: &A::Handle| {
            let _ = &witness;
            trace.mark(name);
        }
    };
    // Not the sources: they may keep what is theirs.
    let wire = insert_reader::<A>(&handle, captured("quiet descriptor"))?.0;
    let ready_wire = insert_reader::<A>(&handle, captured("ready descriptor"))?.0;
    insert_far::<A>(&handle, captured("far timer"))?;
    let ping = match has::<A>(Capability::Ping) {
        true => Some(A::insert_ping(&handle, captured("ping"))?.0),
        false => None,
    };
    let sender = if has::<A>(Capability::Channel) {
        let call = captured("message");
        Some(A::insert_channel::<Arc<()>, _>(&handle, move |handle, _| call(handle))?.0)
    } else {
        None
    };
    if has::<A>(Capability::Executor) {
        let call = captured("future");
        let (spawner, _source) =
            A::insert_executor::<(), _>(&handle, move |handle, ()| call(handle))?;
        let witness = witness.clone();
        spawner.spawn(async move {
            std::future::pending::<()>().await;
            drop(witness);
        });
    }
    // The loop has seen them all once; then some become ready.
    event_loop.dispatch(Some(Duration::ZERO))?;
    if has::<A>(Capability::Timers) {
        insert_once::<A>(&handle, Duration::ZERO, captured("due timer"))?;
    }
    ready_wire.send();
    ping.iter().for_each(Ping::ping);
    sender.iter().for_each(|sender| drop(sender.send(sent.clone())));
    if has::<A>(Capability::Idle) {
        drop(A::insert_idle(&handle, captured("idle"))?);
    }
    drop((event_loop, handle));
    t.expect_marks::<&str>(&[])?;
    ensure_eq!(Rc::strong_count(&witness), 1, "holders of what callbacks and futures captured");
    ensure_eq!(Arc::strong_count(&sent), 1, "holders of a message that was not delivered");
    let end = rustix::io::read(&wire, &mut [0; 1]);
    ensure_eq!(end, Ok(0), "what the other end of a descriptor reads when the loop is gone");
    Ok(())
}

const DESCRIPTORS: Rule = Rule {
    id: "LOOP-110",
    level: Level::Must,
    sentence: "Loops that are made, used and dropped MUST leave no descriptor open.",
    why: "A test suite or a plugin host makes thousands of loops in one process.",
    source: "libevent, test fdleak; mio, test poll_closes_fd; libuv, test signal_multiple_loops",
    check: "which descriptors the loop opens, and who closes each",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn descriptors<A: Adapter>(_: &mut Fixture<'_, A>) -> Check {
    const LOOPS: usize = 500;
    let mut before = open_descriptors()?;
    for number in 0..=LOOPS {
        if number == 1 {
            // What is opened for the process, once, is nobody's leak.
            before = open_descriptors()?;
        }
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let (wire, _source) = insert_reader::<A>(&handle, |_| {})?;
        wire.send();
        insert_far::<A>(&handle, |_| {})?;
        if has::<A>(Capability::Ping) {
            let (ping, _source) = A::insert_ping(&handle, |_| {})?;
            ping.ping();
        }
        if has::<A>(Capability::Embed) {
            event_loop.as_fd()?;
        }
        event_loop.dispatch(Some(Duration::ZERO))?;
    }
    let after = open_descriptors()?;
    ensure_eq!(after, before, "descriptors open after {LOOPS} loops");
    Ok(())
}

const TWO_LOOPS: Rule = Rule {
    id: "LOOP-111",
    level: Level::Must,
    sentence: "Two loops in one thread MUST be independent: neither calls, stops, removes or drops \
               what is the other's.",
    why: "A program and a library in it each have their loop, and do not know of one another.",
    source: "polling, test multiple_pollers",
    check: "what of a loop is kept for the process or the thread, and whether names of sources \
            carry the loop they are of",
    needs: &[Capability::Timers, Capability::Descriptors],
    alone: false,
};

fn two_loops<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut other = A::new()?;
    let (mine, my_source) = insert_reader::<A>(&t.handle, t.marker("mine"))?;
    let (theirs, _source) = insert_reader::<A>(&other.handle(), t.marker("theirs"))?;
    insert_once::<A>(&other.handle(), Duration::ZERO, t.marker("their timer"))?;
    mine.send();
    theirs.send();
    t.dispatch_until("the first loop's event", |trace| trace.count("mine") > 0)?;
    t.expect_silence()?;
    t.expect_marks(&["mine"])?;
    for _ in 0..50 {
        if t.trial.trace.marks().len() < 3 {
            other.dispatch(Some(Duration::from_millis(10)))?;
        }
    }
    let marks = t.trial.trace.marks();
    ensure!(
        marks.len() == 3 && marks[1..].iter().all(|mark| mark.starts_with("their")),
        "the second loop to call its two sources",
        "called: {}",
        marks.join(", ")
    );
    if has::<A>(Capability::Stop) {
        let (own, foreign) = (t.event_loop.stopper()?, other.stopper()?);
        let mut iterations = 0;
        t.event_loop.run(Some(Duration::ZERO), |_| {
            foreign.stop();
            iterations += 1;
            if iterations == 3 {
                own.stop();
            }
        })?;
        ensure_eq!(iterations, 3, "iterations until the loop is stopped, not the other one");
    }
    // The end of one, and the removal of the first source of one, leaves the other as it is.
    A::remove(&t.handle, my_source);
    let (again, _source) = insert_reader::<A>(&t.handle, t.marker("mine again"))?;
    theirs.send();
    other.dispatch(Some(Duration::from_millis(10)))?;
    drop(other);
    again.send();
    t.dispatch_until("an event of the loop that is left", |trace| trace.count("mine again") > 0)?;
    ensure_eq!(t.trial.trace.count("theirs"), 2, "calls of the source of the other loop");
    Ok(())
}

const THREADS: Rule = Rule {
    id: "LOOP-115",
    level: Level::Must,
    sentence: "Loops MUST work in any thread, and in several threads at a time.",
    why: "Few programs run their loop in the main thread only, and tests run side by side.",
    source: "libuv, test threadpool_multiple_event_loops; calloop, its tests run in threads",
    check: "what of a loop is kept for the process: signal handlers, tables, locks",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn threads<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let trace = t.trace();
                scope.spawn(move || fifty_events::<A>(&trace, number))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| Deviation::new("a loop in a thread", "a panic in a thread"))?
        })
    })?;
    ensure_eq!(t.trial.trace.marks().len(), 4 * 50, "events in four threads");
    Ok(())
}

/// Makes a loop whose one descriptor makes itself ready until it has been called fifty times.
fn fifty_events<A: Adapter>(trace: &Trace, number: usize) -> Check {
    let mut event_loop = A::new()?;
    let (wire, fd) = Wire::new()?;
    wire.send();
    let (callback_trace, mark) = (trace.clone(), format!("thread {number}"));
    let mut calls = 0;
    insert_end::<A>(&event_loop.handle(), fd, usual_mode::<A>(), move |_| {
        callback_trace.mark(&mark);
        calls += 1;
        if calls < 50 {
            wire.send();
        }
    })?;
    for _ in 0..200 {
        if trace.count(&format!("thread {number}")) < 50 {
            event_loop.dispatch(Some(Duration::from_millis(20)))?;
        }
    }
    Ok(())
}
