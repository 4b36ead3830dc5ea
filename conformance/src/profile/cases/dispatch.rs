//! One dispatch: its phases, its errors, its data.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::calloop::generic::Generic;
use super::calloop::ping::make_ping;
use super::calloop::timer::{TimeoutAction, Timer};
use super::calloop::{Dispatcher, EventLoop, Interest, Mode, PostAction};
use super::fixture::{Context, Fixture, error_of_source};
use super::sources::{OnDrop, Puppet, Strings, readable_stream, torn_string};
use crate::rule::{Case, Check, Deviation, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&PHASE_ORDER, phase_order),
        Case::plain(&SOURCE_ERROR, source_error),
        Case::plain(&IDLES_WAIT_FOR_SUCCESS, idles_wait_for_success),
        Case::plain(&DISABLED_BY_ITSELF_THEN_FAILED, disabled_by_itself_then_failed),
        Case::plain(&CHANGED_THEN_FAILED, changed_then_failed),
        Case::plain(&DISABLED_WHILE_BORROWED, disabled_while_borrowed),
        Case::plain(&BORROWED_DATA, borrowed_data),
        Case::plain(&HANDLE_KEEPS_SOURCES, handle_keeps_sources),
    ]
}

const PHASE_ORDER: Rule = Rule {
    id: "LOOP-52",
    level: Level::Should,
    sentence: "One dispatch SHOULD call, in this order: the `before_sleep` hooks, the \
               `before_handle_events` hooks, what hooks asked for, file descriptors, timers, idle \
               callbacks.",
    why: "Programs send in an idle callback what the events of the same dispatch have queued, and \
          draw in a timer what descriptors have brought.",
    source: "calloop, documentation of EventSource::before_sleep and LoopHandle::insert_idle; the \
             rest is observed of 0.14.5",
    check: "the order in which one dispatch works through what the wait has returned",
    needs: &[],
    alone: false,
};

fn phase_order(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, _far) = readable_stream()?;
    let (puppet, strings) = Puppet::<true>::new("hooks", &f)?;
    strings.asks.set(true);
    // In the reverse order, so that the order of insertion is not what shows.
    let _ = f.handle.insert_idle(|cx| cx.mark("idle"));
    f.handle.insert_source(Timer::immediate(), |_, &mut (), cx| {
        cx.mark("timer");
        TimeoutAction::Drop
    })?;
    f.handle.insert_source(Generic::new(near, Interest::READ, Mode::Level), |_, _, cx| {
        cx.mark("descriptor");
        Ok(PostAction::Remove)
    })?;
    f.handle.insert_source(puppet, |_, &mut (), cx| {
        cx.mark("asked for");
        Ok(PostAction::Continue)
    })?;
    f.poll()?;
    f.expect_marks([
        "hooks.before_sleep",
        "hooks.before_handle_events",
        "asked for",
        "descriptor",
        "timer",
        "idle",
    ])
}

const SOURCE_ERROR: Rule = Rule {
    id: "LOOP-11",
    level: Level::Must,
    sentence: "When a source fails, the dispatch MUST return `Error::OtherError` with the source's \
               own error in it, and the source MUST stay in the loop.",
    why: "Whoever runs the loop tells the errors of sources from those of the loop, and decides \
          whether to go on.",
    source: "calloop, documentation of Error::OtherError and EventSource::Error",
    check: "whether an io::Error of a source becomes an Error::IoError on its way",
    needs: &[],
    alone: false,
};

fn source_error(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<false>::new("puppet", &f)?;
    f.handle.insert_source(puppet, |_, &mut (), cx| {
        cx.mark("called");
        Err(torn_string())
    })?;
    for _ in 0..2 {
        strings.ping.ping();
        let error = error_of_source(f.poll())?;
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        ensure_eq!(kind, Some(torn_string().kind()), "kind of the io::Error inside");
    }
    f.expect_marks(["called"; 2])
}

