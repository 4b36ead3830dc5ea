//! What idle callbacks may do, and what their failures may not.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::super::fds::usual_mode;
use super::kit::{Wire, drain, insert_end, insert_once, insert_reader};
use crate::adapter::{Adapter, Capability, Interest, Next, Stop};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&USES_LOOP, uses_loop),
        Case::new::<A>(&STOPS, stops),
        Case::new::<A>(&BEFORE_CLOSURE, before_closure),
        Case::new::<A>(&OTHERS_ERROR, others_error),
        Case::new::<A>(&OWN_PANIC, own_panic),
    ]
}

const USES_LOOP: Rule = Rule {
    id: "IDLE-08",
    level: Level::Must,
    sentence: "An idle callback MUST be able to insert and remove sources, to the same effect as \
               outside of a dispatch.",
    why: "Changing what is watched is the usual work to put off to the end of a dispatch.",
    source: "https://github.com/Smithay/calloop/issues/109; \
             https://github.com/Smithay/calloop/pull/117",
    check: "what the loop holds borrowed or locked while it runs idle callbacks",
    needs: &[Capability::Timers, Capability::Descriptors, Capability::Idle],
    alone: false,
};

fn uses_loop<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (removed_wire, removed) = insert_reader::<A>(&t.handle, t.marker("removed"))?;
    let (wire, fd) = Wire::new()?;
    let (marker, timer) = (t.marker("inserted descriptor"), t.marker("inserted timer"));
    let outcome = Rc::new(Cell::new(None));
    let told = outcome.clone();
    let idle = A::insert_idle(&t.handle, move |handle| {
        A::remove(handle, removed);
        let inserted = insert_end::<A>(handle, fd, usual_mode::<A>(), marker);
        let armed = insert_once::<A>(handle, Duration::ZERO, timer);
        told.set(Some((inserted.is_ok(), armed.is_ok())));
    })?;
    t.poll_until("the idle callback to be called", |_| outcome.get().is_some())?;
    drop(idle);
    ensure_eq!(outcome.get(), Some((true, true)), "(descriptor inserted, timer inserted)");
    removed_wire.send();
    wire.send();
    t.dispatch_until("both inserted sources to be called", |trace| {
        trace.count("inserted descriptor") > 0 && trace.count("inserted timer") > 0
    })?;
    t.expect_silence()?;
    ensure_eq!(t.trial.trace.count("removed"), 0, "calls of the source that was removed");
    Ok(())
}

const STOPS: Rule = Rule {
    id: "IDLE-108",
    level: Level::Must,
    sentence: "A stop from an idle callback MUST end the run with the same iteration, after the idle \
               callbacks behind it.",
    why: "A program that shuts down puts its last work, and the stop, into idle callbacks.",
    source: "calloop, documentation of LoopSignal::stop and EventLoop::run",
    check: "when the run looks at the request to stop, and whether a pass is cut short by it",
    needs: &[Capability::Idle, Capability::Stop, Capability::OneWaitADispatch],
    alone: false,
};

fn stops<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, stopper) = (t.trace(), t.event_loop.stopper()?);
    let idle = A::insert_idle(&t.handle, move |_| {
        trace.mark("stop");
        stopper.stop();
    })?;
    drop(idle);
    let idle = A::insert_idle(&t.handle, t.marker("idle behind"))?;
    drop(idle);
    let each = t.marker("end of iteration");
    t.event_loop.run(Some(Duration::ZERO), each)?;
    t.expect_marks(&["stop", "idle behind", "end of iteration"])
}

const BEFORE_CLOSURE: Rule = Rule {
    id: "IDLE-113",
    level: Level::Must,
    sentence: "Idle callbacks MUST run before the closure of `run` is called, and those that it \
               inserts in the next iteration.",
    why: "The closure sees the state after all work of the iteration, and draws or flushes it.",
    source: "calloop, documentation of EventLoop::run: the closure is called when all pending \
             events are processed",
    check: "where in an iteration the closure is called",
    needs: &[Capability::Idle, Capability::Stop, Capability::OneWaitADispatch],
    alone: false,
};

