//! What belongs to one dispatch.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::fds::usual_mode;
use super::kit::{
    FAR, Wire, allow_descriptors, has, insert_end, insert_once, insert_reader, let_time_pass,
};
use crate::adapter::{Adapter, Capability, Failure, Interest, Mode, Next, Ping};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::trace::Trace;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&ONE_WAIT, one_wait),
        Case::new::<A>(&TOGETHER, together),
        Case::new::<A>(&NEWCOMERS, newcomers),
        Case::new::<A>(&READY_ORDER, ready_order),
        Case::new::<A>(&MANY_READY, many_ready),
    ]
}

const ONE_WAIT: Rule = Rule {
    id: "LOOP-01",
    level: Level::Must,
    sentence: "A dispatch MUST deliver what its one wait has brought and leave what happens \
               meanwhile for the next.",
    why: "Callbacks that cause each other's events would keep the dispatch from ever returning.",
    source: "calloop, documentation of EventLoop::dispatch",
    check: "whether the loop polls again before it returns",
    needs: &[Capability::Descriptors, Capability::OneWaitADispatch],
    alone: false,
};

fn one_wait<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // A ring: each callback makes the next one ready.
    let (first, first_fd) = Wire::new()?;
    let (second, second_fd) = Wire::new()?;
    let (start, second) = (Rc::new(first), Rc::new(second));
    for (name, fd, next) in [("a", first_fd, second), ("b", second_fd, start.clone())] {
        let mut marker = t.marker(name);
        insert_end::<A>(&t.handle, fd, usual_mode::<A>(), move |handle| {
            marker(handle);
            next.send();
        })?;
    }
    start.send();
    for dispatches in 1..=6 {
        t.poll()?;
        ensure_eq!(t.trial.trace.marks().len(), dispatches, "calls in {dispatches} dispatches");
    }
    t.expect_marks(&["a", "b", "a", "b", "a", "b"])
}

const TOGETHER: Rule = Rule {
    id: "LOOP-05",
    level: Level::Must,
    sentence: "A timer that is due and a descriptor that is ready MUST be called in the same \
               dispatch.",
    why: "Else a timer that is always due, as a repeated one of a busy program, starves the \
          descriptors.",
    source: "Revolt, DriverTest: testShortTimerDoesNotBlockOtherTimers; libuv, documentation of the \
             loop's iteration",
    check: "whether the kernel is polled when there is no time to wait",
    needs: &[
        Capability::Descriptors,
        Capability::TimersAndFdsTogether,
        Capability::OneWaitADispatch,
    ],
    alone: false,
};

fn together<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, _reader) = insert_reader::<A>(&t.handle, t.marker("descriptor"))?;
    for (round, timeout) in [Some(Duration::ZERO), Some(FAR), None].into_iter().enumerate() {
        wire.send();
        insert_once::<A>(&t.handle, Duration::ZERO, t.marker("timer"))?;
        let_time_pass();
        t.dispatch(timeout)?;
        let count = |name| t.trial.trace.count(name);
        let called = (count("descriptor"), count("timer"));
        ensure_eq!(called, (round + 1, round + 1), "(descriptors, timers) called");
    }
    Ok(())
}

const NEWCOMERS: Rule = Rule {
    id: "LOOP-08",
    level: Level::Must,
    sentence: "A source that a callback inserts, enables or arms MUST NOT be called before the next \
               dispatch, even if it is ready.",
    why: "A chain of sources that insert each other would keep the dispatch from returning, and the \
          callback could not finish its set-up in peace.",
    source: "Revolt, DriverTest: testEventsNotExecutedInSameTickAsEnabled; Node, test \
             test-timers-zero-timeout; calloop, documentation of LoopHandle::insert_source",
    check: "whether the batch is settled when the wait returns",
    needs: &[Capability::Timers, Capability::Descriptors, Capability::OneWaitADispatch],
    alone: false,
};

fn newcomers<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // Kept to the end: a stream that hangs up is readable.
    let kept: Rc<RefCell<Vec<Box<dyn Any>>>> = Rc::default();
    for trigger in ["a descriptor", "a timer"] {
        let mut expected = vec!["descriptor", "timer"];
        let (disabled_wire, disabled) = insert_reader::<A>(&t.handle, t.marker("enabled"))?;
        if has::<A>(Capability::Disable) {
            A::disable(&t.handle, &disabled)?;
            disabled_wire.send();
            expected.push("enabled");
        }
        let far = insert_once::<A>(&t.handle, FAR, t.marker("armed"))?;
        if has::<A>(Capability::TimerReset) {
            expected.push("armed");
        }
        if has::<A>(Capability::Ping) {
            expected.push("ping");
        }
        let before = t.trial.trace.marks().len();
        let (trace, keep, sources) = (t.trace(), kept.clone(), (disabled, far));
        let call = move |handle: &A::Handle| {
            trace.mark("trigger");
            match add_newcomers::<A>(handle, &trace, &sources) {
                Ok(added) => keep.borrow_mut().extend(added),
                Err(failure) => trace.mark(format_args!("not added: {failure}")),
            }
        };
        kept.borrow_mut().push(Box::new(disabled_wire));
        if trigger == "a timer" {
            insert_once::<A>(&t.handle, Duration::ZERO, call)?;
        } else {
            let (wire, _source) = insert_reader::<A>(&t.handle, call)?;
            wire.send();
            kept.borrow_mut().push(Box::new(wire));
        }
        t.dispatch_until("the trigger to be called", |trace| trace.marks().len() > before)?;
        let marks = t.trial.trace.marks();
        ensure_eq!(marks[before..], ["trigger"], "called in the dispatch of {trigger}");
        t.dispatch_until("the newcomers to be called", |trace| {
            let marks = trace.marks();
            expected.iter().all(|name| marks[before..].iter().any(|mark| mark == name))
        })?;
    }
    Ok(())
}

