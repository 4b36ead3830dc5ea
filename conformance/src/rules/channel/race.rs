//! Many messages from many threads, and those that race with the loop's falling asleep.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{WAIT, marking, result_of};
use crate::adapter::{Adapter, Capability, ChannelEvent, Sender};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&SEVERAL_SENDERS, several_senders),
        Case::new::<A>(&NONE_LOST, none_lost),
        Case::new::<A>(&SEND_AND_LEAVE, send_and_leave),
    ]
}

/// What was received of several senders, who number their messages.
#[derive(Default)]
pub(super) struct Tally {
    /// The number of the next message of each sender.
    next: Vec<usize>,
    /// A message that was not the next of its sender: who, which, and which was.
    wrong: Option<(usize, usize, usize)>,
}

pub(super) type Message = (usize, usize);

impl Tally {
    pub(super) fn of(senders: usize) -> Rc<RefCell<Tally>> {
        Rc::new(RefCell::new(Tally { next: vec![0; senders], ..Tally::default() }))
    }

    /// A callback that keeps a tally.
    pub(super) fn keep<H>(
        tally: &Rc<RefCell<Tally>>,
    ) -> impl FnMut(&H, ChannelEvent<Message>) + use<H> {
        let tally = tally.clone();
        move |_, event| {
            let ChannelEvent::Message((from, number)) = event else { return };
            let tally = &mut *tally.borrow_mut();
            let next = tally.next[from];
            if number != next {
                tally.wrong.get_or_insert((from, number, next));
            }
            tally.next[from] += 1;
        }
    }
}

/// Has a thread for each sender of the tally send so many messages, and dispatches until all have
/// arrived.
pub(super) fn expect_all<A: Adapter>(
    t: &mut Fixture<'_, A>,
    sender: &impl Sender<Message>,
    tally: &RefCell<Tally>,
    messages: usize,
) -> Check {
    let senders = tally.borrow().next.len();
    let mut threads = Vec::new();
    for from in 0..senders {
        let sender = sender.clone();
        threads.push(thread::spawn(move || {
            (0..messages).all(|number| sender.send((from, number)).is_ok())
        }));
    }
    // As long as threads send, the loop has no reason to sleep so long.
    let limit = t.trial.limit(WAIT * 3);
    let received = || tally.borrow().next.iter().sum::<usize>();
    while received() < messages * senders {
        // Now and then the loop does not sleep, and may be quicker than whoever wakes it.
        for _ in 0..received() % 32 {
            t.event_loop.dispatch(Some(Duration::ZERO))?;
        }
        if received() == messages * senders {
            break;
        }
        let start = Instant::now();
        t.event_loop.dispatch(Some(limit))?;
        let elapsed = start.elapsed();
        ensure!(
            elapsed < limit,
            format_args!("{messages} messages from each of {senders} threads"),
            "the loop slept for {elapsed:?} after {:?} messages, though threads send",
            tally.borrow().next
        );
    }
    for thread in threads {
        let taken = result_of(t, "a thread that sends", thread)?;
        ensure!(taken, "each message to be taken", "one came back");
    }
    t.expect_sleep()?;
    let tally = tally.borrow();
    if let Some((from, number, next)) = tally.wrong {
        ensure_eq!(number, next, "next message of sender {from}");
    }
    ensure_eq!(tally.next, vec![messages; senders], "messages of each sender");
    Ok(())
}

const SEVERAL_SENDERS: Rule = Rule {
    id: "CHAN-101",
    level: Level::Must,
    sentence: "The messages of several senders in several threads MUST all be delivered, each once, \
               and those of one sender in their order.",
    why: "A pool of threads reports to one loop.",
    source: "calloop, documentation of channel; std, documentation of mpsc",
    check: "what a sender does that finds another at work, and who wakes the loop then",
    needs: &[Capability::Channel],
    alone: true,
};

fn several_senders<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let tally = Tally::of(4);
    let (sender, _source) = A::insert_channel(&t.handle, Tally::keep(&tally))?;
    expect_all(t, &sender, &tally, 5_000)
}

