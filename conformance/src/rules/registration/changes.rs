//! Silencing sources and changing what they wait for.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::adapter::{Adapter, Capability, Interest, Mode, Next, Ping, Readiness, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{fill, modes, usual_mode, watch, watch_and};
use crate::rules::kit::{FAR, Wire, drain, has, insert_once};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&DISABLED_IN_ITS_BATCH, disabled_in_its_batch),
        Case::new::<A>(&DISABLED_LOSES_NOTHING, disabled_loses_nothing),
        Case::new::<A>(&ENABLED_TWICE, enabled_twice),
        Case::new::<A>(&CHANGED_BY_ANOTHER, changed_by_another),
        Case::new::<A>(&UPDATE_REPLACES, update_replaces),
        Case::new::<A>(&STALE_AFTER_UPDATE, stale_after_update),
    ]
}

const DISABLED_IN_ITS_BATCH: Rule = Rule {
    id: "REG-08",
    level: Level::Must,
    sentence: "A source that is disabled MUST NOT be called until it is enabled, also if it was \
               ready in the same dispatch.",
    why: "A source is disabled because its callback must not run now: a lock is held, a buffer is \
          full.",
    source: "libevent, test nonpersist_readd; calloop, documentation of LoopHandle::disable",
    check: "whether each event of a batch is checked to have an enabled source when its turn comes",
    needs: &[Capability::Disable, Capability::Level],
    alone: false,
};

fn disabled_in_its_batch<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 4;
    let sources: Rc<RefCell<Vec<A::Source>>> = Rc::default();
    let mut wires = Vec::new();
    for number in 0..COUNT {
        let (wire, fd) = Wire::new()?;
        let (others, trace) = (sources.clone(), t.trace());
        let source = watch_and(t, fd, number, move |handle| {
            if trace.marks().len() > 1 {
                return;
            }
            for (_, other) in others.borrow().iter().enumerate().filter(|(at, _)| *at != number) {
                if let Err(failure) = A::disable(handle, other) {
                    trace.mark(format_args!("not disabled: {failure}"));
                }
            }
        })?;
        sources.borrow_mut().push(source);
        wires.push(wire);
    }
    wires.iter().for_each(Wire::send);
    t.dispatch_until("the callback that disables the others", |trace| !trace.marks().is_empty())?;
    t.deliver()?;
    let calls = t.trial.trace.marks();
    ensure!(
        calls.len() == 1,
        format_args!("of {COUNT} ready sources, one called, which disables the others"),
        "called: {}",
        calls.join(", ")
    );
    for (number, source) in sources.borrow().iter().enumerate() {
        if calls[0] != number.to_string() {
            A::enable(&t.handle, source)?;
        }
    }
    t.dispatch_until("calls of the others once they are enabled", |trace| {
        trace.marks().len() == COUNT
    })
}

const DISABLED_LOSES_NOTHING: Rule = Rule {
    id: "REG-15",
    level: Level::Must,
    sentence: "What arrives for a source while it is disabled MUST NOT end a wait, and MUST be \
               delivered once it is enabled.",
    why: "To disable is to put off, not to miss.",
    source: "calloop, test disarm_rearm; Revolt, tests of disabled callbacks",
    check: "whether a disabled source is taken out of the wait, and looked at when it comes back",
    needs: &[Capability::Timers, Capability::Disable, Capability::Level],
    alone: false,
};

fn disabled_loses_nothing<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    let mut sources = vec![("descriptor", watch(t, fd, "descriptor")?)];
    let delay = Duration::from_millis(2);
    sources.push(("timer", insert_once::<A>(&t.handle, delay, t.marker("timer"))?));
    let mut pings = Vec::new();
    if has::<A>(Capability::Ping) {
        let (ping, source) = A::insert_ping(&t.handle, t.marker("ping"))?;
        sources.push(("ping", source));
        pings.push(ping);
    }
    for (_, source) in &sources {
        A::disable(&t.handle, source)?;
    }
    wire.send();
    pings.iter().for_each(Ping::ping);
    t.expect_sleep()?;
    for (_, source) in &sources {
        A::enable(&t.handle, source)?;
    }
    for (kind, _) in &sources {
        let what = format!("a call of the {kind}, for what came while it was disabled");
        t.dispatch_until(&what, |trace| trace.count(kind) > 0)?;
    }
    t.expect_sleep()?;
    let mut expected: Vec<_> = sources.iter().map(|(kind, _)| *kind).collect();
    let mut marks = t.trial.trace.marks();
    expected.sort_unstable();
    marks.sort_unstable();
    ensure_eq!(marks, expected, "calls once they were enabled");
    Ok(())
}

