//! Inserting.

use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::adapter::{Adapter, Capability, Interest, Next, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{go_on, modes, usual_mode, watch, watch_and};
use crate::rules::kit::{FAR, OnDrop, Wire, drain, has, insert_once, open_descriptors};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&READY_AT_INSERTION, ready_at_insertion),
        Case::new::<A>(&CANNOT_BE_WATCHED, cannot_be_watched),
        Case::new::<A>(&INSERTED_BY_A_CALLBACK, inserted_by_a_callback),
        Case::new::<A>(&INSERTED_AGAIN, inserted_again),
        Case::new::<A>(&MANY, many),
    ]
}

const READY_AT_INSERTION: Rule = Rule {
    id: "REG-01",
    level: Level::Must,
    sentence: "A descriptor that is ready when it is inserted MUST be reported by the next dispatch, \
               in every mode.",
    why: "What arrived before the loop was told must not wait for what arrives after.",
    source: "epoll_ctl(2): EPOLL_CTL_ADD reports what is ready already; sd-event, test basic io",
    check: "whether the registration asks the system at once, or only for changes from then on",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn ready_at_insertion<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for mode in modes::<A>() {
        let name = format!("{mode:?}");
        let (wire, fd) = Wire::new()?;
        wire.send();
        let mut mark = t.marker(&name);
        let source = A::insert_fd(&t.handle, fd, Interest::Read, mode, move |handle, fd, _| {
            mark(handle);
            drain(fd);
            go_on::<A>(mode)
        })?;
        t.deliver()?;
        let calls = t.trial.trace.count(&name);
        ensure!(
            calls == 1,
            format_args!("one call for what was readable before it was inserted, in mode {name}"),
            "{calls} calls in the next dispatch"
        );
        A::remove(&t.handle, source);
    }
    Ok(())
}

const CANNOT_BE_WATCHED: Rule = Rule {
    id: "REG-05",
    level: Level::Must,
    sentence: "A descriptor that the system cannot wait for MUST be refused or reported as ready, \
               and a refusal MUST leave nothing behind.",
    why: "A file named on the command line is where a pipe was meant: the program needs an answer, \
          and goes on with its other descriptors.",
    source: "epoll_ctl(2), EPERM; libuv, test poll_bad_fdtype; calloop, test insert_bad_source",
    check: "what is undone when the registration fails: the slot, the callback, the descriptor",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn cannot_be_watched<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    watch(t, fd, "neighbour")?;
    let before = open_descriptors()?;
    for attempt in 1..=3 {
        let file = tempfile::tempfile()?;
        let (trace, dropped) = (t.trace(), t.trace());
        let captured = OnDrop(move || dropped.mark("captured value dropped"));
        let callback = move |_: &A::Handle, _: std::os::fd::BorrowedFd<'_>, _| {
            let _ = &captured;
            trace.mark("file");
            Next::Continue
        };
        match A::insert_fd(&t.handle, file.into(), Interest::Read, usual_mode::<A>(), callback) {
            Ok(source) => {
                t.deliver()?;
                let calls = t.trial.trace.count("file");
                ensure!(calls > 0, "a regular file refused, or reported", "accepted, and silent");
                A::remove(&t.handle, source);
                t.deliver()?;
            }
            Err(refusal) => t.trial.trace.note(format_args!("refused: {refusal}")),
        }
        let drops = t.trial.trace.count("captured value dropped");
        ensure_eq!(drops, attempt, "callbacks dropped after {attempt} attempts to insert");
    }
    ensure_eq!(open_descriptors()?, before, "descriptors open after the attempts");
    let (second_wire, fd) = Wire::new()?;
    watch(t, fd, "inserted after")?;
    for name in ["neighbour", "inserted after"] {
        let sender = if name == "neighbour" { &wire } else { &second_wire };
        sender.send();
        t.dispatch_until(&format!("a call of what was {name}"), |trace| trace.count(name) == 1)?;
    }
    Ok(())
}

const INSERTED_BY_A_CALLBACK: Rule = Rule {
    id: "REG-101",
    level: Level::Must,
    sentence: "A callback MUST be able to insert sources, which MUST be called from the next \
               dispatch on.",
    why: "A listener inserts each connection. Were those served in the same dispatch, it might never \
          end.",
    source: "Revolt, test EventsNotExecutedInSameTickAsEnabled; libuv, test loop_handles; calloop, \
             documentation of LoopHandle::insert_source",
    check: "what is borrowed while a callback runs, and whether the batch can grow while it is \
            worked off",
    needs: &[Capability::Timers, Capability::Descriptors],
    alone: false,
};