const NONE_LOST: Rule = Rule {
    id: "CHAN-125",
    level: Level::Must,
    sentence: "A message MUST NOT be left without a wake-up, at whatever moment it comes: while the \
               loop falls asleep, sleeps, wakes up, or finds the channel empty.",
    why: "A message that is stuck until the next is a request that is answered late, or never.",
    source: "calloop, pull requests 28 and 227; guido, pull request 116",
    check: "the order of: queue the message, wake the loop; and of: clear the wake-up, look at the \
            queue",
    needs: &[Capability::Channel],
    alone: true,
};

fn none_lost<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const MESSAGES: u32 = 5_000;
    const TIME: Duration = Duration::from_millis(200);
    const LAST: u32 = u32::MAX;
    let seen = Arc::new(AtomicU32::new(0));
    let (seen_there, seen_within) = (seen.clone(), seen.clone());
    let (sender, _source) = A::insert_channel(&t.handle, move |_, event| {
        if let ChannelEvent::Message(number) = event {
            seen_within.store(number, Ordering::SeqCst);
        }
    })?;
    // It sends the next as soon as one was seen, so that nothing covers up for one that is stuck.
    let sending = thread::spawn(move || {
        let (start, mut number) = (Instant::now(), 0);
        while number < MESSAGES && start.elapsed() < TIME {
            number += 1;
            let _ = sender.send(number);
            let mut turns = 0_u32;
            while seen_there.load(Ordering::SeqCst) < number && start.elapsed() < WAIT * 10 {
                turns += 1;
                if turns % 64 == 0 {
                    thread::yield_now();
                }
                std::hint::spin_loop();
            }
            // From no pause at all to one in which the loop falls asleep.
            (0..number % 97).for_each(|_| std::hint::spin_loop());
        }
        let _ = sender.send(LAST);
        // The end of the channel would wake the loop as well.
        (number, sender)
    });
    let limit = t.trial.limit(WAIT * 2);
    while seen.load(Ordering::SeqCst) != LAST {
        let start = Instant::now();
        t.event_loop.dispatch(Some(limit))?;
        let elapsed = start.elapsed();
        ensure!(
            elapsed < limit,
            "each message to end the wait that it meets",
            "the loop slept for {elapsed:?} after {} messages, though another was sent",
            seen.load(Ordering::SeqCst)
        );
    }
    let (sent, _sender) = result_of(t, "a thread that sends", sending)?;
    t.trial.trace.note(format_args!("{sent} messages, each sent when the one before was seen"));
    Ok(())
}

const SEND_AND_LEAVE: Rule = Rule {
    id: "CHAN-126",
    level: Level::Must,
    sentence: "A message and the end right behind it MUST both be delivered, at whatever moment they \
               come.",
    why: "A thread that has one result sends it and ends.",
    source: "calloop, pull request 236; calloop, test basic_channel",
    check: "whether the end wakes the loop although the message has just done so",
    needs: &[Capability::Channel],
    alone: true,
};

fn send_and_leave<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const ROUNDS: usize = 300;
    for round in 1..=ROUNDS {
        let (sender, _source) = A::insert_channel(&t.handle, marking::<A, &str>(t))?;
        let sending = thread::spawn(move || sender.send("message").is_ok());
        let limit = t.trial.limit(WAIT * 2);
        while t.trial.trace.count("closed") < round {
            let start = Instant::now();
            t.event_loop.dispatch(Some(limit))?;
            ensure!(
                start.elapsed() < limit,
                "a message and the end of its channel",
                "in round {round} the loop slept for {:?} after {} messages and {} ends",
                start.elapsed(),
                t.trial.trace.count("message"),
                t.trial.trace.count("closed")
            );
        }
        result_of(t, "a thread that sends", sending)?;
        t.event_loop.dispatch(Some(Duration::ZERO))?;
        ensure_eq!(t.trial.trace.count("message"), round, "messages of as many channels");
        ensure_eq!(t.trial.trace.count("closed"), round, "ends of as many channels");
    }
    t.expect_sleep()?;
    t.expect_marks(&["message", "closed"].repeat(ROUNDS))
}
