//! Running the loop until a future is ready.

use std::cell::Cell;
use std::future::{self, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::calloop::Error;
use super::calloop::timer::{TimeoutAction, Timer};
use super::fixture::Fixture;
use super::sources::{Puppet, torn_string};
use crate::rule::{Case, Check, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&READY_AT_ONCE, ready_at_once),
        Case::plain(&POLLED_WHEN_WOKEN, polled_when_woken),
        Case::plain(&STOP_BEFORE_VALUE, stop_before_value),
        Case::plain(&ERROR_ENDS_BLOCK_ON, error_ends_block_on),
    ]
}

const READY_AT_ONCE: Rule = Rule {
    id: "LOOP-55",
    level: Level::Must,
    sentence: "`block_on` MUST poll the future first, and if it is ready return its value without a \
               dispatch and without a call of its closure.",
    why: "What is ready costs nothing and disturbs nobody.",
    source: "calloop, documentation of EventLoop::block_on",
    check: "whether the first poll comes before the first dispatch",
    needs: &[],
    alone: false,
};

fn ready_at_once(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let _ = f.handle.insert_idle(|cx| cx.mark("idle"));
    let outcome =
        f.event_loop.block_on(future::ready(7), &mut f.context, |cx| cx.mark("closure"))?;
    ensure_eq!(outcome, Some(7), "value");
    f.expect_marks([])
}

const POLLED_WHEN_WOKEN: Rule = Rule {
    id: "LOOP-56",
    level: Level::Must,
    sentence: "`block_on` MUST poll its future again only after the future's waker was used, and \
               MUST call its closure after every dispatch.",
    why: "A future that is polled for every event of the loop costs as much as the events, however \
          idle it is.",
    source: "calloop, documentation of EventLoop::block_on; std::task::Wake",
    check: "whether a flag of the waker's own tells a wake-up of the future from others",
    needs: &[],
    alone: false,
};

fn polled_when_woken(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let waker: Rc<Cell<Option<Waker>>> = Rc::default();
    let (kept, mut beats) = (waker.clone(), 0);
    f.handle.insert_source(Timer::immediate(), move |_, &mut (), cx| {
        cx.mark("beat");
        beats += 1;
        if beats < 3 {
            return TimeoutAction::ToDuration(Duration::from_micros(100));
        }
        kept.take().into_iter().for_each(Waker::wake);
        TimeoutAction::Drop
    })?;
    let trace = f.trace.clone();
    let future = poll_fn(|context| {
        trace.mark("poll");
        waker.set(Some(context.waker().clone()));
        if trace.count("poll") == 1 { Poll::Pending } else { Poll::Ready(()) }
    });
    let outcome = f.event_loop.block_on(future, &mut f.context, |cx| cx.mark("closure"))?;
    ensure_eq!(outcome, Some(()), "value");
    f.expect_marks(["poll", "beat", "closure", "beat", "closure", "beat", "closure", "poll"])
}

const STOP_BEFORE_VALUE: Rule = Rule {
    id: "LOOP-53",
    level: Level::Must,
    sentence: "`block_on` MUST return `None` after a dispatch in which `LoopSignal::stop` was \
               called, also if the future was woken in the same dispatch.",
    why: "Whoever stops the loop wants it to end now, and whoever waits for the value must see \
          that there is none.",
    source: "calloop, documentation of EventLoop::block_on; calloop, test block_on_early_cancel",
    check: "whether the stop flag is looked at before the future is polled again",
    needs: &[],
    alone: false,
};

fn stop_before_value(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let signal = f.event_loop.get_signal();
    let waker: Rc<Cell<Option<Waker>>> = Rc::default();
    let kept = waker.clone();
    f.handle.insert_source(Timer::immediate(), move |_, &mut (), _| {
        kept.take().into_iter().for_each(Waker::wake);
        signal.stop();
        TimeoutAction::Drop
    })?;
    let trace = f.trace.clone();
    let future = poll_fn(|context| {
        trace.mark("poll");
        waker.set(Some(context.waker().clone()));
        if trace.count("poll") == 1 { Poll::Pending } else { Poll::Ready(()) }
    });
    let outcome = f.event_loop.block_on(future, &mut f.context, |cx| cx.mark("closure"))?;
    ensure_eq!(outcome, None, "value");
    f.expect_marks(["poll", "closure"])
}

const ERROR_ENDS_BLOCK_ON: Rule = Rule {
    id: "LOOP-54",
    level: Level::Must,
    sentence: "`block_on` MUST return the error of a dispatch that fails, at once.",
    why: "An error that only ends when the future is ready may never be seen.",
    source: "calloop, documentation of EventLoop::block_on",
    check: "whether the result of the dispatch is looked at",
    needs: &[],
    alone: false,
};

fn error_ends_block_on(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<false>::new("puppet", &f)?;
    f.handle.insert_source(puppet, |_, &mut (), _| Err(torn_string()))?;
    strings.ping.ping();
    let outcome = f.event_loop.block_on(future::pending::<()>(), &mut f.context, |_| {});
    ensure!(matches!(outcome, Err(Error::OtherError(_))), "the error of the source", "{outcome:?}");
    Ok(())
}
