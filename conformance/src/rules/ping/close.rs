//! The end of a source, of its pings, and of the loop.

use std::rc::Rc;
use std::thread;
use std::time::Duration;

use super::insert;
use crate::adapter::{Adapter, Capability, Ping};
use crate::fixture::{Fixture, SILENCE};
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::rules::kit::{OnDrop, insert_once};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&LAST_ONE_DROPPED, last_one_dropped),
        Case::new::<A>(&PINGED_AND_DROPPED, pinged_and_dropped),
        Case::new::<A>(&CLONES_REMAIN, clones_remain),
        Case::new::<A>(&SOURCE_REMOVED, source_removed),
        Case::new::<A>(&LOOP_GONE, loop_gone),
    ]
}

const LAST_ONE_DROPPED: Rule = Rule {
    id: "PING-05",
    level: Level::Must,
    sentence: "When its last ping is dropped a source MUST go, without a call, and let the loop sleep.",
    why: "A closed pipe is readable for ever: a loop that does not act on it takes a processor.",
    source: "calloop, issue 34 and test ping_closed",
    check: "whether the end of the last ping is told from a ping, and the source removed for it",
    needs: &[Capability::Ping, Capability::PingCloses],
    alone: false,
};

fn last_one_dropped<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for elsewhere in [false, true] {
        let (trace, mut mark) = (t.trace(), t.marker("called"));
        let captured = OnDrop(move || trace.note("the callback is dropped"));
        let captured = Rc::new(captured);
        let gone = Rc::downgrade(&captured);
        let (ping, source) = A::insert_ping(&t.handle, move |handle| {
            let _ = &captured;
            mark(handle);
        })?;
        // What belongs to a source may live as long as its name.
        drop(source);
        t.poll()?;
        if elsewhere {
            let dropping = thread::spawn(move || {
                thread::sleep(Duration::from_millis(3));
                drop(ping);
            });
            t.dispatch(Some(SILENCE))?;
            dropping.join().map_err(|_| Deviation::new("a thread that drops", "a panic"))?;
        } else {
            drop(ping);
        }
        t.poll_until("the callback to be dropped when nobody can ping any more", |_| {
            gone.strong_count() == 0
        })?;
        t.expect_sleep()?;
    }
    t.expect_marks::<&str>(&[])
}

const PINGED_AND_DROPPED: Rule = Rule {
    id: "PING-108",
    level: Level::Must,
    sentence: "A source that was pinged before its last ping was dropped MUST be called for that, once.",
    why: "Whoever asks and leaves is heard.",
    source: "calloop, test ping_fired_and_removed",
    check: "which of the two is looked at first: that it was pinged, or that it is closed",
    needs: &[Capability::Ping, Capability::PingCloses],
    alone: false,
};

fn pinged_and_dropped<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for round in 1..=20 {
        let (ping, _source) = A::insert_ping(&t.handle, t.marker("called"))?;
        let ask_and_leave = move || {
            ping.ping();
            drop(ping);
        };
        if round % 2 == 0 {
            ask_and_leave();
        } else {
            let asking = thread::spawn(ask_and_leave);
            asking.join().map_err(|_| Deviation::new("a thread that pings", "a panic"))?;
        }
        t.dispatch_until("a call for the last ping", |trace| trace.count("called") >= round)?;
        t.poll()?;
        ensure_eq!(t.trial.trace.count("called"), round, "calls for as many last pings");
    }
    t.expect_sleep()
}

const CLONES_REMAIN: Rule = Rule {
    id: "PING-109",
    level: Level::Must,
    sentence: "As long as a clone of a ping is left, its source MUST be called for it, whichever others \
               are dropped.",
    why: "Those who ping come and go.",
    source: "calloop, test ping_multiple_senders",
    check: "whether clones are counted",
    needs: &[Capability::Ping],
    alone: false,
};

fn clones_remain<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (ping, _source) = A::insert_ping(&t.handle, t.marker("called"))?;
    let mut last = ping;
    for round in 1..=10 {
        // The original goes in the first round, a clone in each other.
        let next = last.clone();
        drop(last);
        last = next;
        t.poll()?;
        t.expect_marks(&vec!["called"; round - 1])?;
        last.ping();
        t.dispatch_until("a call for a clone", |trace| trace.count("called") >= round)?;
    }
    t.expect_sleep()
}

const SOURCE_REMOVED: Rule = Rule {
    id: "PING-06",
    level: Level::Must,
    sentence: "A ping to a source that was removed MUST do nothing, also when it came before the \
               removal, or another source has taken the place.",
    why: "Whoever pings from elsewhere cannot know that the source has gone.",
    source: "calloop, test ping_removed and issue 155",
    check: "what a wake-up is addressed by, and whether that can come to mean another source",
    needs: &[Capability::Ping],
    alone: false,
};

fn source_removed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for round in 0..10 {
        let (ping, source) = insert::<A>(&t.handle, t.marker("removed"))?;
        if round % 2 == 0 {
            ping();
        }
        A::remove(&t.handle, source);
        ping();
        let (next, next_source) = insert::<A>(&t.handle, t.marker("next"))?;
        t.poll()?;
        let elsewhere = ping.clone();
        let pinging = thread::spawn(move || elsewhere());
        pinging.join().map_err(|_| Deviation::new("a thread that pings", "a panic"))?;
        t.poll()?;
        t.expect_marks(&vec!["next"; round])?;
        next();
        t.dispatch_until("the next source to be called", |trace| trace.count("next") > round)?;
        A::remove(&t.handle, next_source);
    }
    t.expect_sleep()
}

const LOOP_GONE: Rule = Rule {
    id: "PING-110",
    level: Level::Must,
    sentence: "Pings MUST outlive their loop: to ping, to clone and to drop them then does nothing.",
    why: "Threads end later than the loop that they worked for.",
    source: "calloop, documentation of Ping; eventfd(2), on descriptors that were closed",
    check: "what a ping refers to, and who closes the descriptor that it writes to",
    needs: &[Capability::Timers, Capability::Ping],
    alone: false,
};

fn loop_gone<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut event_loop = A::new()?;
    let (ping, source) = insert::<A>(&event_loop.handle(), t.marker("called"))?;
    let (pinged, _) = insert::<A>(&event_loop.handle(), t.marker("called"))?;
    pinged();
    drop(source);
    drop(event_loop);
    // The numbers of its descriptors are taken again, by the next loop among others.
    event_loop = A::new()?;
    insert_once::<A>(&event_loop.handle(), Duration::from_secs(3600), |_| {})?;
    let elsewhere = ping.clone();
    let pinging = thread::spawn(move || {
        elsewhere();
        drop(elsewhere);
    });
    pinging.join().map_err(|_| Deviation::new("a thread that pings", "a panic"))?;
    ping();
    drop((ping, pinged));
    let start = std::time::Instant::now();
    event_loop.dispatch(Some(SILENCE))?;
    let elapsed = start.elapsed();
    ensure!(
        elapsed >= SILENCE,
        "another loop to sleep while a ping of one that is gone is used",
        "it slept {elapsed:?}"
    );
    t.expect_marks::<&str>(&[])
}
