//! Operations that a loop has or not.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::adapter::{Adapter, Capability, Failure, Interest, Mode, Next, Stop, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::rules::fds::usual_mode;
use crate::rules::kit::{FAR, Wire, has, insert_far, insert_once};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&DESCRIPTORS, descriptors),
        Case::new::<A>(&CHANGES, changes),
        Case::new::<A>(&TIMERS, timers),
        Case::new::<A>(&MESSAGES, messages),
        Case::new::<A>(&RUN, run),
        Case::new::<A>(&SIGNALS, signals),
        Case::new::<A>(&FUTURES, futures),
    ]
}

const WHY: &str = "What is not declared is not tested: an operation that an adapter makes up by \
                   itself would pass for the loop's own.";
const SOURCE: &str = "the adapter's documentation: an operation that the loop does not have stays at \
                      its default";

/// Fails unless an operation works that is declared, and one answers `Unsupported` that is not.
fn agree<T>(operation: &str, is_declared: bool, answer: Result<T, Failure>) -> Check {
    let answer = answer.map(drop);
    match (is_declared, &answer) {
        (true, Ok(())) | (false, Err(Failure::Unsupported)) => Ok(()),
        (true, Err(failure)) => Err(Deviation::new(
            format_args!("{operation}, which is declared, to work"),
            format_args!("{failure}"),
        )),
        (false, Ok(()) | Err(_)) => Err(Deviation::new(
            format_args!("{operation}, which is not declared, to answer Failure::Unsupported"),
            format_args!("{answer:?}"),
        )),
    }
}

const DESCRIPTORS: Rule = Rule {
    id: "CAP-01",
    level: Level::Must,
    sentence: "Descriptors MUST be watchable in the modes that are declared, and refused as \
               unsupported in the others.",
    why: WHY,
    source: SOURCE,
    check: "level, edge, one-shot and empty-interest among the capabilities",
    needs: &[],
    alone: false,
};

fn descriptors<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let insert = |interest, mode| -> Result<A::Source, Failure> {
        let (wire, fd) = Wire::new()?;
        A::insert_fd(&t.handle, fd, interest, mode, move |_, _, _| {
            let _ = &wire;
            Next::Continue
        })
    };
    for (mode, capability) in [
        (Mode::Level, Capability::Level),
        (Mode::Edge, Capability::Edge),
        (Mode::OneShot, Capability::OneShot),
    ] {
        let answer = insert(Interest::Read, mode);
        agree(&format!("a descriptor in mode {mode:?}"), has::<A>(capability), answer)?;
    }
    if has::<A>(Capability::Descriptors) {
        let answer = insert(Interest::None, usual_mode::<A>());
        agree("a descriptor watched for nothing", has::<A>(Capability::EmptyInterest), answer)?;
    }
    Ok(())
}

const CHANGES: Rule = Rule {
    id: "CAP-02",
    level: Level::Must,
    sentence: "`disable`, `enable` and `update_fd` MUST work if they are declared, and answer that \
               they are unsupported if not.",
    why: WHY,
    source: SOURCE,
    check: "disable and update among the capabilities",
    needs: &[],
    alone: false,
};

fn changes<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let is_declared = has::<A>(Capability::Disable);
    if let Some(timer) = insert_far::<A>(&t.handle, |_| {})? {
        agree("disable of a timer", is_declared, A::disable(&t.handle, &timer))?;
        agree("enable of a timer", is_declared, A::enable(&t.handle, &timer))?;
        if !has::<A>(Capability::Descriptors) {
            let answer = A::update_fd(&t.handle, &timer, Interest::Read, Mode::Level);
            return agree("update_fd, without descriptors", false, answer);
        }
    }
    if !has::<A>(Capability::Descriptors) {
        return Ok(());
    }
    let ((_wire, fd), mode) = (Wire::new()?, usual_mode::<A>());
    let source = A::insert_fd(&t.handle, fd, Interest::Read, mode, |_, _, _| Next::Continue)?;
    agree("disable of a descriptor", is_declared, A::disable(&t.handle, &source))?;
    agree("enable of a descriptor", is_declared, A::enable(&t.handle, &source))?;
    let answer = A::update_fd(&t.handle, &source, Interest::Write, mode);
    agree("update_fd", has::<A>(Capability::Update), answer)
}

const TIMERS: Rule = Rule {
    id: "CAP-03",
    level: Level::Must,
    sentence: "`insert_timer`, `insert_deadline` and `reset_timer` MUST work if they are declared, and \
               answer that they are unsupported if not.",
    why: WHY,
    source: SOURCE,
    check: "timers, deadlines and timer-reset among the capabilities",
    needs: &[],
    alone: false,
};

