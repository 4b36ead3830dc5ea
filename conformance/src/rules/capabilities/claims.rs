//! What a loop claims of its behaviour.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use super::compare;
use crate::adapter::{Adapter, CancelIdle, Capability, Ping, Stop, TimerNext};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{watch, watch_and};
use crate::rules::kit::{OnDrop, Wire, has, insert_once};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&EQUAL_DEADLINES, equal_deadlines),
        Case::new::<A>(&PRECISION, precision),
        Case::new::<A>(&IDLE_AND_SLEEP, idle_and_sleep),
        Case::new::<A>(&IDLE_CANCELLED, idle_cancelled),
        Case::new::<A>(&STOP_BEFORE_RUN, stop_before_run),
        Case::new::<A>(&ONE_WAIT, one_wait),
        Case::new::<A>(&TIMERS_AND_FDS, timers_and_fds),
        Case::new::<A>(&PING_CLOSES, ping_closes),
        Case::new::<A>(&PANICS, panics),
    ]
}

const WHY: &str = "A program that is moved from loop to loop looks here for what will be different; \
                   and the rules that rest on it are run or left out by it.";

const EQUAL_DEADLINES: Rule = Rule {
    id: "CAP-101",
    level: Level::Should,
    sentence: "A loop SHOULD declare equal-deadlines-fifo if and only if timers of one deadline fire \
               in the order of their insertion.",
    why: WHY,
    source: "libuv and glib order equal deadlines by insertion, others do not",
    check: "equal-deadlines-fifo among the capabilities, and the second key of the heap of timers",
    needs: &[Capability::Deadlines],
    alone: false,
};

fn equal_deadlines<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 160;
    const DELAY: Duration = Duration::from_millis(2);
    let deadline = Instant::now() + DELAY;
    for number in 0..COUNT {
        if number == COUNT / 2 {
            // The others come when it is over, and no dispatch was meanwhile.
            t.poll()?;
            thread::sleep(2 * DELAY);
        }
        let mut mark = t.marker(number);
        A::insert_deadline(&t.handle, deadline, move |handle, _| {
            mark(handle);
            TimerNext::Stop
        })?;
    }
    t.dispatch_until("every timer to fire", |trace| trace.marks().len() == COUNT)?;
    let marks = t.trial.trace.marks();
    let is_so = marks.iter().enumerate().all(|(number, mark)| *mark == number.to_string());
    compare::<A>(Capability::EqualDeadlinesFifo, is_so, format_args!("fired {}", marks.join(" ")))
}

const PRECISION: Rule = Rule {
    id: "CAP-102",
    level: Level::Should,
    sentence: "A loop SHOULD declare sub-millisecond-timers if and only if it keeps to times of less \
               than a millisecond.",
    why: WHY,
    source: "epoll_wait(2) counts milliseconds, epoll_pwait2(2) and timerfd nanoseconds",
    check: "sub-millisecond-timers among the capabilities, and how the time to wait is rounded",
    needs: &[Capability::Timers],
    alone: true,
};

/// Two timers that are half a millisecond apart, and fire so: those of a loop that counts
/// milliseconds fire together or a millisecond apart, one of them late.
fn precision<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const DELAYS: [Duration; 2] = [Duration::from_micros(200), Duration::from_micros(700)];
    const LATE: Duration = Duration::from_micros(300);
    const TRIES: usize = 200;
    let mut best: Option<Duration> = None;
    for _ in 0..TRIES {
        let fired = [(); 2].map(|()| Rc::new(Cell::new(None)));
        let start = Instant::now();
        for (at, delay) in fired.iter().zip(DELAYS) {
            let at = at.clone();
            insert_once::<A>(&t.handle, delay, move |_| at.set(Some(start.elapsed())))?;
        }
        while fired.iter().any(|at| at.get().is_none()) {
            t.event_loop.dispatch(None)?;
        }
        let [first, second] = fired.map(|at| at.get().unwrap_or_default());
        let lateness = first.saturating_sub(DELAYS[0]).max(second.saturating_sub(DELAYS[1]));
        if second.saturating_sub(first) > LATE {
            best = Some(best.map_or(lateness, |best| best.min(lateness)));
        }
        // The machine may be busy; a loop that rounds never comes near.
        if best.is_some_and(|best| best < LATE) {
            break;
        }
    }
    let seen = match best {
        Some(best) => format!("timers of {DELAYS:?} fired apart, and {best:?} late at best"),
        None => format!("timers of {DELAYS:?} fired together in each of {TRIES} tries"),
    };
    compare::<A>(Capability::SubMillisecondTimers, best.is_some_and(|best| best < LATE), seen)
}

