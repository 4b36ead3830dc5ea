//! Messages arrive: all, once, in order, at once.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{WAIT, marking, result_of, send};
use crate::adapter::{Adapter, Capability, ChannelEvent, Sender};
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::insert_once;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&IN_ORDER, in_order),
        Case::new::<A>(&WAKES, wakes),
        Case::new::<A>(&BEFORE_THE_DISPATCH, before_the_dispatch),
        Case::new::<A>(&SENT_BY_CALLBACKS, sent_by_callbacks),
        Case::new::<A>(&INDEPENDENT, independent),
        Case::new::<A>(&ANY_PAYLOAD, any_payload),
        Case::new::<A>(&WHILE_DISABLED, while_disabled),
    ]
}

const IN_ORDER: Rule = Rule {
    id: "CHAN-01",
    level: Level::Must,
    sentence: "The messages of one sender MUST be delivered in the order of sending, each once, also \
               if dispatches come in between.",
    why: "Open, write, close is not the same as close, write, open.",
    source: "calloop, documentation of channel; std, documentation of mpsc",
    check: "what holds the messages, and what becomes of those that one dispatch leaves",
    needs: &[Capability::Channel],
    alone: false,
};

fn in_order<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const MESSAGES: u32 = 300;
    let received = Rc::new(RefCell::new(Vec::new()));
    let received_within = received.clone();
    let (sender, _source) = A::insert_channel(&t.handle, move |_, event| {
        if let ChannelEvent::Message(message) = event {
            received_within.borrow_mut().push(message);
        }
    })?;
    for message in 0..MESSAGES {
        send(&sender, message)?;
        if message % 7 == 0 {
            t.poll()?;
        }
    }
    t.dispatch_until("300 messages", |_| received.borrow().len() >= MESSAGES as usize)?;
    t.expect_sleep()?;
    let expected: Vec<u32> = (0..MESSAGES).collect();
    ensure_eq!(*received.borrow(), expected, "messages of one sender");
    Ok(())
}

const WAKES: Rule = Rule {
    id: "CHAN-02",
    level: Level::Must,
    sentence: "A message from another thread MUST end a wait that goes on, and be delivered in that \
               dispatch.",
    why: "A message that waits for the next event of another kind may wait for ever.",
    source: "calloop, documentation of Sender::send and pull request 28",
    check: "the order of: queue the message, wake the loop",
    needs: &[Capability::Channel],
    alone: false,
};

fn wakes<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (mut sender, _source) = A::insert_channel(&t.handle, marking::<A, usize>(t))?;
    for round in 1..=10 {
        // It comes back, because the end of a clone may have the loop look as well.
        let sending = thread::spawn(move || {
            thread::sleep(Duration::from_millis(2));
            (sender.send(round).is_ok(), sender)
        });
        let limit = t.trial.limit(PATIENCE);
        let elapsed = t.dispatch(Some(limit))?;
        let received = t.trial.trace.marks().len();
        ensure!(
            received == round && elapsed < limit,
            format_args!("message {round} ends a wait of {limit:?}"),
            "{received} messages so far; the wait took {elapsed:?}"
        );
        (_, sender) = result_of(t, "a thread that sends", sending)?;
    }
    Ok(())
}

const BEFORE_THE_DISPATCH: Rule = Rule {
    id: "CHAN-03",
    level: Level::Must,
    sentence: "Messages that were sent before the first dispatch MUST be delivered in it, which does \
               not wait.",
    why: "A program fills its queues before it starts its loop.",
    source: "calloop, test basic_channel",
    check: "whether the loop is told of messages that were there when it began",
    needs: &[Capability::Channel, Capability::OneWaitADispatch],
    alone: false,
};

fn before_the_dispatch<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (sender, _source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
    for message in ["one", "two", "three"] {
        send(&sender, message)?;
    }
    let elapsed = t.dispatch(Some(WAIT))?;
    ensure!(elapsed < WAIT, "the first dispatch not to wait", "it took {elapsed:?}");
    t.expect_marks(&["one", "two", "three"])
}

const SENT_BY_CALLBACKS: Rule = Rule {
    id: "CHAN-102",
    level: Level::Must,
    sentence: "A message that a callback sends MUST be delivered in this dispatch or the next, which \
               does not wait.",
    why: "Parts of a program on one thread talk by the same channels as those on others.",
    source: "calloop, documentation of channel",
    check: "whether a wake-up by the loop's own thread waits for another reason to go round",
    needs: &[Capability::Timers, Capability::Channel],
    alone: false,
};

