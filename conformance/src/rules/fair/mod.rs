//! Fairness: a source that always has something to do leaves their turn to the others.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use super::kinds;
use super::kit::{Wire, allow_descriptors, raise};
use crate::adapter::{
    Adapter, Capability, Failure, Interest, Mode, Next, Ping, Sender, Spawn, TimerNext,
};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Deviation, Level, Rule};

mod hog;

use hog::Hog;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&DESCRIPTOR, descriptor),
        Case::new::<A>(&MANY_DESCRIPTORS, many_descriptors),
        Case::new::<A>(&TIMERS, timers),
        Case::new::<A>(&PING, ping),
        Case::new::<A>(&OWN_MESSAGES, own_messages),
        Case::new::<A>(&FLOOD, flood),
        Case::new::<A>(&FUTURE, future),
        Case::new::<A>(&IDLE, idle),
        Case::new::<A>(&SIGNAL, signal),
    ]
}

const DESCRIPTOR: Rule = Rule {
    id: "FAIR-101",
    level: Level::Must,
    sentence: "Descriptors that are always readable, or always writable, MUST NOT keep any other \
               source from being called within a few dispatches.",
    why: "One client that sends without end must not hang a program.",
    source: "epoll(7), on starvation; https://github.com/zed-industries/zed/pull/12839",
    check: "whether the loop returns to the kernel, or to the same source, before the batch is done",
    needs: &[Capability::Level],
    alone: false,
};

fn descriptor<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let hog = Hog::new();
    let mut wires = Vec::new();
    for interest in [Interest::Read, Interest::Write] {
        let (turns, (wire, fd)) = (hog.clone(), Wire::new()?);
        wire.send();
        A::insert_fd(&t.handle, fd, interest, Mode::Level, move |_, _, _| {
            if turns.turn() { Next::Continue } else { Next::Remove }
        })?;
        wires.push(wire);
    }
    hog.leaves_turns(t)
}

const MANY_DESCRIPTORS: Rule = Rule {
    id: "FAIR-102",
    level: Level::Must,
    sentence: "Hundreds of descriptors that are always ready MUST NOT keep any other source from \
               being called within a few dispatches.",
    why: "A busy server still has to keep its timeouts and to answer its administrator.",
    source: "epoll_wait(2): successive calls round robin through the ready set; polling, test \
             many_connections",
    check: "whether what does not fit into one batch has its turn before what does",
    needs: &[Capability::Level],
    alone: false,
};

fn many_descriptors<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (hog, (wire, fd)) = (Hog::new(), Wire::new()?);
    wire.send();
    for _ in 0..allow_descriptors(700)? {
        let turns = hog.clone();
        A::insert_fd(&t.handle, fd.try_clone()?, Interest::Read, Mode::Level, move |_, _, _| {
            turns.turn();
            Next::Continue
        })?;
    }
    hog.leaves_turns(t)
}

const TIMERS: Rule = Rule {
    id: "FAIR-103",
    level: Level::Must,
    sentence: "Timers that repeat without a delay MUST NOT keep any other source from being called \
               within a few dispatches.",
    why: "A period that was computed as zero is a common mistake, and should cost the processor, not \
          the program.",
    source: "Revolt, DriverTest: testShortTimerDoesNotBlockOtherTimers; IO::Async, LoopTests, on \
             timers of no delay",
    check: "whether a timer that is due again is called again in the same dispatch, and whether the \
            kernel is polled when a timer is due",
    needs: &[Capability::TimerRepeat],
    alone: false,
};

fn timers<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let hog = Hog::new();
    for _ in 0..10 {
        let turns = hog.clone();
        A::insert_timer(&t.handle, Duration::ZERO, move |_, _| {
            if turns.turn() { TimerNext::After(Duration::ZERO) } else { TimerNext::Stop }
        })?;
    }
    hog.leaves_turns(t)
}

const PING: Rule = Rule {
    id: "FAIR-104",
    level: Level::Must,
    sentence: "A source that pings itself in each of its calls MUST NOT keep any other from being \
               called within a few dispatches.",
    why: "It is the usual way to go on with long work bit by bit, so that others have their turn.",
    source: "calloop, documentation of Ping; libuv, benchmark async_pummel",
    check: "whether pings are taken until there are none, or as many as there were",
    needs: &[Capability::Ping],
    alone: false,
};

fn ping<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (hog, again) = (Hog::new(), Again::default());
    let (turns, itself) = (hog.clone(), again.clone());
    let (ping, _source) = A::insert_ping(&t.handle, move |_| {
        if turns.turn() {
            itself.call();
        }
    })?;
    ping.ping();
    again.set(move || ping.ping());
    hog.leaves_turns(t)
}

/// What a callback does to be called again. It is known only after the callback was inserted.
#[derive(Clone, Default)]
struct Again(Rc<RefCell<Option<Act>>>);

type Act = Box<dyn Fn()>;

impl Again {
    fn set(&self, again: impl Fn() + 'static) {
        self.0.replace(Some(Box::new(again)));
    }

    fn call(&self) {
        if let Some(again) = &*self.0.borrow() {
            again();
        }
    }
}

const OWN_MESSAGES: Rule = Rule {
    id: "FAIR-105",
    level: Level::Must,
    sentence: "A channel whose callback sends to it, on top of a long backlog, MUST NOT keep any \
               other source from being called within a few dispatches.",
    why: "Actors send messages to themselves; work that is handed over comes in bursts.",
    source: "https://github.com/Smithay/calloop/pull/200; \
             https://github.com/zed-industries/zed/pull/12839",
    check: "whether a channel is drained until it is empty, or has a limit for each dispatch",
    needs: &[Capability::Channel],
    alone: false,
};

