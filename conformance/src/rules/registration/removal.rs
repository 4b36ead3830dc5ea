//! Removing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::adapter::{Adapter, Capability, Interest, Next};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{usual_mode, watch, watch_and};
use crate::rules::kit::{FAR, OnDrop, Wire, drain, insert_once};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&REMOVED_IN_ITS_BATCH, removed_in_its_batch),
        Case::new::<A>(&REMOVES_ITSELF, removes_itself),
        Case::new::<A>(&REMOVED_TWICE, removed_twice),
        Case::new::<A>(&REMOVED_AND_REPLACED, removed_and_replaced),
    ]
}

/// The sources of a test, where their callbacks find them.
type Group<S> = Rc<RefCell<Vec<Option<S>>>>;

const REMOVED_IN_ITS_BATCH: Rule = Rule {
    id: "REG-07",
    level: Level::Must,
    sentence: "A source that is removed MUST NOT be called again, also if it was ready in the same \
               dispatch.",
    why: "The callback would use what its program has just released.",
    source: "wayland, test event_loop_free_source_with_data; libuv, test watcher_cross_stop; \
             epoll(7), If you use an event cache",
    check: "whether each event of a batch is checked to have a source when its turn comes",
    needs: &[Capability::Descriptors],
    alone: false,
};

/// Has `COUNT` sources ready at once, and the one that is called as the `last` removes the others.
fn removed_in_its_batch<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 6;
    for last in [1, 2, COUNT - 1] {
        let sources: Group<A::Source> = Rc::default();
        let (called, mut wires) = (Rc::new(Cell::new(0)), Vec::new());
        for number in 0..COUNT {
            let (wire, fd) = Wire::new()?;
            let (others, called) = (sources.clone(), called.clone());
            let is_called = Rc::new(Cell::new(false));
            let source = watch_and(t, fd, format_args!("{last}: {number}"), move |handle| {
                is_called.set(true);
                called.set(called.get() + 1);
                let kept = others.borrow_mut()[number].take();
                if called.get() == last {
                    let removed: Vec<_> =
                        others.borrow_mut().iter_mut().map(Option::take).collect();
                    removed.into_iter().flatten().for_each(|source| A::remove(handle, source));
                }
                drop(kept);
            })?;
            sources.borrow_mut().push(Some(source));
            wires.push(wire);
        }
        wires.iter().for_each(Wire::send);
        t.dispatch_until("the callback that removes the others", |_| called.get() >= last)?;
        t.deliver()?;
        ensure!(
            called.get() == last,
            format_args!("of {COUNT} ready sources, no call after number {last} removed the rest"),
            "{} calls",
            called.get()
        );
    }
    Ok(())
}

const REMOVES_ITSELF: Rule = Rule {
    id: "REG-11",
    level: Level::Must,
    sentence: "A source MUST be able to remove itself in its own callback, which runs to its end \
               with all that it captured.",
    why: "It is the callback that learns that a connection is over.",
    source: "calloop, test kill_source; sd-event, test basic; libuv, documentation of uv_close",
    check: "who owns the callback while it runs, and what is done with it afterwards",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn removes_itself<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let own: Rc<RefCell<Option<A::Source>>> = Rc::default();
    let (wire, fd) = Wire::new()?;
    let (neighbour_wire, neighbour) = Wire::new()?;
    let (trace, dropped, name) = (t.trace(), t.trace(), own.clone());
    let captured = OnDrop(move || dropped.mark("captured value dropped"));
    let callback = move |handle: &A::Handle, fd: std::os::fd::BorrowedFd<'_>, _| {
        trace.mark("called");
        if let Some(source) = name.take() {
            A::remove(handle, source);
        }
        // The descriptor and the captured value are still there.
        drain(fd);
        let _ = &captured;
        trace.mark("returns");
        Next::Continue
    };
    own.replace(Some(A::insert_fd(&t.handle, fd, Interest::Read, usual_mode::<A>(), callback)?));
    watch(t, neighbour, "neighbour")?;
    wire.send();
    neighbour_wire.send();
    t.dispatch_until("the other source that was ready to be called", |trace| {
        trace.count("neighbour") == 1 && trace.count("called") > 0
    })?;
    wire.send();
    t.deliver()?;
    let mut marks = t.trial.trace.marks();
    marks.retain(|mark| mark != "neighbour");
    ensure_eq!(marks, ["called", "returns", "captured value dropped"], "what the source did");
    Ok(())
}