fn sent_by_callbacks<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (sender, _source) = A::insert_channel(&t.handle, marking::<A, usize>(t))?;
    for round in 1..=20 {
        let sender = sender.clone();
        insert_once::<A>(&t.handle, Duration::ZERO, move |_| {
            // If it came back, it is missed below.
            let _ = sender.send(round);
        })?;
        t.poll()?;
        if t.trial.trace.marks().len() < round {
            let elapsed = t.dispatch(Some(WAIT))?;
            ensure!(elapsed < WAIT, "the next dispatch not to wait", "it took {elapsed:?}");
        }
        ensure_eq!(t.trial.trace.marks().len(), round, "messages, each sent by a callback");
    }
    t.expect_sleep()
}

const INDEPENDENT: Rule = Rule {
    id: "CHAN-103",
    level: Level::Must,
    sentence: "Channels MUST be independent: each message and each end MUST reach the channel that it \
               is for.",
    why: "Each callback knows only its own messages.",
    source: "calloop, documentation of channel",
    check: "which source a wake-up is addressed to",
    needs: &[Capability::Channel],
    alone: false,
};

fn independent<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let insert = |name: &'static str| {
        let trace = t.trace();
        A::insert_channel(&t.handle, move |_, event: ChannelEvent<&str>| match event {
            ChannelEvent::Message(message) => trace.mark(format_args!("{name}: {message}")),
            ChannelEvent::Closed => trace.mark(format_args!("{name}: closed")),
        })
    };
    let (first, _first) = insert("first")?;
    let (second, _second) = insert("second")?;
    let mut expected = Vec::new();
    let mut expect = |t: &mut Fixture<'_, A>, event: &'static str| {
        expected.push(event);
        t.dispatch_until(event, |trace| trace.marks().len() >= expected.len())?;
        t.expect_marks(&expected)
    };
    send(&second, "a")?;
    expect(t, "second: a")?;
    send(&first, "b")?;
    expect(t, "first: b")?;
    drop(first);
    expect(t, "first: closed")?;
    send(&second, "c")?;
    expect(t, "second: c")?;
    t.expect_sleep()
}

const ANY_PAYLOAD: Rule = Rule {
    id: "CHAN-104",
    level: Level::Must,
    sentence: "A message of any type MUST be handed over as it is and dropped once: large, without any \
               size, or one that cannot be cloned.",
    why: "Messages own what they carry: files, buffers, senders of answers.",
    source: "std, documentation of mpsc",
    check: "whether messages are moved, and who drops one",
    needs: &[Capability::Channel],
    alone: false,
};

/// Counts how often it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn any_payload<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const MESSAGES: usize = 50;
    let drops = Arc::new(AtomicUsize::new(0));
    let held = Rc::new(RefCell::new(Vec::new()));
    let held_within = held.clone();
    let (owned, _owned) = A::insert_channel(&t.handle, move |_, event| {
        if let ChannelEvent::Message(message) = event {
            held_within.borrow_mut().push(message);
        }
    })?;
    for _ in 0..MESSAGES {
        let message = Box::new((Counted(drops.clone()), [7_u8; 4096]));
        send(&owned, message)?;
    }
    t.dispatch_until("50 large messages", |_| held.borrow().len() >= MESSAGES)?;
    ensure_eq!(drops.load(Ordering::SeqCst), 0, "messages dropped while the callback holds them");
    held.borrow_mut().clear();
    ensure_eq!(drops.load(Ordering::SeqCst), MESSAGES, "messages dropped after that");
    let (empty, _empty) = A::insert_channel(&t.handle, {
        let trace = t.trace();
        move |_, event: ChannelEvent<()>| trace.mark(format_args!("{event:?}"))
    })?;
    for _ in 0..3 {
        send(&empty, ())?;
    }
    t.dispatch_until("three messages without size", |trace| trace.marks().len() >= 3)?;
    t.expect_marks(&["Message(())"; 3])
}

const WHILE_DISABLED: Rule = Rule {
    id: "CHAN-13",
    level: Level::Must,
    sentence: "Messages that are sent while a channel is disabled MUST be delivered once it is \
               enabled, and keep neither the callback nor the loop busy until then.",
    why: "What is silenced for a while is not to lose anything.",
    source: "calloop, documentation of LoopHandle::disable",
    check: "whether the wake-up is given up with the silence, or found again",
    needs: &[Capability::Channel, Capability::Disable],
    alone: false,
};

fn while_disabled<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (sender, source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
    send(&sender, "before")?;
    A::disable(&t.handle, &source)?;
    send(&sender, "meanwhile")?;
    t.expect_sleep()?;
    t.expect_marks::<&str>(&[])?;
    A::enable(&t.handle, &source)?;
    t.dispatch_until("the messages once the channel is enabled", |trace| trace.marks().len() >= 2)?;
    send(&sender, "after")?;
    t.dispatch_until("a message after that", |trace| trace.count("after") > 0)?;
    t.expect_sleep()?;
    t.expect_marks(&["before", "meanwhile", "after"])
}
