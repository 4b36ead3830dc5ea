//! A loop that has nothing to do does nothing.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::kinds::insert_kinds;
use super::kit::{FAR, has, insert_once, insert_reader, let_time_pass};
use crate::adapter::{Adapter, Capability, Ping, Sender};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&SLEEPS, sleeps),
        Case::new::<A>(&CALMS_DOWN, calms_down),
        Case::new::<A>(&SENDERS_GONE, senders_gone),
        Case::new::<A>(&DISABLED, disabled),
    ]
}

/// The time that this process has had of a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

const SLEEPS: Rule = Rule {
    id: "RES-101",
    level: Level::Must,
    sentence: "While nothing happens, a loop with sources of every kind MUST sleep: one dispatch \
               lasts, and the processor does nothing.",
    why: "A program in the background must not empty the battery.",
    source: "https://github.com/waycrate/exwlshelleventloop/pull/364; libevent, tests on the \
             changelist",
    check: "whether the wait has a period of its own, and whether a thread spins",
    needs: &[Capability::Timers, Capability::OneWaitADispatch],
    alone: false,
};

fn sleeps<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const SLEEP: Duration = Duration::from_millis(60);
    /// As much as a loop that spins has on a busy machine; one that sleeps has a hundredth.
    const USED_MAX: Duration = Duration::from_millis(2);
    let _kinds = insert_kinds::<A>(&t.handle)?;
    insert_once::<A>(&t.handle, FAR, t.marker("far timer"))?;
    // A loop may have to look at its sources once.
    for _ in 0..3 {
        t.poll()?;
    }
    let mut used = Duration::MAX;
    for _ in 0..2 {
        let before = processor_time();
        let elapsed = t.dispatch(Some(SLEEP))?;
        used = used.min(processor_time().saturating_sub(before));
        t.trial.trace.note(format_args!("{used:?} of processor time at the least"));
        ensure!(elapsed >= SLEEP, "one dispatch that lasts 60 ms", "it lasted {elapsed:?}");
    }
    ensure!(used < USED_MAX, "next to no processor time in 60 ms", "{used:?} were used");
    Ok(())
}

const CALMS_DOWN: Rule = Rule {
    id: "RES-102",
    level: Level::Must,
    sentence: "After a source of any kind was called, the loop MUST sleep again.",
    why: "A wake-up that is not taken back makes a loop spin for ever, and nobody sees it but the \
          battery.",
    source: "https://github.com/Smithay/calloop/issues/34; mio, tests on spurious wake-ups",
    check: "which wake-up is still pending: a descriptor that was not read, a flag, a timer",
    needs: &[Capability::Timers],
    alone: false,
};

fn calms_down<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let kinds = insert_kinds::<A>(&t.handle)?;
    for kind in &kinds {
        (kind.make_due)()?;
        t.poll_until(kind.name, |_| kind.calls.get() > 0)?;
        t.trial.trace.note(format_args!("the {} was called; now to sleep", kind.name));
        t.expect_sleep()?;
        ensure_eq!(kind.calls.get(), 1, "calls of the {}", kind.name);
    }
    Ok(())
}

const SENDERS_GONE: Rule = Rule {
    id: "RES-103",
    level: Level::Must,
    sentence: "When the last ping, sender or spawner of a source is gone, and whatever follows from \
               that was done, the loop MUST sleep again.",
    why: "A thread that ends is no reason for the loop to spin.",
    source: "https://github.com/Smithay/calloop/issues/34; calloop, tests ping_closed and \
             ping_multiple_senders",
    check: "whether a closed descriptor or a closed queue stays ready",
    needs: &[Capability::Ping],
    alone: false,
};

fn senders_gone<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for is_used in [false, true] {
        let (ping, _source) = A::insert_ping(&t.handle, |_| {})?;
        if is_used {
            ping.ping();
        }
        drop(ping);
        if has::<A>(Capability::Channel) {
            let (sender, _source) = A::insert_channel(&t.handle, |_, _| {})?;
            let other = sender.clone();
            if is_used {
                ensure!(sender.send(1).is_ok(), "the channel to take a message", "it was refused");
            }
            drop((sender, other));
        }
        if has::<A>(Capability::Executor) {
            let (spawner, _source) = A::insert_executor::<(), _>(&t.handle, |_, ()| {})?;
            if is_used {
                let is_taken = crate::adapter::Spawn::spawn(&spawner, async {});
                ensure!(is_taken, "the executor to take a future", "it was refused");
            }
            drop(spawner);
        }
        for _ in 0..3 {
            t.poll()?;
        }
        t.expect_sleep()?;
    }
    Ok(())
}

const DISABLED: Rule = Rule {
    id: "RES-104",
    level: Level::Must,
    sentence: "A source that is disabled MUST NOT end a wait, though it is ready, due or pinged.",
    why: "A program disables a source because it cannot serve it now; a loop that wakes for it all \
          the same spins until it can.",
    source: "calloop, documentation of LoopHandle::disable; libuv, uv_poll_stop",
    check: "whether disabling takes the source out of the poller and out of the timers",
    needs: &[Capability::Timers, Capability::Disable],
    alone: false,
};

fn disabled<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let due = insert_once::<A>(&t.handle, Duration::ZERO, t.marker("timer"))?;
    let soon = insert_once::<A>(&t.handle, Duration::from_millis(2), t.marker("timer"))?;
    let mut sources = vec![due, soon];
    let reader = if has::<A>(Capability::Descriptors) {
        Some(insert_reader::<A>(&t.handle, t.marker("descriptor"))?)
    } else {
        None
    };
    sources.extend(reader.iter().map(|(_, source)| source.clone()));
    let ping = if has::<A>(Capability::Ping) {
        Some(A::insert_ping(&t.handle, t.marker("ping"))?)
    } else {
        None
    };
    sources.extend(ping.iter().map(|(_, source)| source.clone()));
    sources.iter().try_for_each(|source| A::disable(&t.handle, source))?;
    reader.iter().for_each(|(wire, _)| wire.send());
    ping.iter().for_each(|(ping, _)| ping.ping());
    let_time_pass();
    let start = Instant::now();
    t.expect_sleep()?;
    t.trial.trace.note(format_args!("slept for {:?}", start.elapsed()));
    t.expect_marks::<&str>(&[])
}