const IDLE_AND_SLEEP: Rule = Rule {
    id: "CAP-103",
    level: Level::Should,
    sentence: "A loop SHOULD declare idle-prevents-sleep if and only if a pending idle callback keeps \
               it from sleeping.",
    why: WHY,
    source: "glib and libuv do not sleep while an idle callback is pending; calloop does",
    check: "idle-prevents-sleep among the capabilities, and what the time to wait depends on",
    needs: &[Capability::Idle],
    alone: false,
};

fn idle_and_sleep<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TIMEOUT: Duration = Duration::from_millis(30);
    const TRIES: usize = 3;
    let mut slept = Vec::new();
    for _ in 0..TRIES {
        drop(A::insert_idle(&t.handle, |_| {})?);
        slept.push(t.dispatch(Some(TIMEOUT))?);
    }
    // A busy machine may hold up a loop that does not sleep.
    let shortest = slept.into_iter().min().unwrap_or_default();
    let seen = format!("a dispatch of {TIMEOUT:?} took {shortest:?} with an idle callback pending");
    compare::<A>(Capability::IdlePreventsSleep, shortest < TIMEOUT / 2, seen)
}

const IDLE_CANCELLED: Rule = Rule {
    id: "CAP-104",
    level: Level::Should,
    sentence: "A loop SHOULD declare idle-cancel if and only if an idle callback that is cancelled \
               does not run.",
    why: WHY,
    source: "calloop, documentation of Idle::cancel",
    check: "idle-cancel among the capabilities, and what `cancel` does",
    needs: &[Capability::Idle],
    alone: false,
};

fn idle_cancelled<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let idle = A::insert_idle(&t.handle, t.marker("cancelled"))?;
    drop(A::insert_idle(&t.handle, t.marker("other"))?);
    idle.cancel();
    t.poll_until("the other idle callback to run", |trace| trace.count("other") == 1)?;
    let calls = t.trial.trace.count("cancelled");
    let seen = format!("{calls} calls of an idle callback that was cancelled");
    compare::<A>(Capability::IdleCancel, calls == 0, seen)
}

const STOP_BEFORE_RUN: Rule = Rule {
    id: "CAP-105",
    level: Level::Should,
    sentence: "A loop SHOULD declare stop-is-kept if and only if a stop before the run ends it.",
    why: WHY,
    source: "libuv, test loop_stop_before_run: it is kept; glib and calloop forget it",
    check: "stop-is-kept among the capabilities, and when the mark that the loop is stopped is cleared",
    needs: &[Capability::Stop],
    alone: false,
};

fn stop_before_run<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const DISPATCHES: u32 = 4;
    let stopper = t.event_loop.stopper()?;
    stopper.stop();
    let (dispatches, stop_later) = (Rc::new(Cell::new(0)), stopper.clone());
    let counter = dispatches.clone();
    t.event_loop.run(Some(Duration::from_millis(1)), move |_| {
        counter.set(counter.get() + 1);
        if counter.get() == DISPATCHES {
            stop_later.stop();
        }
    })?;
    let is_kept = dispatches.get() < DISPATCHES;
    let seen = format!("the run ended after {} dispatches", dispatches.get());
    compare::<A>(Capability::StopIsKept, is_kept, seen)
}

const ONE_WAIT: Rule = Rule {
    id: "CAP-106",
    level: Level::Should,
    sentence: "A loop SHOULD declare one-wait-a-dispatch if and only if a dispatch delivers all that \
               one wait brought, and nothing that came after.",
    why: WHY,
    source: "calloop, documentation of EventLoop::dispatch; libuv and tokio wait several times, or \
             deliver a part",
    check: "one-wait-a-dispatch among the capabilities, and what a dispatch repeats",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn one_wait<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 4;
    let (later_wire, later) = Wire::new()?;
    watch(t, later, "came after")?;
    let (mut wires, later_wire) = (Vec::new(), Rc::new(later_wire));
    let ping = match has::<A>(Capability::Ping) {
        true => {
            let later_wire = later_wire.clone();
            Some(A::insert_ping(&t.handle, move |_| later_wire.send())?.0)
        }
        false => None,
    };
    for _ in 0..COUNT {
        let ((wire, fd), later_wire) = (Wire::new()?, later_wire.clone());
        watch_and(t, fd, "brought", move |_| later_wire.send())?;
        wires.push(wire);
    }
    wires.iter().for_each(Wire::send);
    ping.iter().for_each(Ping::ping);
    t.poll()?;
    let (brought, after) = (t.trial.trace.count("brought"), t.trial.trace.count("came after"));
    let seen =
        format!("of {COUNT} that were ready {brought} were called, and {after} that came after");
    compare::<A>(Capability::OneWaitADispatch, brought == COUNT && after == 0, seen)
}

