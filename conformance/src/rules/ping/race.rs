//! Wake-ups that race with the loop's falling asleep.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Pinger, WAIT, insert};
use crate::adapter::{Adapter, Capability};
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![Case::new::<A>(&NONE_LOST, none_lost), Case::new::<A>(&STORM, storm)]
}

/// What a thread has asked for, and what the loop has seen of it.
#[derive(Default)]
struct Account {
    asked: AtomicU64,
    seen: AtomicU64,
    is_done: AtomicBool,
}

impl Account {
    /// The loop's part: takes note of all that was asked.
    fn see(&self) {
        self.seen.store(self.asked.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

const NONE_LOST: Rule = Rule {
    id: "PING-111",
    level: Level::Must,
    sentence: "A ping MUST NOT be lost, at whatever moment it comes: while the loop falls asleep, \
               sleeps, wakes up, or calls back.",
    why: "A wake-up that is lost once in a million times is a program that hangs once a day.",
    source: "libuv, test async_pummel; libevent, test active_later; calloop, pull request 227",
    check: "the order of: take back that one is awake, look for wake-ups, sleep; and of: clear the \
            wake-up, look for work",
    needs: &[Capability::Ping],
    alone: true,
};

fn none_lost<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // One thread alone, so that no other covers up for a ping that is lost; then some at a time,
    // with one source for all or one for each.
    for (threads, sources) in [(1, 1), (3, 1), (3, 3)] {
        let accounts: Vec<Arc<Account>> = (0..threads).map(|_| Arc::default()).collect();
        let mut pings = Vec::new();
        for source in 0..sources {
            let accounts: Vec<_> = accounts.iter().skip(source).step_by(sources).cloned().collect();
            pings.push(insert::<A>(&t.handle, move |_| {
                accounts.iter().for_each(|account| account.see());
            })?);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut asking = Vec::new();
        for (number, account) in accounts.iter().cloned().enumerate() {
            let (ping, stop) = (pings[number % sources].0.clone(), stop.clone());
            asking.push(thread::spawn(move || ask(&account, &ping, &stop)));
        }
        let outcome = answer(t, &accounts);
        stop.store(true, Ordering::SeqCst);
        let mut asked = 0;
        for thread in asking {
            asked += thread.join().map_err(|_| Deviation::new("a thread that pings", "a panic"))?;
        }
        t.trial.trace.note(format_args!("{threads} threads, {sources} sources: {asked} pings"));
        outcome?;
        for (_, source) in pings {
            A::remove(&t.handle, source);
        }
    }
    Ok(())
}

/// Pings, and waits until the loop has seen it, again and again.
fn ask(account: &Account, ping: &Pinger, stop: &AtomicBool) -> u64 {
    const PINGS: u64 = 3_000;
    const TIME: Duration = Duration::from_millis(150);
    let start = Instant::now();
    let mut asked = 0;
    while asked < PINGS && start.elapsed() < TIME {
        asked += 1;
        account.asked.store(asked, Ordering::SeqCst);
        ping();
        let mut turns = 0_u32;
        while account.seen.load(Ordering::SeqCst) < asked {
            if stop.load(Ordering::SeqCst) {
                return asked;
            }
            turns += 1;
            if turns % 64 == 0 {
                // The loop may need this processor.
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
        // From no pause at all to one in which the loop falls asleep.
        (0..asked % 97).for_each(|_| std::hint::spin_loop());
    }
    account.is_done.store(true, Ordering::SeqCst);
    ping();
    asked
}

/// Dispatches until the threads are done; fails when the loop sleeps through a ping.
fn answer<A: Adapter>(t: &mut Fixture<'_, A>, accounts: &[Arc<Account>]) -> Check {
    // A thread pings again as soon as the loop has seen its last ping, unless it is kept from
    // running for as long as this.
    let limit = t.trial.limit(WAIT * 2);
    while !accounts.iter().all(|account| account.is_done.load(Ordering::SeqCst)) {
        let start = Instant::now();
        t.event_loop.dispatch(Some(limit))?;
        let elapsed = start.elapsed();
        let asked = |account: &Arc<Account>| account.asked.load(Ordering::SeqCst);
        ensure!(
            elapsed < limit,
            "each ping to end the wait that it meets",
            "the loop slept for {elapsed:?} after {} pings, though threads pinged",
            accounts.iter().map(asked).sum::<u64>()
        );
    }
    Ok(())
}

const STORM: Rule = Rule {
    id: "PING-112",
    level: Level::Must,
    sentence: "However many threads ping at once, the callback MUST be called after the last ping, and \
               no more often than there were pings.",
    why: "What the last thread has left is found only if somebody looks once more.",
    source: "libuv, test async_pummel; mio, test multiple_wakeups",
    check: "whether a ping that finds another under way relies on that one to be seen",
    needs: &[Capability::Ping],
    alone: true,
};

fn storm<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const THREADS: u64 = 8;
    const PINGS: u64 = 2_000;
    let sent = Arc::new(AtomicU64::new(0));
    let (seen, calls) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (sent_within, seen_within, calls_within) = (sent.clone(), seen.clone(), calls.clone());
    let (ping, _source) = insert::<A>(&t.handle, move |_| {
        seen_within.set(sent_within.load(Ordering::SeqCst));
        calls_within.set(calls_within.get() + 1);
    })?;
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (ping, sent) = (ping.clone(), sent.clone());
            thread::spawn(move || {
                for _ in 0..PINGS {
                    sent.fetch_add(1, Ordering::SeqCst);
                    ping();
                }
            })
        })
        .collect();
    let limit = t.trial.limit(PATIENCE);
    let start = Instant::now();
    while seen.get() < THREADS * PINGS {
        let elapsed = start.elapsed();
        ensure!(
            elapsed < limit,
            format_args!("a call after the last of {} pings", THREADS * PINGS),
            "the last call, of {}, saw {} pings, {elapsed:?} ago",
            calls.get(),
            seen.get()
        );
        t.event_loop.dispatch(Some(limit - elapsed))?;
    }
    for thread in threads {
        thread.join().map_err(|_| Deviation::new("a thread that pings", "a panic"))?;
    }
    t.trial.trace.note(format_args!("{} calls for {} pings", calls.get(), seen.get()));
    for _ in 0..8 {
        t.event_loop.dispatch(Some(Duration::ZERO))?;
    }
    t.expect_sleep()?;
    ensure!(
        calls.get() <= THREADS * PINGS,
        format_args!("at most {} calls", THREADS * PINGS),
        "{} calls",
        calls.get()
    );
    ensure_eq!(sent.load(Ordering::SeqCst), THREADS * PINGS, "pings that were sent");
    Ok(())
}