/// Inserts, enables and arms a source of each kind that is ready at once; returns what has to be
/// kept for them.
fn add_newcomers<A: Adapter>(
    handle: &A::Handle,
    trace: &Trace,
    (disabled, far): &(A::Source, A::Source),
) -> Result<Vec<Box<dyn Any>>, Failure> {
    let mark = |name: &'static str| {
        let trace = trace.clone();
        move |_: &A::Handle| trace.mark(name)
    };
    let (wire, _source) = insert_reader::<A>(handle, mark("descriptor"))?;
    wire.send();
    let mut kept: Vec<Box<dyn Any>> = vec![Box::new(wire)];
    insert_once::<A>(handle, Duration::ZERO, mark("timer"))?;
    if has::<A>(Capability::Ping) {
        let (ping, _source) = A::insert_ping(handle, mark("ping"))?;
        ping.ping();
        kept.push(Box::new(ping));
    }
    if has::<A>(Capability::Disable) {
        A::enable(handle, disabled)?;
    }
    if has::<A>(Capability::TimerReset) {
        A::reset_timer(handle, far, Duration::ZERO)?;
    }
    Ok(kept)
}

const READY_ORDER: Rule = Rule {
    id: "LOOP-09",
    level: Level::Should,
    sentence: "Descriptors SHOULD be called in the order in which they became ready, not in the order \
               of their registration.",
    why: "Who came first is served first: no client is privileged for having connected early.",
    source: "observed of epoll and kqueue, whose ready lists are queues",
    check: "whether the batch is sorted, or searched by source",
    needs: &[Capability::Descriptors, Capability::ReadyOrder, Capability::OneWaitADispatch],
    alone: false,
};

fn ready_order<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut wires = Vec::new();
    for number in 0..5 {
        wires.push(insert_reader::<A>(&t.handle, t.marker(number))?.0);
    }
    for order in [[3, 1, 4, 0, 2], [0, 4, 1, 3, 2], [4, 3, 2, 1, 0]] {
        // A kernel may keep a place for what was ready before, until it has looked again.
        t.poll()?;
        let before = t.trial.trace.marks().len();
        order.iter().for_each(|number: &usize| wires[*number].send());
        t.poll()?;
        let expected: Vec<String> = order.iter().map(ToString::to_string).collect();
        ensure_eq!(t.trial.trace.marks()[before..], expected, "order of the calls");
    }
    Ok(())
}

const MANY_READY: Rule = Rule {
    id: "LOOP-10",
    level: Level::Must,
    sentence: "However many descriptors are ready at once, each MUST be called within a few \
               dispatches, and none twice as often as another.",
    why: "A server with many clients must not forget those that do not fit into one batch.",
    source: "polling, test many_connections; epoll_wait(2): successive calls round robin through \
             the ready set",
    check: "how many events fit into the buffer of the wait, and what becomes of the others",
    needs: &[Capability::Level],
    alone: false,
};

fn many_ready<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let count = allow_descriptors(2_500)?;
    let (wire, fd) = Wire::new()?;
    wire.send();
    let calls = Rc::new(RefCell::new(vec![0_u32; count]));
    for number in 0..count {
        let calls = calls.clone();
        // Nobody reads, so that all of them stay ready.
        A::insert_fd(&t.handle, fd.try_clone()?, Interest::Read, Mode::Level, move |_, _, _| {
            calls.borrow_mut()[number] += 1;
            Next::Continue
        })?;
    }
    // Where a dispatch is a part of what a wait brought, it may be one descriptor.
    let dispatches = if has::<A>(Capability::OneWaitADispatch) { 16 } else { 2 * count };
    for _ in 0..dispatches {
        t.event_loop.dispatch(Some(Duration::ZERO))?;
        let is_round = || calls.borrow().iter().all(|calls| *calls >= 2);
        if !has::<A>(Capability::OneWaitADispatch) && is_round() {
            break;
        }
    }
    let calls = calls.borrow();
    let (least, most) = (calls.iter().min(), calls.iter().max());
    let (least, most) = (least.copied().unwrap_or(0), most.copied().unwrap_or(0));
    t.trial.trace.note(format_args!("{count} descriptors: from {least} to {most} calls each"));
    let forgotten = calls.iter().filter(|calls| **calls == 0).count();
    ensure!(
        forgotten == 0,
        format_args!("each of {count} descriptors to be called in {dispatches} dispatches"),
        "{forgotten} were not called"
    );
    ensure!(
        most <= 2 * least,
        format_args!("calls spread evenly over {count} descriptors"),
        "from {least} to {most} calls each in {dispatches} dispatches"
    );
    Ok(())
}