const REMOVED_TWICE: Rule = Rule {
    id: "REG-104",
    level: Level::Must,
    sentence: "The removal of a source that is gone MUST be harmless, however it went.",
    why: "Whoever cleans up does not know whether somebody was faster.",
    source: "ReactPHP, test testRemoveInvalid; calloop, documentation of LoopHandle::remove",
    check: "what a removal does when it finds nothing under the name",
    needs: &[Capability::Timers],
    alone: false,
};

fn removed_twice<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    insert_once::<A>(&t.handle, Duration::from_millis(1), t.marker("neighbour"))?;
    let removed = insert_once::<A>(&t.handle, FAR, t.marker("removed"))?;
    for _ in 0..3 {
        A::remove(&t.handle, removed.clone());
    }
    let ended = insert_once::<A>(&t.handle, Duration::ZERO, t.marker("ended"))?;
    t.dispatch_until("a timer to end", |trace| trace.count("ended") == 1)?;
    for _ in 0..3 {
        A::remove(&t.handle, ended.clone());
    }
    // In its own callback, where the first removal may be put off.
    let own: Rc<RefCell<Option<A::Source>>> = Rc::default();
    let (name, trace) = (own.clone(), t.trace());
    let source = insert_once::<A>(&t.handle, Duration::ZERO, move |handle| {
        let own = name.borrow().clone();
        own.iter().cycle().take(3).for_each(|own| A::remove(handle, own.clone()));
        trace.mark("removed itself thrice");
    })?;
    own.replace(Some(source.clone()));
    t.dispatch_until("the other timers", |trace| {
        trace.count("removed itself thrice") == 1 && trace.count("neighbour") == 1
    })?;
    A::remove(&t.handle, source);
    insert_once::<A>(&t.handle, Duration::ZERO, t.marker("later"))?;
    t.dispatch_until("what was inserted later", |trace| trace.count("later") == 1)?;
    ensure_eq!(t.trial.trace.count("removed"), 0, "calls of the source removed first");
    Ok(())
}

const REMOVED_AND_REPLACED: Rule = Rule {
    id: "REG-105",
    level: Level::Must,
    sentence: "What the callback of a removed source answers MUST NOT be done to the source that was \
               inserted in its place.",
    why: "A connection that is over makes room for the next, in the very callback that ends it.",
    source: "calloop, issue 155 and pull request 156",
    check: "whether the answer goes to the slot of the source or to the source",
    needs: &[Capability::Descriptors, Capability::PostActions],
    alone: false,
};

fn removed_and_replaced<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut wires = Vec::new();
    for answer in [Next::Remove, Next::Disable, Next::Rearm] {
        let own: Rc<RefCell<Option<A::Source>>> = Rc::default();
        let (wire, fd) = Wire::new()?;
        let (heir_wire, heir) = Wire::new()?;
        let heir_name = format!("heir of a source that answered {answer:?}");
        let (name, mode, mut heir) = (own.clone(), usual_mode::<A>(), Some(heir));
        let (trace, mark, answered) = (t.trace(), heir_name.clone(), answer.clone());
        let source = A::insert_fd(&t.handle, fd, Interest::Read, mode, move |handle, _, _| {
            let (Some(own), Some(fd)) = (name.take(), heir.take()) else { return Next::Continue };
            A::remove(handle, own);
            let (trace, mark) = (trace.clone(), mark.clone());
            let outcome = A::insert_fd(handle, fd, Interest::Read, mode, move |_, fd, _| {
                trace.mark(&mark);
                drain(fd);
                Next::Continue
            });
            if let Err(failure) = outcome {
                panic!("the heir could not be inserted: {failure}");
            }
            answered.clone()
        })?;
        own.replace(Some(source));
        wire.send();
        t.deliver()?;
        heir_wire.send();
        t.deliver()?;
        let calls = t.trial.trace.count(&heir_name);
        ensure!(calls == 1, format_args!("one call of the {heir_name}"), "{calls} calls");
        wires.push((wire, heir_wire));
    }
    Ok(())
}
