//! Memory.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::kit::{FAR, has, insert_once, insert_reader};
use crate::adapter::{Adapter, Capability, ChannelEvent, Failure, Sender, Spawn};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::system::resident_kib;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&CAPTURED, captured),
        Case::new::<A>(&TIMER_CHURN, timer_churn),
        Case::new::<A>(&TRAFFIC, traffic),
    ]
}

const CAPTURED: Rule = Rule {
    id: "RES-108",
    level: Level::Must,
    sentence: "What the callback of a source has captured MUST be dropped when the source was \
               removed, at the latest with the next dispatch, whatever its kind.",
    why: "It may hold megabytes, a lock or a connection.",
    source: "glib, tests on finalization; calloop, test drop_of_subsource",
    check: "what still refers to a source that was removed",
    needs: &[Capability::Timers],
    alone: false,
};

fn captured<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let witness = Rc::new(());
    // Removed before and after the loop has seen them.
    for is_seen in [false, true] {
        for Holder { kind, source, outside: _kept } in insert_holders::<A>(&t.handle, &witness)? {
            if is_seen {
                t.poll()?;
            }
            let before = Rc::strong_count(&witness);
            A::remove(&t.handle, source);
            t.poll()?;
            ensure_eq!(
                Rc::strong_count(&witness),
                before - 1,
                "holders after the {kind} was removed"
            );
        }
        ensure_eq!(Rc::strong_count(&witness), 1, "holders after all sources were removed");
    }
    Ok(())
}

/// A source whose callback, or future, holds something.
struct Holder<S> {
    kind: &'static str,
    source: S,
    /// What the source would end without.
    outside: Box<dyn Any>,
}

/// One of each kind, all of which hold the witness.
fn insert_holders<A: Adapter>(
    handle: &A::Handle,
    witness: &Rc<()>,
) -> Result<Vec<Holder<A::Source>>, Failure> {
    let hold = || {
        let held = witness.clone();
        move |_: &A::Handle| drop(held.clone())
    };
    let mut holders = Vec::new();
    let mut add = |kind, source, outside| holders.push(Holder { kind, source, outside });
    add("timer", insert_once::<A>(handle, FAR, hold())?, Box::new(()));
    if has::<A>(Capability::Descriptors) {
        let (wire, source) = insert_reader::<A>(handle, hold())?;
        add("descriptor", source, Box::new(wire));
    }
    if has::<A>(Capability::Ping) {
        let (ping, source) = A::insert_ping(handle, hold())?;
        add("ping", source, Box::new(ping));
    }
    if has::<A>(Capability::Channel) {
        let call = hold();
        let (sender, source) = A::insert_channel::<(), _>(handle, move |handle, _| call(handle))?;
        add("channel", source, Box::new(sender));
    }
    if has::<A>(Capability::Executor) {
        let held = witness.clone();
        let (spawner, source) = A::insert_executor(handle, |_, ()| {})?;
        spawner.spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        add("executor with a future", source, Box::new(spawner));
    }
    Ok(holders)
}

/// Fails if the memory of the process grows from the second repetition on.
fn expect_no_growth(what: &str, mut repeat: impl FnMut() -> Result<(), Deviation>) -> Check {
    const GROWTH_MAX_KIB: usize = 200;
    const REPETITIONS: usize = 3;
    // The first one fills caches and buffers.
    repeat()?;
    let before = resident_kib()?;
    for _ in 0..REPETITIONS {
        repeat()?;
    }
    let growth = resident_kib()?.saturating_sub(before);
    ensure!(
        growth <= GROWTH_MAX_KIB,
        format_args!("memory that stays the same while {what} are repeated {REPETITIONS} times"),
        "it grew by {growth} KiB from {before} KiB"
    );
    Ok(())
}

const TIMER_CHURN: Rule = Rule {
    id: "RES-109",
    level: Level::Must,
    sentence: "Timers that are inserted and removed before they are due MUST NOT make memory grow.",
    why: "A timeout for each request is set and cancelled thousands of times a second, and its \
          deadline may be an hour away.",
    source: "https://github.com/Smithay/calloop/issues/233; \
             https://github.com/Smithay/smithay/pull/1927",
    check: "whether a cancelled timer stays in the heap until its deadline",
    needs: &[Capability::Timers],
    alone: false,
};

fn timer_churn<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMERS: usize = 4_000;
    let Fixture { event_loop, handle, .. } = t;
    expect_no_growth("4000 timers, inserted and removed,", || {
        for number in 0..TIMERS {
            let load = [number; 16];
            let source = insert_once::<A>(handle, FAR, move |_| {
                std::hint::black_box(load);
            })?;
            A::remove(handle, source);
            if number % 500 == 0 {
                event_loop.dispatch(Some(Duration::ZERO))?;
            }
        }
        Ok(())
    })
}

const TRAFFIC: Rule = Rule {
    id: "RES-110",
    level: Level::Must,
    sentence: "Messages, idle callbacks and futures that pass through a loop MUST NOT make memory \
               grow, and each message MUST be dropped.",
    why: "A program that runs for months passes billions of them.",
    source: "Revolt, DriverTest: testNoMemoryLeak",
    check: "what is kept of something that was delivered",
    needs: &[Capability::Channel],
    alone: false,
};

fn traffic<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const BURSTS: usize = 60;
    const BURST: usize = 100;
    let sent = Arc::new(());
    let (sender, _source) = A::insert_channel::<(Arc<()>, [u64; 16]), _>(&t.handle, |_, event| {
        if let ChannelEvent::Message((_, load)) = event {
            std::hint::black_box(load);
        }
    })?;
    let executor = match has::<A>(Capability::Executor) {
        true => Some(A::insert_executor::<(), _>(&t.handle, |_, ()| {})?.0),
        false => None,
    };
    let Fixture { event_loop, handle, .. } = t;
    expect_no_growth("6000 messages, idle callbacks and futures", || {
        for _ in 0..BURSTS {
            for _ in 0..BURST {
                let message = (sent.clone(), [7; 16]);
                ensure!(sender.send(message).is_ok(), "a message to be taken", "it was refused");
                if has::<A>(Capability::Idle) {
                    let load = [7_u64; 16];
                    let idle = A::insert_idle(handle, move |_| {
                        std::hint::black_box(load);
                    })?;
                    drop(idle);
                }
                let is_taken = executor.iter().all(|spawner| spawner.spawn(async {}));
                ensure!(is_taken, "a future to be taken", "it was refused");
            }
            event_loop.dispatch(Some(Duration::ZERO))?;
            event_loop.dispatch(Some(Duration::ZERO))?;
        }
        Ok(())
    })?;
    for _ in 0..50 {
        event_loop.dispatch(Some(Duration::ZERO))?;
    }
    ensure_eq!(Arc::strong_count(&sent), 1, "holders of the messages, all of which were delivered");
    Ok(())
}
