//! Channels without room: a message goes from hand to hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::race::{Tally, expect_all};
use super::{marking, result_of};
use crate::adapter::{Adapter, Capability, Refusal, Sender};
use crate::fixture::{Fixture, PATIENCE, SILENCE};
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&NONE_HANGS, none_hangs),
        Case::new::<A>(&HAND_TO_HAND, hand_to_hand),
        Case::new::<A>(&NOBODY_THERE, nobody_there),
        Case::new::<A>(&REMOVED, removed),
        Case::new::<A>(&CLOSES, closes),
    ]
}

const NONE_HANGS: Rule = Rule {
    id: "CHAN-10",
    level: Level::Must,
    sentence: "A message to a channel without room MUST be delivered, whenever it comes.",
    why: "A sender that is missed waits for ever, and the loop, which nobody wakes again, as well.",
    source: "std, documentation of mpsc::sync_channel: a bound of 0 is a rendezvous",
    check: "whether the loop is woken once the sender can be found, or a moment before",
    needs: &[Capability::Rendezvous],
    alone: true,
};

fn none_hangs<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // One alone, whom nobody else wakes the loop for; then several.
    for (senders, messages) in [(1, 2_000), (3, 300)] {
        let tally = Tally::of(senders);
        let (sender, _source) = A::insert_bounded_channel(&t.handle, 0, Tally::keep(&tally))?;
        expect_all(t, &sender, &tally, messages)?;
    }
    Ok(())
}

const HAND_TO_HAND: Rule = Rule {
    id: "CHAN-121",
    level: Level::Must,
    sentence: "A send to a channel without room MUST NOT return before the loop has taken the message.",
    why: "Whoever has sent knows that the loop has come so far.",
    source: "std, documentation of mpsc::sync_channel: a bound of 0 is a rendezvous",
    check: "whether a bound of zero is taken for one",
    needs: &[Capability::Rendezvous],
    alone: false,
};

fn hand_to_hand<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (sender, _source) = A::insert_bounded_channel(&t.handle, 0, marking::<A, &str>(t))?;
    let has_returned = Arc::new(AtomicBool::new(false));
    let has_returned_there = has_returned.clone();
    let sending = thread::spawn(move || {
        let outcome = sender.send("message");
        has_returned_there.store(true, Ordering::SeqCst);
        outcome
    });
    thread::sleep(SILENCE / 2);
    ensure!(
        !has_returned.load(Ordering::SeqCst),
        "a send that waits for the loop",
        "it has returned though the loop did not dispatch"
    );
    t.dispatch_until("the message", |trace| trace.count("message") > 0)?;
    let outcome = result_of(t, "a send to return once the message is taken", sending)?;
    ensure_eq!(outcome, Ok(()), "send");
    t.dispatch_until("the end of the channel", |trace| trace.count("closed") > 0)?;
    t.expect_marks(&["message", "closed"])
}

const NOBODY_THERE: Rule = Rule {
    id: "CHAN-122",
    level: Level::Must,
    sentence: "A message to a channel without room MUST come back from `try_send` while the loop does \
               not wait for it.",
    why: "There is no place where it could be kept.",
    source: "std, documentation of mpsc::SyncSender::try_send",
    check: "whether a bound of zero is taken for one",
    needs: &[Capability::Rendezvous],
    alone: false,
};

fn nobody_there<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (sender, source) = A::insert_bounded_channel(&t.handle, 0, marking::<A, &str>(t))?;
    for _ in 0..3 {
        let outcome = sender.try_send("message");
        ensure_eq!(outcome, Err(Refusal::Full("message")), "try_send to a channel without room");
        t.poll()?;
    }
    A::remove(&t.handle, source);
    t.poll()?;
    let outcome = sender.try_send("message");
    ensure_eq!(outcome, Err(Refusal::Closed("message")), "try_send once it is removed");
    t.expect_sleep()?;
    t.expect_marks::<&str>(&[])
}

const REMOVED: Rule = Rule {
    id: "CHAN-123",
    level: Level::Must,
    sentence: "Senders that wait at a channel without room MUST get their messages back when it is \
               removed.",
    why: "A thread that waits for a loop that is gone hangs, and who joins it as well.",
    source: "std, documentation of mpsc::SyncSender::send",
    check: "whether the receiving end is dropped with the source, and wakes those that wait",
    needs: &[Capability::Rendezvous],
    alone: false,
};

fn removed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // Whether a sender waits by then is a matter of moments.
    for _ in 0..4 {
        let (sender, source) = A::insert_bounded_channel(&t.handle, 0, marking::<A, usize>(t))?;
        let (about_to_send, begun) = mpsc::channel();
        let mut waiting = Vec::new();
        for message in 0..3 {
            let (sender, about_to_send) = (sender.clone(), about_to_send.clone());
            waiting.push(thread::spawn(move || {
                let _ = about_to_send.send(());
                sender.send(message)
            }));
        }
        let has_begun = |()| begun.recv_timeout(t.trial.limit(PATIENCE)).is_ok();
        ensure!(
            [(); 3].into_iter().all(has_begun),
            "three threads that send",
            "one does not begin"
        );
        thread::sleep(Duration::from_millis(5));
        A::remove(&t.handle, source);
        t.poll()?;
        for (message, thread) in waiting.into_iter().enumerate() {
            let outcome = result_of(t, "a sender that waits to go on", thread)?;
            ensure_eq!(outcome, Err(message), "a message that nobody took");
        }
        ensure_eq!(sender.send(3), Err(3), "a message after that");
    }
    t.expect_sleep()?;
    t.expect_marks::<&str>(&[])
}

const CLOSES: Rule = Rule {
    id: "CHAN-124",
    level: Level::Must,
    sentence: "A channel without room MUST report its end when the last sender is dropped in another \
               thread, also if there was no message.",
    why: "The end is all that some channels are for.",
    source: "calloop, pull request 236, on the drop of a SyncSender",
    check: "whether the last sender wakes the loop",
    needs: &[Capability::Rendezvous],
    alone: false,
};

fn closes<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for round in 1..=10 {
        let (sender, _source) = A::insert_bounded_channel(&t.handle, 0, marking::<A, &str>(t))?;
        let clone = sender.clone();
        drop(sender);
        let dropping = thread::spawn(move || {
            thread::sleep(Duration::from_millis(1));
            drop(clone);
        });
        t.dispatch_until("the end of a channel without room", |trace| {
            trace.count("closed") >= round
        })?;
        result_of(t, "a thread that drops a sender", dropping)?;
    }
    t.expect_sleep()?;
    t.expect_marks(&["closed"; 10])
}
