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
    /// How many senders have sent their last.
    finished: usize,
    /// A message that was not the next of its sender: who, which, and which was.
    wrong: Option<(usize, usize, usize)>,
}

/// Who sends, the number of the message, and whether it is the last.
pub(super) type Message = (usize, usize, bool);

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
            let ChannelEvent::Message((from, number, is_last)) = event else { return };
            let tally = &mut *tally.borrow_mut();
            let next = tally.next[from];
            if number != next {
                tally.wrong.get_or_insert((from, number, next));
            }
            tally.next[from] += 1;
            tally.finished += usize::from(is_last);
        }
    }

    fn received(&self) -> usize {
        self.next.iter().sum()
    }
}

/// Sends so many messages, less if that takes long, and returns how many; `None` if one came back.
fn send_numbers(sender: &impl Sender<Message>, from: usize, messages: usize) -> Option<usize> {
    const TIME: Duration = Duration::from_secs(1);
    let start = Instant::now();
    for number in 0.. {
        let is_last = number + 1 >= messages || start.elapsed() > TIME;
        sender.send((from, number, is_last)).ok()?;
        if is_last {
            return Some(number + 1);
        }
    }
    None
}

/// Has a thread for each sender of the tally send so many messages, less if that takes long, and
/// dispatches until all have arrived.
pub(super) fn expect_all<A: Adapter>(
    t: &mut Fixture<'_, A>,
    sender: &impl Sender<Message>,
    tally: &RefCell<Tally>,
    messages: usize,
) -> Check {
    /// Longer than a thread is kept from running, mostly.
    const SPIN: Duration = Duration::from_millis(20);
    let senders = tally.borrow().next.len();
    let mut threads = Vec::new();
    for from in 0..senders {
        let sender = sender.clone();
        threads.push(thread::spawn(move || send_numbers(&sender, from, messages)));
    }
    // As long as threads send, the loop has no reason to sleep so long.
    let limit = t.trial.limit(WAIT * 3);
    let mut is_awake = false;
    while tally.borrow().finished < senders {
        let (start, before) = (Instant::now(), tally.borrow().received());
        is_awake = !is_awake;
        if is_awake {
            // A loop that does not sleep may be quicker than whoever wakes it.
            while tally.borrow().received() == before && start.elapsed() < SPIN {
                t.event_loop.dispatch(Some(Duration::ZERO))?;
            }
            continue;
        }
        t.event_loop.dispatch(Some(limit))?;
        let elapsed = start.elapsed();
        ensure!(
            elapsed < limit,
            format_args!("each message of {senders} threads to be delivered"),
            "the loop slept for {elapsed:?} after {:?} messages, though threads send",
            tally.borrow().next
        );
    }
    let mut sent = Vec::new();
    for thread in threads {
        sent.push(result_of(t, "a thread that sends", thread)?);
    }
    t.expect_sleep()?;
    let tally = tally.borrow();
    if let Some((from, number, next)) = tally.wrong {
        ensure_eq!(number, next, "next message of sender {from}");
    }
    let received: Vec<_> = tally.next.iter().copied().map(Some).collect();
    ensure_eq!(received, sent, "messages of each sender");
    t.trial.trace.note(format_args!("{:?} messages of as many senders", tally.next));
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