fn timers<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let answer = A::insert_deadline(&t.handle, Instant::now() + FAR, |_, _| TimerNext::Stop);
    agree("insert_deadline", has::<A>(Capability::Deadlines), answer)?;
    let answer = insert_once::<A>(&t.handle, FAR, |_| {});
    if !has::<A>(Capability::Timers) {
        return agree("insert_timer", false, answer);
    }
    let answer = A::reset_timer(&t.handle, &answer?, FAR);
    agree("reset_timer", has::<A>(Capability::TimerReset), answer)
}

const MESSAGES: Rule = Rule {
    id: "CAP-04",
    level: Level::Must,
    sentence: "Pings, channels and idle callbacks MUST be insertable if they are declared, and \
               refused as unsupported if not.",
    why: WHY,
    source: SOURCE,
    check: "ping, channel, bounded-channel, rendezvous and idle among the capabilities",
    needs: &[],
    alone: false,
};

fn messages<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let handle = &t.handle;
    agree("insert_ping", has::<A>(Capability::Ping), A::insert_ping(handle, |_| {}))?;
    let answer = A::insert_channel::<(), _>(handle, |_, _| {});
    agree("insert_channel", has::<A>(Capability::Channel), answer)?;
    for (bound, capability) in [(1, Capability::BoundedChannel), (0, Capability::Rendezvous)] {
        let answer = A::insert_bounded_channel::<(), _>(handle, bound, |_, _| {});
        agree(&format!("a channel with room for {bound}"), has::<A>(capability), answer)?;
    }
    agree("insert_idle", has::<A>(Capability::Idle), A::insert_idle(handle, |_| {}))
}

const RUN: Rule = Rule {
    id: "CAP-05",
    level: Level::Must,
    sentence: "`stopper`, `run` and `as_fd` MUST work if they are declared, and answer that they are \
               unsupported if not.",
    why: WHY,
    source: SOURCE,
    check: "wakeup, stop and embed among the capabilities",
    needs: &[],
    alone: false,
};

fn run<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let has_stop = has::<A>(Capability::Stop);
    agree("stopper", has_stop || has::<A>(Capability::Wakeup), t.event_loop.stopper())?;
    agree("as_fd", has::<A>(Capability::Embed), t.event_loop.as_fd())?;
    if has_stop {
        let stopper = t.event_loop.stopper()?;
        let each = move |_: &A::Handle| stopper.stop();
        agree("run", true, t.event_loop.run(Some(Duration::ZERO), each))
    } else {
        agree("run", false, t.event_loop.run(Some(Duration::ZERO), |_| {}))
    }
}

const SIGNALS: Rule = Rule {
    id: "CAP-06",
    level: Level::Must,
    sentence: "`insert_signals` and `set_signals` MUST work if they are declared, and answer that \
               they are unsupported if not.",
    why: WHY,
    source: SOURCE,
    check: "signals and signal-set among the capabilities",
    needs: &[],
    alone: false,
};

fn signals<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let numbers = [Signal::SIGUSR1 as i32];
    let is_declared = has::<A>(Capability::Signals);
    let answer = A::insert_signals(&t.handle, &numbers, |_, _| {});
    let source = match answer {
        Ok(source) if is_declared => source,
        answer => {
            agree("insert_signals", is_declared, answer)?;
            // Any source will do to be refused.
            let Some(timer) = insert_far::<A>(&t.handle, |_| {})? else { return Ok(()) };
            timer
        }
    };
    let answer = A::set_signals(&t.handle, &source, &numbers);
    agree("set_signals", has::<A>(Capability::SignalSet), answer)
}

const FUTURES: Rule = Rule {
    id: "CAP-07",
    level: Level::Must,
    sentence: "`insert_executor`, `adapt_io` and `sleep` MUST work if they are declared, and answer \
               that they are unsupported if not.",
    why: WHY,
    source: SOURCE,
    check: "executor, async-io and sleep among the capabilities",
    needs: &[],
    alone: false,
};

fn futures<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let answer = A::insert_executor::<(), _>(&t.handle, |_, ()| {});
    agree("insert_executor", has::<A>(Capability::Executor), answer)?;
    let (_wire, fd) = Wire::new()?;
    agree("adapt_io", has::<A>(Capability::AsyncIo), A::adapt_io(&t.handle, fd))?;
    agree("sleep", has::<A>(Capability::Sleep), A::sleep(&t.handle, FAR))
}