fn inserted_by_a_callback<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (outer_wire, outer) = Wire::new()?;
    let (inner_wire, inner) = Wire::new()?;
    inner_wire.send();
    let (trace, mut inner) = (t.trace(), Some(inner));
    watch_and(t, outer, "outer", move |handle| {
        let Some(fd) = inner.take() else { return };
        let (mark, mode) = (trace.clone(), usual_mode::<A>());
        let outcome = A::insert_fd(handle, fd, Interest::Read, mode, move |_, fd, _| {
            mark.mark("inner");
            drain(fd);
            go_on::<A>(mode)
        });
        let timer = trace.clone();
        let outcome = outcome.and(insert_once::<A>(handle, FAR, move |_| timer.mark("far timer")));
        if let Err(failure) = outcome {
            trace.mark(format_args!("not inserted: {failure}"));
        }
    })?;
    outer_wire.send();
    if has::<A>(Capability::OneWaitADispatch) {
        t.poll()?;
        t.expect_marks(&["outer"])?;
    }
    t.dispatch_until("a call of what the callback inserted", |trace| trace.marks().len() > 1)?;
    t.expect_marks(&["outer", "inner"])?;
    inner_wire.send();
    t.dispatch_until("a second call of it", |trace| trace.marks().len() > 2)?;
    t.expect_marks(&["outer", "inner", "inner"])
}

const INSERTED_AGAIN: Rule = Rule {
    id: "REG-102",
    level: Level::Must,
    sentence: "After the removal of its source a descriptor MUST be free to be inserted again, at \
               once and under the same number.",
    why: "The system gives the lowest free number to the next file, which is the one just freed.",
    source: "open(2), lowest-numbered descriptor; epoll(7), question 6; libuv, test \
             poll_multiple_handles; niri, pull request 4016",
    check: "whether a removal tells the system before the descriptor is closed",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn inserted_again<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    let number = fd.as_raw_fd();
    // It keeps the file open, so that the system does not forget the registration by itself.
    let duplicate = fd.try_clone()?;
    let mut source = watch(t, fd, "round 0")?;
    for round in 1..=3 {
        A::remove(&t.handle, source);
        let mut again = rustix::io::fcntl_dupfd_cloexec(&duplicate, number)?;
        if again.as_raw_fd() != number {
            // The loop closes in its next dispatch.
            t.poll()?;
            again = rustix::io::fcntl_dupfd_cloexec(&duplicate, number)?;
        }
        ensure_eq!(again.as_raw_fd(), number, "number of the descriptor after its removal");
        let name = format!("round {round}");
        source = watch(t, again, &name)?;
        wire.send();
        let what = format!("a call of the source inserted in round {round}");
        t.dispatch_until(&what, |trace| trace.count(&name) == 1)?;
    }
    t.expect_marks(&["round 1", "round 2", "round 3"])
}

const MANY: Rule = Rule {
    id: "REG-103",
    level: Level::Must,
    sentence: "However many sources are inserted and removed, and in whatever order, exactly those \
               that are left MUST be called, each once.",
    why: "A server does nothing else all its life.",
    source: "glib, test nsources; libevent, test many_events",
    check: "how a slot is found, freed and reused, and what follows the removal of the first, the \
            last and one in the middle",
    needs: &[Capability::Timers],
    alone: false,
};

/// How many sources there are at most, and how many are inserted before that.
const LIVE_MAX: usize = 1_000;
const INSERTIONS: usize = 10_000;

fn many<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut random = fastrand::Rng::with_seed(t.trial.settings.seed);
    let calls = std::rc::Rc::new(std::cell::RefCell::new(vec![0_u32; INSERTIONS]));
    let mut live = Vec::new();
    for number in 0..INSERTIONS {
        if live.len() == LIVE_MAX {
            let (_, source) = live.swap_remove(random.usize(..LIVE_MAX));
            A::remove(&t.handle, source);
        }
        let calls = calls.clone();
        let source = A::insert_timer(&t.handle, Duration::ZERO, move |_, _| {
            calls.borrow_mut()[number] += 1;
            TimerNext::Stop
        })?;
        live.push((number, source));
    }
    random.shuffle(&mut live);
    for (_, source) in live.drain(LIVE_MAX / 2..) {
        A::remove(&t.handle, source);
    }
    t.dispatch_until("every source that is left to be called", |_| {
        live.iter().all(|(number, _)| calls.borrow()[*number] > 0)
    })?;
    t.deliver()?;
    let mut expected = vec![0; INSERTIONS];
    live.iter().for_each(|(number, _)| expected[*number] = 1);
    let calls = calls.borrow();
    let wrong = (0..INSERTIONS).find(|number| calls[*number] != expected[*number]);
    ensure!(
        wrong.is_none(),
        "each source that is left called once, and no other",
        "source {} of {INSERTIONS}: {} calls instead of {}",
        wrong.unwrap_or_default(),
        wrong.map_or(0, |number| calls[number]),
        wrong.map_or(0, |number| expected[number])
    );
    Ok(())
}