const IDLES_WAIT_FOR_SUCCESS: Rule = Rule {
    id: "LOOP-12",
    level: Level::Should,
    sentence: "A dispatch that fails SHOULD leave the idle callbacks for the next one that does \
               not, and end `run` without a call of its closure.",
    why: "Idle callbacks and the closure of `run` rely on all events of the dispatch having been \
          processed.",
    source: "observed of calloop 0.14.5; calloop, documentation of EventLoop::run",
    check: "whether the idle queue is emptied before the error is returned",
    needs: &[],
    alone: false,
};

fn idles_wait_for_success(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<false>::new("puppet", &f)?;
    f.handle.insert_source(puppet, |_, &mut (), _| Err(torn_string()))?;
    let _ = f.handle.insert_idle(|cx| cx.mark("idle"));
    strings.ping.ping();
    let outcome = f.event_loop.run(Duration::ZERO, &mut f.context, |cx| cx.mark("closure of run"));
    error_of_source(outcome)?;
    f.expect_marks([])?;
    f.poll()?;
    f.expect_marks(["idle"])
}

const DISABLED_BY_ITSELF_THEN_FAILED: Rule = Rule {
    id: "LOOP-16",
    level: Level::Must,
    sentence: "A source that disables itself in its callback and then fails MUST NOT have another \
               source disabled.",
    why: "A source that fails and wants to be silent is the usual end of a connection; the next \
          source to be called, whichever it is, would fall silent for ever.",
    source: "calloop, documentation of LoopHandle::disable",
    check: "where a change that has to wait for the callback's return is kept: with its source, or \
            in one place for the loop that the error path forgets to clear",
    needs: &[],
    alone: false,
};

fn insert_that_disables_itself_and_fails(f: &mut Fixture) -> Result<Rc<Strings>, Deviation> {
    let (puppet, strings) = Puppet::<false>::new("puppet", f)?;
    f.context.subject = Some(f.handle.insert_source(puppet, |_, &mut (), cx| {
        cx.mark("failed");
        cx.handle.disable(&cx.subject()).map_err(io::Error::from)?;
        Err(torn_string())
    })?);
    Ok(strings)
}

fn disabled_by_itself_then_failed(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let strings = insert_that_disables_itself_and_fails(&mut f)?;
    let (innocent, _) = f.insert_ping("innocent")?;
    strings.ping.ping();
    error_of_source(f.poll())?;
    for _ in 0..2 {
        innocent.ping();
        f.poll()?;
    }
    f.expect_marks(["failed", "innocent", "innocent"])
}

const CHANGED_THEN_FAILED: Rule = Rule {
    id: "LOOP-57",
    level: Level::Must,
    sentence: "A source that disables itself in its callback and then fails MUST be disabled.",
    why: "`disable` has answered that it will be; a source that goes on failing fails every dispatch.",
    source: "calloop, documentation of LoopHandle::disable",
    check: "what becomes of a change that has to wait for the callback's return when that is an error",
    needs: &[],
    alone: false,
};

fn changed_then_failed(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let strings = insert_that_disables_itself_and_fails(&mut f)?;
    strings.ping.ping();
    error_of_source(f.poll())?;
    strings.ping.ping();
    for _ in 0..2 {
        let outcome = f.poll();
        ensure!(outcome.is_ok(), "a dispatch in which nothing fails", "{outcome:?}");
    }
    f.expect_marks(["failed"])
}

const DISABLED_WHILE_BORROWED: Rule = Rule {
    id: "LOOP-17",
    level: Level::Must,
    sentence: "`disable` of a source that is borrowed through its `Dispatcher` MUST either disable \
               it or fail, and MUST NOT disable another.",
    why: "A forgotten borrow is an easy slip; it must not silence whatever source is called next.",
    source: "calloop, documentation of LoopHandle::disable and Dispatcher::as_source_ref",
    check: "whether a source that cannot be borrowed is taken for one that is being called",
    needs: &[],
    alone: false,
};

