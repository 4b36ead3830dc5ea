//! The hooks around a wait: `before_sleep` and `before_handle_events`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::calloop::{
    EventIterator, EventLoop, EventSource, Poll, PostAction, Readiness, Result, Token, TokenFactory,
};
use crate::ensure_eq;
use crate::rule::{Case, Check, Level, Rule, Trial};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::plain(&ONCE_A_WAIT, once_a_wait)]
}

/// Counts the calls of its hooks.
struct Counter {
    before_sleep: Rc<Cell<u32>>,
}

impl EventSource for Counter {
    type Event = ();
    type Metadata = ();
    type Ret = ();
    type Error = std::io::Error;

    const NEEDS_EXTRA_LIFECYCLE_EVENTS: bool = true;

    fn process_events<F>(
        &mut self,
        _: Readiness,
        _: Token,
        _: F,
    ) -> std::result::Result<PostAction, Self::Error>
    where
        F: FnMut((), &mut ()),
    {
        Ok(PostAction::Continue)
    }

    fn register(&mut self, _: &mut Poll, _: &mut TokenFactory) -> Result<()> {
        Ok(())
    }

    fn reregister(&mut self, _: &mut Poll, _: &mut TokenFactory) -> Result<()> {
        Ok(())
    }

    fn unregister(&mut self, _: &mut Poll) -> Result<()> {
        Ok(())
    }

    fn before_sleep(&mut self) -> Result<Option<(Readiness, Token)>> {
        self.before_sleep.set(self.before_sleep.get() + 1);
        Ok(None)
    }

    fn before_handle_events(&mut self, _: EventIterator<'_>) {}
}

const ONCE_A_WAIT: Rule = Rule {
    id: "HOOK-05",
    level: Level::Must,
    sentence: "`before_sleep` MUST be called once a wait, however often the source was updated.",
    why: "A hook that takes a lock or announces a read is wrong when it is called twice, and a loop \
          that calls it ever more often slows down for ever.",
    source: "calloop's documentation of EventSource::before_sleep",
    check: "whether updating a source adds it to the list of hooks again",
    needs: &[],
    alone: false,
};

fn once_a_wait(t: &Trial) -> Check {
    let before_sleep = Rc::new(Cell::new(0));
    let mut event_loop: EventLoop<'_, ()> = EventLoop::try_new().expect("a loop");
    let source = Counter { before_sleep: before_sleep.clone() };
    let token = event_loop.handle().insert_source(source, |(), _, ()| {}).expect("an insertion");
    for updates in 0..4 {
        before_sleep.set(0);
        event_loop.dispatch(Duration::ZERO, &mut ()).expect("a dispatch");
        t.trace.note(format_args!("after {updates} updates: {} calls", before_sleep.get()));
        ensure_eq!(before_sleep.get(), 1, "calls in one wait after {updates} updates");
        event_loop.handle().update(&token).expect("an update");
    }
    Ok(())
}
