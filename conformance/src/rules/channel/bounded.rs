//! Channels that hold a limited number of messages.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::race::{Tally, expect_all};
use super::{marking, result_of, send};
use crate::adapter::{Adapter, Capability, Refusal, Sender};
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&HOLDS, holds),
        Case::new::<A>(&SENDER_WAITS, sender_waits),
        Case::new::<A>(&MANY_WAIT, many_wait),
        Case::new::<A>(&CLOSES, closes),
        Case::new::<A>(&REMOVED_WHILE_FULL, removed_while_full),
    ]
}

const HOLDS: Rule = Rule {
    id: "CHAN-09",
    level: Level::Must,
    sentence: "A bounded channel MUST take as many messages as it has room for without a wait; the \
               next MUST come back from `try_send`, and find room once the loop has taken some.",
    why: "The bound is what keeps a quick sender from filling the memory.",
    source: "calloop, test basic_sync_channel; std, documentation of mpsc::sync_channel",
    check: "what the bound counts, and who makes room",
    needs: &[Capability::BoundedChannel],
    alone: false,
};

fn holds<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for bound in [1, 3, 100] {
        let before = t.trial.trace.marks().len();
        let (sender, source) = A::insert_bounded_channel(&t.handle, bound, marking::<A, usize>(t))?;
        for message in 0..bound {
            let outcome = sender.try_send(message);
            ensure_eq!(outcome, Ok(()), "try_send number {message} to a bound of {bound}");
        }
        // A loop may not count the one that it is about to take.
        let mut refused = (bound..bound + 2).map(|message| (message, sender.try_send(message)));
        let refused = refused.find(|(_, outcome)| outcome.is_err());
        let Some((message, outcome)) = refused else {
            let actual = format_args!("{} were taken", bound + 2).to_string();
            return Err(Deviation::new(format_args!("{bound} messages to be taken"), actual));
        };
        ensure_eq!(outcome, Err(Refusal::Full(message)), "try_send to a full channel");
        t.dispatch_until("the messages", |trace| trace.marks().len() >= before + message)?;
        let outcome = sender.try_send(message);
        ensure_eq!(outcome, Ok(()), "try_send once the loop has taken the others");
        t.dispatch_until("one more", |trace| trace.marks().len() > before + message)?;
        let expected: Vec<String> = (0..=message).map(|message| message.to_string()).collect();
        ensure_eq!(t.trial.trace.marks()[before..], expected, "messages of a bounded channel");
        A::remove(&t.handle, source);
    }
    t.expect_sleep()
}

const SENDER_WAITS: Rule = Rule {
    id: "CHAN-117",
    level: Level::Must,
    sentence: "A sender that finds a bounded channel full MUST wait until the loop has made room, and \
               no longer; messages stay in order.",
    why: "The sender is slowed down to what the loop can take, and nothing is lost.",
    source: "calloop, documentation of SyncSender::send",
    check: "whether the loop is woken by a sender that waits, and wakes it when it has made room",
    needs: &[Capability::BoundedChannel],
    alone: false,
};

fn sender_waits<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const MESSAGES: usize = 300;
    let (sender, _source) = A::insert_bounded_channel(&t.handle, 2, marking::<A, usize>(t))?;
    let (progress, is_sent) = mpsc::channel();
    let there = sender.clone();
    let sending = thread::spawn(move || {
        for message in 0..MESSAGES {
            if there.send(message).is_err() {
                return message;
            }
            let _ = progress.send(());
        }
        MESSAGES
    });
    // Nobody dispatches: the sender has to come to a halt.
    let pause = Duration::from_millis(5);
    let mut sent = 0;
    while is_sent.recv_timeout(pause).is_ok() {
        sent += 1;
    }
    ensure!(
        sent < MESSAGES,
        "a sender that waits for room",
        "all {sent} were taken by a bound of 2"
    );
    t.dispatch_until("the messages of a sender that waits for room", |trace| {
        trace.marks().len() >= MESSAGES
    })?;
    let taken = result_of(t, "a thread that sends", sending)?;
    ensure_eq!(taken, MESSAGES, "messages that were taken");
    let expected: Vec<String> = (0..MESSAGES).map(|message| message.to_string()).collect();
    ensure_eq!(t.trial.trace.marks(), expected, "messages of a bounded channel");
    Ok(())
}

