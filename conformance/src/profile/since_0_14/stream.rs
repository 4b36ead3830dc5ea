//! Streams in the loop.

use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_util::stream;

use super::calloop::Error;
use super::calloop::stream::StreamSource;
use super::fixture::{Context, Fixture};
use crate::ensure;
use crate::rule::{Case, Check, Level, Rule, Trial};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&ITEMS_AND_END, items_and_end),
        Case::plain(&LEAVES_OTHERS_THEIR_TURN, leaves_others_their_turn),
        Case::plain(&UPDATED_MIDWAY, updated_midway),
        Case::plain(&WOKEN_BY_A_THREAD, woken_by_a_thread),
    ]
}

fn mark(item: Option<u32>, (): &mut (), cx: &mut Context) {
    match item {
        Some(item) => cx.mark(&item.to_string()),
        None => cx.mark("end"),
    }
}

const ITEMS_AND_END: Rule = Rule {
    id: "STREAM-01",
    level: Level::Must,
    sentence: "A stream MUST be polled in the first dispatch after its insertion; each item is an \
               event, the end is `None` once, and then the source removes itself.",
    why: "A stream may hold items already, and nobody else would wake the loop for them.",
    source: "calloop, documentation of StreamSource; calloop, test channel_stream",
    check: "who wakes the source the first time, and what it answers at the end",
    needs: &[],
    alone: false,
};

fn items_and_end(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let source = StreamSource::new(stream::iter([1, 2, 3]))?;
    let token = f.handle.insert_source(source, mark)?;
    f.poll()?;
    f.expect_marks(["1", "2", "3", "end"])?;
    let outcome = f.handle.update(&token);
    ensure!(matches!(outcome, Err(Error::InvalidToken)), "Error::InvalidToken", "{outcome:?}");
    f.expect_quiet()
}

const LEAVES_OTHERS_THEIR_TURN: Rule = Rule {
    id: "STREAM-02",
    level: Level::Must,
    sentence: "A stream that always has another item MUST NOT keep the other sources from being \
               called.",
    why: "A fast producer would stop timers, input and every other source of the program.",
    source: "calloop, pull request 200, which limits channels for the same reason",
    check: "how many items the source takes before it returns",
    needs: &[],
    alone: false,
};

fn leaves_others_their_turn(t: &Trial) -> Check {
    /// After that many items the stream ends, so that the test does, too.
    const ITEMS: u32 = 1_000_000;
    let mut f = Fixture::new(t)?;
    let (ping, _) = f.insert_ping("other source")?;
    let mut items = 0;
    let source = StreamSource::new(stream::iter(0..ITEMS))?;
    f.handle.insert_source(source, move |item, &mut (), cx| {
        items += 1;
        if items == 1 {
            ping.ping();
        }
        if item.is_none() {
            cx.mark("end");
        }
    })?;
    f.dispatch_until("the other source to be called", |trace| trace.count("other source") == 1)?;
    f.expect_marks(["other source"])
}

const UPDATED_MIDWAY: Rule = Rule {
    id: "STREAM-03",
    level: Level::Must,
    sentence: "A stream's items MUST come in order and each once, also if the source is updated, or \
               disabled and enabled, between them.",
    why: "A stream has no way to give an item a second time.",
    source: "calloop, documentation of StreamSource",
    check: "whether a registration that is renewed keeps the wake-up that was on its way",
    needs: &[],
    alone: false,
};

fn updated_midway(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    // An item in each poll, and a wake-up for the next.
    let mut items = (1..=4).collect::<std::collections::VecDeque<u32>>();
    let mut is_pending = false;
    let stream = stream::poll_fn(move |context| {
        is_pending = !is_pending;
        if is_pending {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(items.pop_front())
    });
    let token = f.handle.insert_source(StreamSource::new(stream)?, mark)?;
    for count in 1..=4 {
        f.dispatch_until("the next item", |trace| trace.marks().len() >= count)?;
        f.handle.update(&token)?;
        f.handle.disable(&token)?;
        f.expect_quiet()?;
        f.handle.enable(&token)?;
    }
    f.dispatch_until("the end", |trace| trace.count("end") == 1)?;
    f.expect_marks(["1", "2", "3", "4", "end"])
}

const WOKEN_BY_A_THREAD: Rule = Rule {
    id: "STREAM-51",
    level: Level::Must,
    sentence: "The waker of a stream MUST work from any thread, and wake a loop that sleeps.",
    why: "What a stream waits for often happens on another thread.",
    source: "std::task::Waker is Send and Sync",
    check: "what the waker does besides a flag",
    needs: &[],
    alone: false,
};

fn woken_by_a_thread(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let mut thread = None;
    let stream = stream::poll_fn(move |context| {
        if thread.is_some() {
            return Poll::Ready(None);
        }
        let waker = context.waker().clone();
        // By then the loop sleeps; before, it would see the wake-up without being woken.
        thread = Some(thread::spawn(move || {
            thread::sleep(Duration::from_millis(10));
            waker.wake();
        }));
        Poll::Pending
    });
    f.handle.insert_source(StreamSource::new(stream)?, mark)?;
    f.dispatch_until("the end", |trace| trace.count("end") == 1)
}