const TIMERS_AND_FDS: Rule = Rule {
    id: "CAP-107",
    level: Level::Should,
    sentence: "A loop SHOULD declare timers-and-fds-together if and only if timers that are due do \
               not keep descriptors from being polled in the same dispatch.",
    why: WHY,
    source: "calloop and libuv poll with timers due; others deliver the timers alone",
    check: "timers-and-fds-together among the capabilities, and when a dispatch polls",
    needs: &[Capability::Timers, Capability::Descriptors],
    alone: false,
};

fn timers_and_fds<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const ROUNDS: usize = 3;
    let mut together = 0;
    for round in 1..=ROUNDS {
        let (wire, fd) = Wire::new()?;
        let source = watch(t, fd, "descriptor")?;
        insert_once::<A>(&t.handle, Duration::ZERO, t.marker("timer"))?;
        wire.send();
        if !has::<A>(Capability::ImmediateTimers) {
            // A timer that is coarse is due when its millisecond is over.
            thread::sleep(Duration::from_millis(2));
        }
        t.poll()?;
        let (descriptor, timer) = (t.trial.trace.count("descriptor"), t.trial.trace.count("timer"));
        together += usize::from(descriptor == round && timer == round);
        t.dispatch_until("both to be called in the end", |trace| {
            trace.count("descriptor") >= round && trace.count("timer") >= round
        })?;
        A::remove(&t.handle, source);
    }
    let seen = format!("called in one dispatch in {together} of {ROUNDS} rounds");
    compare::<A>(Capability::TimersAndFdsTogether, together == ROUNDS, seen)
}

const PING_CLOSES: Rule = Rule {
    id: "CAP-108",
    level: Level::Should,
    sentence: "A loop SHOULD declare ping-closes if and only if a ping whose handles are gone removes \
               itself.",
    why: WHY,
    source: "calloop, documentation of PingSource; libuv's uv_async_t stays until it is closed",
    check: "ping-closes among the capabilities, and what the drop of the last handle does",
    needs: &[Capability::Ping],
    alone: false,
};

fn ping_closes<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let trace = t.trace();
    let captured = OnDrop(move || trace.mark("removed"));
    let (ping, source) = A::insert_ping(&t.handle, move |_| _ = &captured)?;
    // A name may keep it in memory.
    drop(source);
    t.deliver()?;
    let before = t.trial.trace.count("removed");
    ensure!(before == 0, "a ping that is kept while a handle is", "removed");
    drop(ping);
    for _ in 0..3 {
        t.deliver()?;
    }
    let is_removed = t.trial.trace.count("removed") == 1;
    let seen = if is_removed { "it is removed" } else { "it is there after three dispatches" };
    compare::<A>(Capability::PingCloses, is_removed, seen)
}

const PANICS: Rule = Rule {
    id: "CAP-109",
    level: Level::Must,
    sentence: "If a loop declares panics, a panic of a callback MUST unwind out of the dispatch, and \
               the loop MUST be usable after it.",
    why: "Whoever catches panics chooses a loop by it. A loop that does not declare it may abort.",
    source: "std::panic::catch_unwind; std::process::abort, on unwinding out of extern functions",
    check: "panics among the capabilities, and what is borrowed or locked while a callback runs",
    needs: &[Capability::Timers, Capability::Panics],
    alone: false,
};

fn panics<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    insert_once::<A>(&t.handle, Duration::ZERO, |_| panic!("as the rule has it"))?;
    let outcome = catch_unwind(AssertUnwindSafe(|| t.deliver()));
    let is_so = outcome.is_err();
    compare::<A>(Capability::Panics, is_so, "the panic did not come out of the dispatch")?;
    insert_once::<A>(&t.handle, Duration::ZERO, t.marker("after the panic"))?;
    t.dispatch_until("a timer that was inserted after the panic", |trace| {
        trace.count("after the panic") == 1
    })
}