fn disabled_while_borrowed(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (ping, source) = make_ping()?;
    let dispatcher = Dispatcher::new(source, |(), &mut (), cx: &mut Context| {
        cx.mark("borrowed before");
    });
    let token = f.handle.register_dispatcher(dispatcher.clone())?;
    let (innocent, _) = f.insert_ping("innocent")?;

    let borrow = dispatcher.as_source_ref();
    let outcome = f.handle.disable(&token);
    drop(borrow);
    f.trace.note(format_args!("disable answered {outcome:?}"));
    for _ in 0..2 {
        innocent.ping();
        f.poll()?;
    }
    f.expect_marks(["innocent"; 2])?;
    ping.ping();
    f.poll()?;
    let is_called = f.trace.count("borrowed before") == 1;
    ensure!(
        is_called == outcome.is_err(),
        "disabled if `disable` said so, enabled if it failed",
        "called: {is_called}; `disable` answered {outcome:?}"
    );
    Ok(())
}

const BORROWED_DATA: Rule = Rule {
    id: "LOOP-26",
    level: Level::Must,
    sentence: "Every callback of a dispatch, idle callbacks too, MUST be lent the same `&mut Data`, \
               and callbacks and data MAY borrow what outlives the loop.",
    why: "A program keeps its state in one place without reference counting, on the stack if it \
          likes.",
    source: "calloop, documentation of EventLoop; calloop, test non_static_data",
    check: "whether an interface of the loop asks for 'static",
    needs: &[],
    alone: false,
};

fn borrowed_data(_: &Trial) -> Check {
    let words = String::from("lent by source idle");
    let outside = RefCell::new(Vec::new());
    let mut event_loop: EventLoop<'_, Vec<&str>> = EventLoop::try_new()?;
    let (ping, source) = make_ping()?;
    ping.ping();
    event_loop.handle().insert_source(source, |(), &mut (), data| {
        data.push(&words[8..14]);
        outside.borrow_mut().push(data.len());
    })?;
    let _ = event_loop.handle().insert_idle(|data| {
        data.push(&words[15..]);
        outside.borrow_mut().push(data.len());
    });
    let mut data = vec![&words[..4]];
    event_loop.dispatch(Duration::ZERO, &mut data)?;
    drop(event_loop);
    ensure_eq!(data, ["lent", "source", "idle"], "data");
    ensure_eq!(outside.into_inner(), [2, 3], "lengths that the callbacks have seen");
    Ok(())
}

const HANDLE_KEEPS_SOURCES: Rule = Rule {
    id: "LOOP-28",
    level: Level::Should,
    sentence: "The sources of a loop SHOULD be dropped with the last of the `EventLoop` and its \
               `LoopHandle`s.",
    why: "What a source holds, a connection or a lock, is released then; a callback that keeps a \
          handle of its own loop keeps it for ever.",
    source: "observed of calloop 0.14.5; calloop, documentation of LoopHandle::downgrade",
    check: "who shares the registry of sources, and whether anything else holds a reference",
    needs: &[],
    alone: false,
};

fn handle_keeps_sources(t: &Trial) -> Check {
    let trace = t.trace.clone();
    let event_loop: EventLoop<'_, ()> = EventLoop::try_new()?;
    let handle = event_loop.handle();
    let (_ping, source) = make_ping()?;
    let captured = OnDrop(|| trace.mark("callback dropped"));
    handle.insert_source(source, move |(), &mut (), &mut ()| {
        let _ = &captured;
    })?;
    drop(event_loop);
    trace.mark("event loop dropped");
    drop(handle);
    trace.mark("handle dropped");
    let expected = ["event loop dropped", "callback dropped", "handle dropped"];
    ensure_eq!(trace.marks(), expected, "order");
    Ok(())
}
