//! A channel that is removed, and a loop that is dropped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{marking, result_of, send};
use crate::adapter::{Adapter, Capability, ChannelEvent, Refusal, Sender};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::OnDrop;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&REMOVED, removed),
        Case::new::<A>(&LOOP_DROPPED, loop_dropped),
        Case::new::<A>(&UNDELIVERED, undelivered),
        Case::new::<A>(&NOTHING_AFTER, nothing_after),
        Case::new::<A>(&REMOVES_ITSELF, removes_itself),
    ]
}

const REMOVED: Rule = Rule {
    id: "CHAN-08",
    level: Level::Must,
    sentence: "A message to a channel that was removed MUST come back.",
    why: "The sender learns that nobody listens, and can do something else with it.",
    source: "calloop, test test_transient_remove; std, documentation of mpsc::SendError",
    check: "whether the receiving end is dropped with the source",
    needs: &[Capability::Channel],
    alone: false,
};

fn removed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (sender, source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
    let clone = sender.clone();
    send(&sender, "delivered")?;
    t.dispatch_until("a message", |trace| trace.count("delivered") > 0)?;
    A::remove(&t.handle, source);
    t.poll()?;
    ensure_eq!(sender.send("late"), Err("late"), "send to a channel that was removed");
    ensure_eq!(
        sender.try_send("late"),
        Err(Refusal::Closed("late")),
        "try_send to a channel that was removed"
    );
    let sending = thread::spawn(move || clone.send("late"));
    let outcome = result_of(t, "a thread that sends", sending)?;
    ensure_eq!(outcome, Err("late"), "send by a clone in another thread");
    t.expect_sleep()?;
    t.expect_marks(&["delivered"])
}

const LOOP_DROPPED: Rule = Rule {
    id: "CHAN-113",
    level: Level::Must,
    sentence: "Senders MUST outlive their loop: a message to a channel whose loop was dropped comes \
               back.",
    why: "Threads end later than the loop that they worked for.",
    source: "calloop, documentation of channel; std, documentation of mpsc::SendError",
    check: "whether the loop drops its sources, and what a sender refers to",
    needs: &[Capability::Channel],
    alone: false,
};

fn loop_dropped<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let event_loop = A::new()?;
    let (sender, source) = A::insert_channel(&event_loop.handle(), marking::<A, &str>(t))?;
    drop(source);
    ensure_eq!(sender.send("never delivered"), Ok(()), "send to a channel in a loop");
    drop(event_loop);
    ensure_eq!(sender.send("late"), Err("late"), "send after the loop was dropped");
    let sending = thread::spawn(move || sender.send("late"));
    let outcome = result_of(t, "a thread that sends", sending)?;
    ensure_eq!(outcome, Err("late"), "send in another thread");
    t.expect_marks::<&str>(&[])
}

const UNDELIVERED: Rule = Rule {
    id: "CHAN-114",
    level: Level::Must,
    sentence: "Messages that were not delivered MUST be dropped with their channel, each once, whether \
               that is removed or its loop dropped.",
    why: "A message may hold what somebody waits for to be let go.",
    source: "std, documentation of mpsc::Receiver",
    check: "who holds the queue: the source, or the senders as well",
    needs: &[Capability::Channel],
    alone: false,
};

fn undelivered<A: Adapter>(_: &mut Fixture<'_, A>) -> Check {
    for is_loop_dropped in [false, true] {
        let drops = Arc::new(AtomicUsize::new(0));
        let received = Rc::new(Cell::new(0));
        let received_within = received.clone();
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let (sender, source) = A::insert_channel(&handle, move |_, event| {
            if let ChannelEvent::Message(_) = event {
                received_within.set(received_within.get() + 1);
            }
        })?;
        let send = |messages: usize| {
            for _ in 0..messages {
                let drops = drops.clone();
                let _ = sender.send(OnDrop(move || {
                    drops.fetch_add(1, Ordering::SeqCst);
                }));
            }
        };
        send(2);
        for _ in 0..4 {
            event_loop.dispatch(Some(Duration::from_millis(1)))?;
        }
        ensure_eq!(received.get(), 2, "messages delivered");
        ensure_eq!(drops.load(Ordering::SeqCst), 2, "messages dropped, two being delivered");
        send(3);
        if is_loop_dropped {
            drop((source, handle));
            drop(event_loop);
        } else {
            A::remove(&handle, source);
            event_loop.dispatch(Some(Duration::ZERO))?;
        }
        // The sender is still there.
        let dropped = drops.load(Ordering::SeqCst);
        let how = if is_loop_dropped { "the loop was dropped" } else { "the channel was removed" };
        ensure_eq!(dropped, 5, "messages dropped when {how} with three of five undelivered");
        send(1);
        ensure_eq!(drops.load(Ordering::SeqCst), 6, "messages dropped when one more came back");
    }
    Ok(())
}

const NOTHING_AFTER: Rule = Rule {
    id: "CHAN-115",
    level: Level::Must,
    sentence: "A channel that was removed MUST NOT report anything more: neither what was sent before, \
               nor its end.",
    why: "Whoever removes a source relies on silence.",
    source: "calloop, documentation of LoopHandle::remove",
    check: "whether a wake-up from before the removal still finds the source",
    needs: &[Capability::Channel],
    alone: false,
};

fn nothing_after<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (sender, source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
    send(&sender, "sent before")?;
    A::remove(&t.handle, source);
    t.expect_sleep()?;
    drop(sender);
    t.expect_sleep()?;
    let (sender, source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
    send(&sender, "sent before")?;
    drop(sender);
    A::remove(&t.handle, source);
    t.expect_sleep()?;
    t.expect_marks::<&str>(&[])
}

const REMOVES_ITSELF: Rule = Rule {
    id: "CHAN-116",
    level: Level::Must,
    sentence: "A channel that is removed by its own callback MUST NOT be called in a later dispatch, \
               whatever was sent.",
    why: "The message that ends the work is the last that the callback is prepared for; at most what \
          the loop had in hand comes after it.",
    source: "calloop, documentation of LoopHandle::remove: its callback is not called again",
    check: "whether a channel whose turn has come to an end before its queue asks for another",
    needs: &[Capability::Channel],
    alone: false,
};

fn removes_itself<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const MESSAGES: usize = 20_000;
    let own: Rc<RefCell<Option<A::Source>>> = Rc::default();
    let (received, own_within) = (Rc::new(Cell::new(0)), own.clone());
    let received_within = received.clone();
    let (sender, source) = A::insert_channel(&t.handle, move |handle, _| {
        received_within.set(received_within.get() + 1);
        if received_within.get() == 2 {
            own_within.take().into_iter().for_each(|own| A::remove(handle, own));
        }
    })?;
    own.replace(Some(source));
    for message in 0..MESSAGES {
        send(&sender, message)?;
    }
    t.dispatch_until("the message with which it removes itself", |_| received.get() >= 2)?;
    let before = received.get();
    ensure!(sender.send(0).is_err(), "a message to come back after that", "it was taken");
    drop(sender);
    t.expect_sleep()?;
    ensure_eq!(received.get(), before, "calls until the end of the dispatch, and in later ones");
    Ok(())
}