const ENABLED_TWICE: Rule = Rule {
    id: "REG-17",
    level: Level::Must,
    sentence: "Whatever `enable` of an enabled or `disable` of a disabled source answers, it MUST \
               change nothing: above all, the source MUST NOT be called twice for one event.",
    why: "Two parts of a program that silence the same source know nothing of each other.",
    source: "Revolt, tests of double enable and unref",
    check: "whether the state of the source is looked at before it is registered again",
    needs: &[Capability::Timers, Capability::Disable, Capability::Level],
    alone: false,
};

fn enabled_twice<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    let descriptor = watch(t, fd, "descriptor")?;
    // One that repeats stays to be called a second time, if it can.
    let mut mark = t.marker("timer");
    let next =
        if has::<A>(Capability::TimerRepeat) { TimerNext::After(FAR) } else { TimerNext::Stop };
    let timer = A::insert_timer(&t.handle, Duration::from_millis(2), move |handle, _| {
        mark(handle);
        next
    })?;
    for (kind, source) in [("descriptor", &descriptor), ("timer", &timer)] {
        for (operation, answer) in [
            ("enable", A::enable(&t.handle, source)),
            ("enable", A::enable(&t.handle, source)),
            ("disable", A::disable(&t.handle, source)),
            ("disable", A::disable(&t.handle, source)),
        ] {
            t.trial.trace.note(format_args!("{operation} of the {kind}: {answer:?}"));
        }
    }
    wire.send();
    t.expect_silence()?;
    for source in [&descriptor, &timer] {
        for _ in 0..3 {
            let _ = A::enable(&t.handle, source);
        }
    }
    for kind in ["descriptor", "timer"] {
        let what = format!("a call of the {kind}, which is enabled again");
        t.dispatch_until(&what, |trace| trace.count(kind) > 0)?;
    }
    t.deliver()?;
    for kind in ["descriptor", "timer"] {
        let calls = t.trial.trace.count(kind);
        ensure!(calls == 1, format_args!("one call of the {kind}"), "{calls} calls");
    }
    Ok(())
}

const CHANGED_BY_ANOTHER: Rule = Rule {
    id: "REG-06",
    level: Level::Must,
    sentence: "A callback MUST be able to enable and disable other sources, and each change MUST be \
               in force when it returns.",
    why: "One source steers another: a full queue silences the socket that feeds it.",
    source: "calloop, documentation of LoopHandle::enable; libuv, test loop_handles",
    check: "what is borrowed while a callback runs, and whether changes are put off",
    needs: &[Capability::Disable, Capability::Level],
    alone: false,
};

fn changed_by_another<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (valve_wire, valve) = Wire::new()?;
    let (wire, fd) = Wire::new()?;
    let steered = watch(t, fd, "steered")?;
    let (mut is_open, source, trace) = (true, steered, t.trace());
    watch_and(t, valve, "valve", move |handle| {
        is_open = !is_open;
        let outcome =
            if is_open { A::enable(handle, &source) } else { A::disable(handle, &source) };
        if let Err(failure) = outcome {
            trace.mark(format_args!("not changed: {failure}"));
        }
    })?;
    for round in 1..=2 {
        // Shut: then there is something to read, which nobody may see.
        valve_wire.send();
        t.deliver()?;
        wire.send();
        t.deliver()?;
        let calls = t.trial.trace.count("steered");
        ensure!(
            calls + 1 == round,
            "no call of a source that another's callback disabled",
            "{calls} calls in round {round}"
        );
        valve_wire.send();
        t.dispatch_until("a call of a source that another's callback enabled", |trace| {
            trace.count("steered") == round
        })?;
    }
    t.expect_marks(&["valve", "valve", "steered", "valve", "valve", "steered"])
}