fn own_messages<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const BACKLOG: usize = 5_000;
    let (hog, again) = (Hog::new(), Again::default());
    let (turns, itself) = (hog.clone(), again.clone());
    let (sender, _source) = A::insert_channel::<(), _>(&t.handle, move |_, _| {
        if turns.turn() {
            itself.call();
        }
    })?;
    for _ in 0..BACKLOG {
        ensure!(sender.send(()).is_ok(), "the channel to take messages", "one was refused");
    }
    again.set(move || sender.send(()).unwrap_or_default());
    hog.leaves_turns(t)
}

const FLOOD: Rule = Rule {
    id: "FAIR-106",
    level: Level::Must,
    sentence: "A thread that sends messages faster than the loop takes them MUST NOT keep any other \
               source from being called within a few dispatches.",
    why: "Whether the sender or the loop is faster is up to the scheduler; a program must not hang \
          because of it.",
    source: "https://github.com/Smithay/calloop/pull/200; libuv, benchmark async_pummel",
    check: "whether a channel is drained until it is empty, or has a limit for each dispatch",
    needs: &[Capability::Channel],
    alone: false,
};

fn flood<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    /// As many may wait, so that memory has an end.
    const WAITING_MAX: usize = 3 * Hog::CALLS_MAX;
    let (hog, over) = (Hog::new(), Arc::new(AtomicBool::new(false)));
    let (turns, taken) = (hog.clone(), Arc::new(AtomicUsize::new(0)));
    let (counted, enough) = (taken.clone(), over.clone());
    let (sender, _source) = A::insert_channel::<(), _>(&t.handle, move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        if !turns.turn() {
            enough.store(true, Ordering::Relaxed);
        }
    })?;
    for _ in 0..WAITING_MAX / 2 {
        ensure!(sender.send(()).is_ok(), "the channel to take messages", "one was refused");
    }
    let blocked = SigSet::all().thread_block();
    let (over, taken) = (&*over, &*taken);
    let outcome = thread::scope(|scope| {
        scope.spawn(move || {
            let mut sent = WAITING_MAX / 2;
            while !over.load(Ordering::Relaxed) {
                if sent - taken.load(Ordering::Relaxed) < WAITING_MAX && sender.send(()).is_ok() {
                    sent += 1;
                } else {
                    thread::yield_now();
                }
            }
        });
        let unblocked = SigSet::all().thread_unblock();
        let outcome = hog.leaves_turns(t);
        over.store(true, Ordering::Relaxed);
        unblocked.map_err(|errno| Deviation::from(std::io::Error::from(errno))).and(outcome)
    });
    blocked.map_err(std::io::Error::from)?;
    outcome
}

const FUTURE: Rule = Rule {
    id: "FAIR-107",
    level: Level::Must,
    sentence: "A future that wakes itself each time it is polled MUST NOT keep any other source from \
               being called within a few dispatches.",
    why: "That is how futures yield; one that yields must not hang the loop it yields to.",
    source: "tokio, documentation of task::yield_now; calloop, tests of the executor",
    check: "whether the executor polls what was woken while it polls",
    needs: &[Capability::Executor],
    alone: false,
};

fn future<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let hog = Hog::new();
    let (spawner, _source) = A::insert_executor::<(), _>(&t.handle, |_, ()| {})?;
    let turns = hog.clone();
    let is_taken = spawner.spawn(poll_fn(move |cx| {
        if turns.turn() {
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }));
    ensure!(is_taken, "the executor to take a future", "it was refused");
    hog.leaves_turns(t)
}

const IDLE: Rule = Rule {
    id: "FAIR-108",
    level: Level::Must,
    sentence: "Idle callbacks that insert themselves again MUST NOT keep any other source from being \
               called within a few dispatches.",
    why: "Work that is done while there is nothing else to do is done that way.",
    source: "libuv, test idle_starvation; g_idle_add, documentation",
    check: "whether a pass over the idle callbacks ends, and whether the loop polls between passes",
    needs: &[Capability::Idle],
    alone: false,
};

fn idle<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    fn insert<A: Adapter>(handle: &A::Handle, turns: Hog) -> Result<(), Failure> {
        let idle = A::insert_idle(handle, move |handle| {
            if turns.turn() {
                // If it fails, the hog has no turns, which fails the rule.
                let _ = insert::<A>(handle, turns);
            }
        })?;
        drop(idle);
        Ok(())
    }
    let hog = Hog::new();
    for _ in 0..50 {
        insert::<A>(&t.handle, hog.clone())?;
    }
    hog.leaves_turns(t)
}

const SIGNAL: Rule = Rule {
    id: "FAIR-109",
    level: Level::Should,
    sentence: "A signal that is raised again in each of its calls SHOULD NOT keep any other source from \
               being called within a few dispatches.",
    why: "A storm of SIGCHLD or SIGWINCH comes from outside and cannot be held back.",
    source: "libevent, tests on signals that are raised while they are processed",
    check: "whether signals are read until there are none",
    needs: &[Capability::Signals],
    alone: false,
};

fn signal<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (hog, signal) = (Hog::new(), Signal::SIGUSR2);
    let turns = hog.clone();
    A::insert_signals(&t.handle, &[signal as i32], move |_, _| {
        if turns.turn() {
            raise(signal);
        }
    })?;
    raise(signal);
    hog.leaves_turns(t)
}