fn before_closure<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, stopper) = (t.trace(), t.event_loop.stopper()?);
    let idle = A::insert_idle(&t.handle, t.marker("idle 0"))?;
    drop(idle);
    let mut iteration = 0;
    t.event_loop.run(Some(Duration::ZERO), move |handle| {
        trace.mark(format_args!("closure {iteration}"));
        iteration += 1;
        let (inner, number) = (trace.clone(), iteration);
        match A::insert_idle(handle, move |_| inner.mark(format_args!("idle {number}"))) {
            Ok(idle) => drop(idle),
            Err(failure) => trace.mark(format_args!("not inserted: {failure}")),
        }
        if iteration == 3 {
            stopper.stop();
        }
    })?;
    t.expect_marks(&["idle 0", "closure 0", "idle 1", "closure 1", "idle 2", "closure 2"])?;
    t.poll()?;
    ensure_eq!(t.trial.trace.count("idle 3"), 1, "calls of what the last closure inserted");
    Ok(())
}

const OTHERS_ERROR: Rule = Rule {
    id: "IDLE-07",
    level: Level::Must,
    sentence: "An idle callback MUST be called exactly once also if a source fails in the dispatch \
               in which it was to run.",
    why: "What it was to do has nothing to do with that source, and nobody puts it off again.",
    source: "observed of calloop 0.14.5: idle callbacks wait for the next dispatch that succeeds",
    check: "whether the queue is emptied before the error is returned",
    needs: &[Capability::Descriptors, Capability::Idle, Capability::FallibleCallbacks],
    alone: false,
};

fn others_error<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, (wire, fd)) = (t.trace(), Wire::new()?);
    A::insert_fd(&t.handle, fd, Interest::Read, usual_mode::<A>(), move |handle, fd, _| {
        drain(fd);
        trace.mark("failed");
        let inner = trace.clone();
        match A::insert_idle(handle, move |_| inner.mark("inserted before the failure")) {
            Ok(idle) => drop(idle),
            Err(failure) => trace.mark(format_args!("not inserted: {failure}")),
        }
        Next::Fail("on purpose")
    })?;
    let idle = A::insert_idle(&t.handle, t.marker("inserted before the dispatch"))?;
    drop(idle);
    wire.send();
    t.survive_until("the descriptor to fail", |trace| trace.count("failed") > 0)?;
    for _ in 0..3 {
        t.poll()?;
    }
    for name in ["inserted before the dispatch", "inserted before the failure"] {
        ensure_eq!(t.trial.trace.count(name), 1, "calls of the idle callback {name}");
    }
    Ok(())
}

const OWN_PANIC: Rule = Rule {
    id: "IDLE-107",
    level: Level::Must,
    sentence: "A panic of an idle callback MUST NOT lose the others, nor run it or them again.",
    why: "A caller that catches the panic goes on with a loop that still owes it their calls.",
    source: "tokio, test panic_in_task; Revolt, DriverTest, on exceptions of callbacks",
    check: "who owns the callbacks of a pass while one of them is called",
    needs: &[Capability::Idle, Capability::Panics],
    alone: false,
};

fn own_panic<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for name in ["a", "b"] {
        drop(A::insert_idle(&t.handle, t.marker(name))?);
    }
    let trace = t.trace();
    let panics = A::insert_idle(&t.handle, move |_| {
        trace.mark("panics");
        resume_unwind(Box::new("on purpose"));
    })?;
    drop(panics);
    for name in ["c", "d"] {
        drop(A::insert_idle(&t.handle, t.marker(name))?);
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| t.poll()));
    ensure!(outcome.is_err(), "the panic to unwind out of the dispatch", "{outcome:?}");
    for _ in 0..3 {
        t.poll()?;
    }
    t.expect_marks(&["a", "b", "panics", "c", "d"])
}