const UPDATE_REPLACES: Rule = Rule {
    id: "REG-109",
    level: Level::Must,
    sentence: "An update MUST replace the interest and the mode of a descriptor, whatever they were.",
    why: "A socket waits to write only while there is something to write: else its loop never \
          sleeps.",
    source: "epoll_ctl(2), EPOLL_CTL_MOD; mio, test reregister_interest_token_usage; calloop, test \
             change_interests",
    check: "whether the old interest and the old mode are cleared or added to",
    needs: &[Capability::Update, Capability::Descriptors],
    alone: false,
};

fn update_replaces<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const DISPATCHES: usize = 3;
    for from in modes::<A>() {
        for to in modes::<A>() {
            // Readable and writable all the time; nothing is read.
            let (wire, fd) = Wire::new()?;
            wire.send();
            let trace = t.trace();
            let callback = move |_: &A::Handle, _: std::os::fd::BorrowedFd<'_>, is: Readiness| {
                trace.mark(if is.readable { "readable" } else { "not readable" });
                trace.mark(if is.writable { "writable" } else { "not writable" });
                Next::Continue
            };
            let source = A::insert_fd(&t.handle, fd, Interest::Read, from, callback)?;
            t.deliver()?;
            A::update_fd(&t.handle, &source, Interest::Write, to)?;
            let before = t.trial.trace.marks().len();
            for _ in 0..DISPATCHES {
                t.deliver()?;
            }
            let marks = t.trial.trace.marks().split_off(before);
            ensure!(
                marks.iter().all(|mark| mark == "not readable" || mark == "writable"),
                format_args!("only writable, as asked by the update from {from:?} to {to:?}"),
                "{}",
                marks.join(", ")
            );
            let calls = marks.len() / 2;
            let is_as_asked = if to == Mode::Level { calls >= DISPATCHES } else { calls == 1 };
            ensure!(
                is_as_asked,
                format_args!("calls in {DISPATCHES} dispatches as {to:?} asks for, not {from:?}"),
                "{calls} calls"
            );
            A::remove(&t.handle, source);
        }
    }
    Ok(())
}

const STALE_AFTER_UPDATE: Rule = Rule {
    id: "REG-10",
    level: Level::Must,
    sentence: "After an update a descriptor MUST NOT be reported for what it no longer waits for, \
               also if it was ready for that in the same dispatch.",
    why: "A callback that stopped reading would read: from a socket that it has handed over, into a \
          buffer that is full.",
    source: "epoll(7), If you use an event cache; mio, documentation of Registry::reregister",
    check: "whether events that were gathered before the update can be told from later ones",
    needs: &[Capability::Update, Capability::Level],
    alone: false,
};

/// Has two descriptors ready to read, and the one that is called first makes the other one wait to
/// write, for which there is no room.
fn stale_after_update<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let sources: Rc<RefCell<Vec<A::Source>>> = Rc::default();
    let mut wires = Vec::new();
    for number in 0..2 {
        let (wire, fd) = Wire::new()?;
        fill(&fd);
        wire.send();
        let (others, trace) = (sources.clone(), t.trace());
        let callback = move |handle: &A::Handle, fd: std::os::fd::BorrowedFd<'_>, is: Readiness| {
            trace.mark(format_args!("descriptor {number}, {is:?}"));
            drain(fd);
            if trace.marks().len() == 1 {
                let other = &others.borrow()[1 - number];
                let outcome = A::update_fd(handle, other, Interest::Write, usual_mode::<A>());
                outcome.unwrap_or_else(|failure| trace.mark(format_args!("no update: {failure}")));
            }
            Next::Continue
        };
        let source = A::insert_fd(&t.handle, fd, Interest::Read, Mode::Level, callback)?;
        sources.borrow_mut().push(source);
        wires.push(wire);
    }
    t.dispatch_until("the callback that changes the other", |trace| !trace.marks().is_empty())?;
    t.deliver()?;
    let marks = t.trial.trace.marks();
    ensure!(
        marks.len() == 1,
        "no report of what the other waited for before it was changed",
        "called: {}",
        marks.join("; ")
    );
    for source in sources.borrow().iter() {
        A::update_fd(&t.handle, source, Interest::Read, Mode::Level)?;
    }
    t.dispatch_until("a report to the other once it waits to read again", |trace| {
        trace.marks().len() == 2
    })
}