const MANY_WAIT: Rule = Rule {
    id: "CHAN-118",
    level: Level::Must,
    sentence: "Several senders that wait for room in a bounded channel MUST all have their turn.",
    why: "A sender that is forgotten is a thread that hangs.",
    source: "std, documentation of mpsc::sync_channel",
    check: "whether room that was made wakes one that waits, each time",
    needs: &[Capability::BoundedChannel],
    alone: true,
};

fn many_wait<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let tally = Tally::of(3);
    let (sender, _source) = A::insert_bounded_channel(&t.handle, 1, Tally::keep(&tally))?;
    expect_all(t, &sender, &tally, 500)
}

const CLOSES: Rule = Rule {
    id: "CHAN-119",
    level: Level::Must,
    sentence: "When the last sender of a bounded channel is dropped in another thread, a wait that \
               goes on MUST end, and the end be reported, once, after all messages.",
    why: "A thread that ends, or panics, is noticed by the end of what it sent.",
    source: "calloop, pull request 236, on the drop of a SyncSender",
    check: "the order of: let go of the queue, wake the loop; for the last of all clones",
    needs: &[Capability::BoundedChannel],
    alone: false,
};

fn closes<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for round in 1..=30 {
        let (sender, _source) = A::insert_bounded_channel(&t.handle, 4, marking::<A, &str>(t))?;
        let clone = sender.clone();
        send(&sender, "message")?;
        let first = thread::spawn(move || drop(sender));
        let second = thread::spawn(move || {
            if round % 2 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            drop(clone);
        });
        t.dispatch_until("the end of a bounded channel", |trace| trace.count("closed") >= round)?;
        result_of(t, "a thread that drops a sender", first)?;
        result_of(t, "a thread that drops a sender", second)?;
    }
    t.expect_sleep()?;
    t.expect_marks(&["message", "closed"].repeat(30))
}

const REMOVED_WHILE_FULL: Rule = Rule {
    id: "CHAN-120",
    level: Level::Must,
    sentence: "A sender that waits for room MUST get its message back when the channel is removed, or \
               its loop dropped.",
    why: "A thread that waits for a loop that is gone hangs, and who joins it as well.",
    source: "std, documentation of mpsc::SyncSender::send",
    check: "whether the receiving end is dropped with the source, and wakes those that wait",
    needs: &[Capability::BoundedChannel],
    alone: false,
};

fn removed_while_full<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for is_loop_dropped in [false, true] {
        let mut event_loop = A::new()?;
        let (sender, source) =
            A::insert_bounded_channel(&event_loop.handle(), 1, marking::<A, usize>(t))?;
        let mut message = 0;
        while message < 3 && sender.try_send(message).is_ok() {
            message += 1;
        }
        let (about_to_send, begun) = mpsc::channel();
        let sending = thread::spawn(move || {
            let _ = about_to_send.send(());
            sender.send(message)
        });
        let has_begun = begun.recv_timeout(t.trial.limit(PATIENCE)).is_ok();
        ensure!(has_begun, "a thread that sends", "it does not begin");
        // Long enough for it to find the channel full, mostly.
        thread::sleep(Duration::from_millis(5));
        if is_loop_dropped {
            drop(source);
            drop(event_loop);
        } else {
            A::remove(&event_loop.handle(), source);
            event_loop.dispatch(Some(Duration::ZERO))?;
        }
        let how = if is_loop_dropped { "its loop was dropped" } else { "it was removed" };
        let outcome = result_of(
            t,
            &format!("a sender that waits for room in a channel to go on when {how}"),
            sending,
        )?;
        ensure_eq!(outcome, Err(message), "answer to a message that waited for room when {how}");
    }
    t.expect_marks::<&str>(&[])
}
