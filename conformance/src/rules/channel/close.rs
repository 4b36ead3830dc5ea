//! The end of a channel.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use super::{WAIT, marking, result_of, send};
use crate::adapter::{Adapter, Capability, ChannelEvent};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&LAST_OF_ALL, last_of_all),
        Case::new::<A>(&CLONES_REMAIN, clones_remain),
        Case::new::<A>(&GONE_BEFORE_THE_DISPATCH, gone_before_the_dispatch),
        Case::new::<A>(&FROM_ELSEWHERE, from_elsewhere),
        Case::new::<A>(&FROM_OWN_CALLBACK, from_own_callback),
        Case::new::<A>(&WHILE_DISABLED, while_disabled),
    ]
}

const LAST_OF_ALL: Rule = Rule {
    id: "CHAN-04",
    level: Level::Must,
    sentence: "When its last sender is gone a channel MUST report its end, once, after all messages, \
               and let the loop sleep.",
    why: "The end is the moment to act on the whole: no message may come after it, and none be lost.",
    source: "calloop, documentation of channel::Event::Closed; calloop, test basic_channel",
    check: "whether the end is found behind the messages, and reported again each time it is found",
    needs: &[Capability::Channel],
    alone: false,
};

fn last_of_all<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (sender, _source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
    send(&sender, "first")?;
    t.dispatch_until("a message", |trace| trace.count("first") > 0)?;
    send(&sender, "second")?;
    send(&sender, "third")?;
    drop(sender);
    t.dispatch_until("the end of the channel", |trace| trace.count("closed") > 0)?;
    t.expect_sleep()?;
    t.expect_marks(&["first", "second", "third", "closed"])?;
    // More than one dispatch can take.
    const MESSAGES: usize = 3_000;
    let (sender, _source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
    (0..MESSAGES).try_for_each(|_| send(&sender, "many"))?;
    drop(sender);
    t.dispatch_until("the end of the channel", |trace| trace.count("closed") > 1)?;
    let many = t.trial.trace.count("many");
    ensure!(many == MESSAGES, "the end after 3000 messages", "it came after {many}");
    t.expect_sleep()
}

const CLONES_REMAIN: Rule = Rule {
    id: "CHAN-108",
    level: Level::Must,
    sentence: "A channel MUST NOT report its end before every clone of its sender is gone.",
    why: "Whoever is left may still send.",
    source: "calloop, documentation of channel::Event::Closed; std, documentation of mpsc",
    check: "whether clones are counted",
    needs: &[Capability::Channel],
    alone: false,
};

fn clones_remain<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (sender, _source) = A::insert_channel(&t.handle, marking::<A, usize>(t))?;
    let mut clones: Vec<_> = (0..4).map(|_| sender.clone()).collect();
    // The original goes first.
    drop(sender);
    for message in 0..4 {
        t.expect_sleep()?;
        let Some(clone) = clones.pop() else { break };
        send(&clone, message)?;
        if clones.is_empty() {
            clones.push(clone);
        }
        t.dispatch_until("a message of a clone", |trace| trace.marks().len() > message)?;
    }
    t.expect_marks(&["0", "1", "2", "3"])?;
    clones.clear();
    t.dispatch_until("the end of the channel", |trace| trace.count("closed") > 0)?;
    t.expect_sleep()?;
    t.expect_marks(&["0", "1", "2", "3", "closed"])
}

const GONE_BEFORE_THE_DISPATCH: Rule = Rule {
    id: "CHAN-109",
    level: Level::Must,
    sentence: "A channel whose senders are gone before the first dispatch MUST deliver what they have \
               sent, and then report its end.",
    why: "A thread may be done before the loop begins.",
    source: "calloop, test test_transient_passthrough",
    check: "whether the loop looks at a source that was not woken since it was inserted",
    needs: &[Capability::Channel],
    alone: false,
};

