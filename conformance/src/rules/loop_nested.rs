//! Callbacks inside callbacks: none of the same loop, any of another.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::fds::usual_mode;
use super::kit::{Wire, has, insert_end, insert_once, insert_reader};
use crate::adapter::{Adapter, Capability, Mode, Ping, Sender, Stop};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::trace::Trace;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&NO_RECURSION, no_recursion),
        Case::new::<A>(&NESTED_LOOP, nested_loop),
        Case::new::<A>(&STOP_OF_ANOTHER, stop_of_another),
    ]
}

const NO_RECURSION: Rule = Rule {
    id: "LOOP-112",
    level: Level::Must,
    sentence: "No callback MUST be called while another is, whatever that one does: pings, sends, \
               writes, inserts.",
    why: "A callback relies on its state being as it left it between two of its lines, and on a \
          stack that does not grow.",
    source: "libuv, test callback_stack; calloop, documentation of EventSource::process_events",
    check: "whether waking or sending calls a callback at once when it is done on the loop's thread",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn no_recursion<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const CALLS: usize = 60;
    type Provoke<H> = Box<dyn Fn(&H)>;
    let wakers: Rc<RefCell<Vec<Provoke<A::Handle>>>> = Rc::default();
    let (trace, inside, provoke) = (t.trace(), Rc::new(Cell::new(false)), wakers.clone());
    let call = move |name: &'static str| {
        let (trace, inside, provoke) = (trace.clone(), inside.clone(), provoke.clone());
        move |handle: &A::Handle| {
            trace.mark(if inside.get() { "called inside another" } else { name });
            if trace.marks().len() < CALLS {
                inside.set(true);
                provoke.borrow().iter().for_each(|provoke| provoke(handle));
                inside.set(false);
            }
        }
    };
    let (wire, _reader) = insert_reader::<A>(&t.handle, call("descriptor"))?;
    wakers.borrow_mut().push(Box::new(move |_| wire.send()));
    let timer = call.clone();
    wakers.borrow_mut().push(Box::new(move |handle| {
        drop(insert_once::<A>(handle, Duration::ZERO, timer("timer")));
    }));
    if has::<A>(Capability::Ping) {
        let (ping, _source) = A::insert_ping(&t.handle, call("ping"))?;
        wakers.borrow_mut().push(Box::new(move |_| ping.ping()));
    }
    if has::<A>(Capability::Channel) {
        let call = call("message");
        let (sender, _source) =
            A::insert_channel::<(), _>(&t.handle, move |handle, _| call(handle))?;
        wakers.borrow_mut().push(Box::new(move |_| sender.send(()).unwrap_or_default()));
    }
    if has::<A>(Capability::Idle) {
        wakers.borrow_mut().push(Box::new(move |handle| {
            drop(A::insert_idle(handle, call("idle")));
        }));
    }
    wakers.borrow().iter().for_each(|provoke| provoke(&t.handle));
    t.poll_until("callbacks to be called", |trace| trace.marks().len() >= CALLS)?;
    ensure_eq!(t.trial.trace.count("called inside another"), 0, "calls inside another");
    // The callbacks hold what provokes them.
    wakers.borrow_mut().clear();
    Ok(())
}

const NESTED_LOOP: Rule = Rule {
    id: "LOOP-113",
    level: Level::Must,
    sentence: "A callback MUST be able to make another loop and dispatch it, and both loops MUST \
               keep their events.",
    why: "Libraries hide a loop of their own, for instance to wait for one answer.",
    source: "glib, test recursive_loop_child_sources; IO::Async, LoopTests, nested run",
    check: "what of a loop is kept for the process or the thread",
    needs: &[Capability::Timers, Capability::NestedLoops, Capability::Descriptors],
    alone: false,
};

fn nested_loop<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let trace = t.trace();
    let (wire, _reader) = insert_reader::<A>(&t.handle, move |outer| {
        trace.mark("outer begins");
        if let Err(deviation) = dispatch_inner::<A>(outer, &trace) {
            trace.mark(format_args!("inner loop: {}", deviation.actual));
        }
        trace.mark("outer ends");
    })?;
    // Ready behind the one that dispatches the inner loop, and told once if the loop can do that.
    let mode = if has::<A>(Capability::Edge) { Mode::Edge } else { usual_mode::<A>() };
    let (other, end) = Wire::new()?;
    insert_end::<A>(&t.handle, end, mode, t.marker("other"))?;
    wire.send();
    other.send();
    t.dispatch_until("the callbacks of both loops", |trace| {
        ["outer ends", "inserted from inside", "other"].iter().all(|mark| trace.count(mark) > 0)
    })?;
    let mut marks = t.trial.trace.marks();
    marks.retain(|mark| mark != "other");
    ensure_eq!(marks[..3], ["outer begins", "inner", "outer ends"], "calls of the nested dispatch");
    t.expect_silence()
}

fn dispatch_inner<A: Adapter>(outer: &A::Handle, trace: &Trace) -> Check {
    let mut inner = A::new()?;
    let done = Rc::new(Cell::new(false));
    let (told, outer, inner_trace) = (done.clone(), outer.clone(), trace.clone());
    let (wire, _reader) = insert_reader::<A>(&inner.handle(), move |_| {
        inner_trace.mark("inner");
        let trace = inner_trace.clone();
        let inserted = insert_once::<A>(&outer, Duration::ZERO, move |_| {
            trace.mark("inserted from inside");
        });
        told.set(inserted.is_ok());
    })?;
    wire.send();
    for _ in 0..50 {
        if !done.get() {
            inner.dispatch(Some(Duration::from_millis(20)))?;
        }
    }
    ensure!(done.get(), "the inner callback to be called", "not called in 50 dispatches");
    Ok(())
}

const STOP_OF_ANOTHER: Rule = Rule {
    id: "LOOP-116",
    level: Level::Must,
    sentence: "A stop MUST end the run of its own loop, and MUST NOT end that of another.",
    why: "A program has a loop in each thread, a library one of its own in a callback; each ends for \
          reasons of its own.",
    source: "calloop, documentation of LoopSignal::stop; libuv, uv_stop, which is of one loop",
    check: "whether the request to stop is kept with the loop",
    needs: &[Capability::Stop],
    alone: false,
};

fn stop_of_another<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let other = A::new()?;
    let (inside, outside) = (t.event_loop.stopper()?, other.stopper()?);
    let (mut each, mut iterations) = (t.marker("closure"), 0);
    t.event_loop.run(Some(Duration::ZERO), move |handle| {
        each(handle);
        iterations += 1;
        match iterations {
            1 => outside.stop(),
            3 => inside.stop(),
            _ => {}
        }
    })?;
    t.expect_marks(&["closure"; 3])
}