fn gone_before_the_dispatch<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (empty, _empty) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
    drop(empty);
    t.dispatch_until("the end of a channel without messages", |trace| !trace.marks().is_empty())?;
    let (sender, _source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
    send(&sender.clone(), "first")?;
    send(&sender, "second")?;
    drop(sender);
    t.dispatch_until("the end of a channel with messages", |trace| trace.count("closed") > 1)?;
    t.expect_sleep()?;
    t.expect_marks(&["closed", "first", "second", "closed"])
}

const FROM_ELSEWHERE: Rule = Rule {
    id: "CHAN-110",
    level: Level::Must,
    sentence: "The end of a channel MUST end a wait that goes on, when the last sender is dropped in \
               another thread.",
    why: "A thread that ends, or panics, is noticed by the end of what it sent.",
    source: "calloop, documentation of channel::Event::Closed",
    check: "the order of: let go of the queue, wake the loop",
    needs: &[Capability::Channel],
    alone: false,
};

fn from_elsewhere<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    /// Many, because what goes wrong here is a matter of a moment.
    const ROUNDS: usize = 150;
    for round in 1..=ROUNDS {
        let (sender, _source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
        let dropping = thread::spawn(move || {
            // Long enough for the loop to fall asleep, mostly.
            thread::sleep(Duration::from_micros(100));
            drop(sender);
        });
        let limit = t.trial.limit(WAIT * 2);
        while t.trial.trace.count("closed") < round {
            let start = Instant::now();
            t.event_loop.dispatch(Some(limit))?;
            let elapsed = start.elapsed();
            ensure!(
                elapsed < limit,
                "the end of a channel whose last sender is dropped in another thread",
                "in round {round} of {ROUNDS} the loop slept for {elapsed:?} instead"
            );
        }
        result_of(t, "a thread that drops a sender", dropping)?;
    }
    t.expect_sleep()?;
    ensure_eq!(t.trial.trace.count("closed"), ROUNDS, "ends of as many channels");
    Ok(())
}

const FROM_OWN_CALLBACK: Rule = Rule {
    id: "CHAN-111",
    level: Level::Must,
    sentence: "A channel whose last sender is dropped by its own callback MUST report its end after \
               the messages that are left.",
    why: "The message that says it is the last is answered by letting go.",
    source: "calloop, documentation of channel::Event::Closed",
    check: "whether a wake-up during the callback is cleared after it",
    needs: &[Capability::Channel],
    alone: false,
};

fn from_own_callback<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let own: Rc<RefCell<Option<Box<dyn std::any::Any>>>> = Rc::default();
    let (trace, own_within) = (t.trace(), own.clone());
    let (sender, _source) = A::insert_channel(&t.handle, move |_, event| match event {
        ChannelEvent::Message(message) => {
            let message: u32 = message;
            trace.mark(message);
            if message == 1 {
                own_within.take();
            }
        }
        ChannelEvent::Closed => trace.mark("closed"),
    })?;
    for message in 1..=3 {
        send(&sender, message)?;
    }
    own.replace(Some(Box::new(sender)));
    t.dispatch_until("the end of the channel", |trace| trace.count("closed") > 0)?;
    t.expect_sleep()?;
    t.expect_marks(&["1", "2", "3", "closed"])
}

const WHILE_DISABLED: Rule = Rule {
    id: "CHAN-112",
    level: Level::Must,
    sentence: "A channel whose last sender goes while it is disabled MUST report its messages and its \
               end once it is enabled, and not before.",
    why: "The end is an event as any other.",
    source: "calloop, documentation of LoopHandle::disable",
    check: "whether the end is given up when its source is silent",
    needs: &[Capability::Channel, Capability::Disable],
    alone: false,
};

fn while_disabled<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for (round, message) in [None, Some("message")].into_iter().enumerate() {
        let (sender, source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
        t.poll()?;
        A::disable(&t.handle, &source)?;
        message.into_iter().try_for_each(|message| send(&sender, message))?;
        drop(sender);
        // Nothing is called, and the loop sleeps.
        t.expect_sleep()?;
        A::enable(&t.handle, &source)?;
        t.dispatch_until("the end of a channel that is enabled again", |trace| {
            trace.count("closed") > round
        })?;
        t.expect_sleep()?;
    }
    t.expect_marks(&["closed", "message", "closed"])
}
