//! The loop inside another poller.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::kinds::{Kind, insert_kinds};
use super::kit::{FAR, has, insert_once, insert_reader};
use crate::adapter::{Adapter, Capability, Interest, Mode, Next, Ping, Sender, Stop};
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&DESCRIPTOR, descriptor),
        Case::new::<A>(&WAKING, waking),
        Case::new::<A>(&TIMER, timer),
        Case::new::<A>(&IDLE, idle),
        Case::new::<A>(&SILENT, silent),
        Case::new::<A>(&INSIDE_ITSELF, inside_itself),
    ]
}

/// Whether the loop's descriptor is readable within a time.
fn is_readable(fd: BorrowedFd<'_>, within: Duration) -> Result<bool, Deviation> {
    let within =
        Timespec { tv_sec: within.as_secs() as i64, tv_nsec: within.subsec_nanos().into() };
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&within))? > 0)
}

impl<A: Adapter> Fixture<'_, A> {
    /// Does what a program does that watches the loop's descriptor: waits for it, then dispatches
    /// without a wait, until something has been called so often.
    fn embed_until(&mut self, what: &str, mark: &str, count: usize) -> Check {
        const DISPATCHES_MAX: usize = 20;
        let patience = self.trial.limit(PATIENCE) / 2;
        for _ in 0..DISPATCHES_MAX {
            let is_readable = is_readable(self.event_loop.as_fd()?, patience)?;
            ensure!(
                is_readable,
                format_args!("the loop's descriptor to become readable for {what}"),
                "it did not within {patience:?}"
            );
            self.poll()?;
            if self.trial.trace.count(mark) >= count {
                return Ok(());
            }
        }
        Err(Deviation::new(
            format_args!("a dispatch of zero to call {what} once the descriptor is readable"),
            format_args!("{DISPATCHES_MAX} dispatches did not"),
        ))
    }

    /// Lets the loop calm down, and fails if its descriptor stays readable.
    fn expect_unreadable(&mut self, when: &str) -> Check {
        const DISPATCHES_MAX: usize = 8;
        for _ in 0..DISPATCHES_MAX {
            if !is_readable(self.event_loop.as_fd()?, Duration::from_millis(2))? {
                return Ok(());
            }
            self.poll()?;
        }
        Err(Deviation::new(
            format_args!("the loop's descriptor not to be readable {when}"),
            format_args!("it was, before each of {DISPATCHES_MAX} dispatches"),
        ))
    }
}

const DESCRIPTOR: Rule = Rule {
    id: "EMBED-101",
    level: Level::Must,
    sentence: "The descriptor of a loop MUST become readable when one of the descriptors in the loop \
               is ready.",
    why: "A toolkit, another loop or a debugger runs this loop when it has something to do, and \
          sleeps otherwise.",
    source: "calloop, AsFd for EventLoop; libuv, test embed; epoll(7): an epoll descriptor can be \
             polled itself",
    check: "which descriptor is handed out",
    needs: &[Capability::Embed, Capability::Descriptors],
    alone: false,
};

fn descriptor<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, _reader) = insert_reader::<A>(&t.handle, t.marker("descriptor"))?;
    for round in 1..=3 {
        t.expect_unreadable("before anything has happened")?;
        wire.send();
        t.embed_until("a descriptor", "descriptor", round)?;
    }
    t.expect_counts(3, &["descriptor"], "in three rounds")
}

const WAKING: Rule = Rule {
    id: "EMBED-102",
    level: Level::Must,
    sentence: "The descriptor of a loop MUST become readable for a ping, a message and a wake-up, \
               from its own thread as from another.",
    why: "The outer poller sleeps in the kernel and knows nothing of queues in memory.",
    source: "calloop, AsFd for EventLoop; g_main_context_query, documentation: the context's own \
             wake-up is among the descriptors",
    check: "whether the loop saves the system call of a wake-up when it does not sleep itself",
    needs: &[Capability::Embed, Capability::Ping],
    alone: false,
};

fn waking<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (ping, _source) = A::insert_ping(&t.handle, t.marker("ping"))?;
    let channel = if has::<A>(Capability::Channel) {
        let mut mark = t.marker("message");
        Some(A::insert_channel(&t.handle, move |handle, _| mark(handle))?.0)
    } else {
        None
    };
    for round in 1..=3 {
        t.expect_unreadable("before a ping")?;
        ping.ping();
        t.embed_until("a ping", "ping", 2 * round - 1)?;
        let (remote, pinged) = (ping.clone(), thread::spawn);
        let thread = pinged(move || {
            thread::sleep(Duration::from_millis(1));
            remote.ping();
        });
        t.embed_until("a ping from a thread", "ping", 2 * round)?;
        drop(thread.join());
        if let Some(sender) = &channel {
            ensure!(sender.send(()).is_ok(), "the channel to take a message", "it was refused");
            t.embed_until("a message", "message", round)?;
        }
    }
    if has::<A>(Capability::Wakeup) {
        t.expect_unreadable("before a wake-up")?;
        t.event_loop.stopper()?.wakeup();
        let is_readable = is_readable(t.event_loop.as_fd()?, t.trial.limit(PATIENCE) / 2)?;
        ensure!(
            is_readable,
            "the loop's descriptor to become readable for a wake-up",
            "it did not"
        );
    }
    Ok(())
}

const TIMER: Rule = Rule {
    id: "LOOP-29",
    level: Level::Must,
    sentence: "The descriptor of a loop MUST become readable when a timer is due.",
    why: "The outer poller does not know the loop's timers: without this they wait for the next \
          descriptor.",
    source: "calloop, AsFd for EventLoop; libuv, uv_backend_timeout: a loop without this needs a \
             call that tells the next deadline",
    check: "whether timers live in user space only, and when a timerfd in the loop's poller is armed",
    needs: &[Capability::Timers, Capability::Embed],
    alone: false,
};

fn timer<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // One from before the descriptor was handed out, the others from after; one is due at once.
    insert_once::<A>(&t.handle, Duration::from_millis(4), t.marker("first timer"))?;
    t.embed_until("a timer inserted before its descriptor was asked for", "first timer", 1)?;
    insert_once::<A>(&t.handle, FAR, t.marker("far timer"))?;
    for (round, millis) in [3, 0, 1].into_iter().enumerate() {
        insert_once::<A>(&t.handle, Duration::from_millis(millis), t.marker("timer"))?;
        t.embed_until(&format!("a timer of {millis} ms"), "timer", round + 1)?;
    }
    t.expect_unreadable("when the only timer left is far ahead")?;
    t.expect_counts(0, &["far timer"], "before it is due")
}

const IDLE: Rule = Rule {
    id: "EMBED-103",
    level: Level::Must,
    sentence: "The descriptor of a loop MUST become readable when an idle callback is pending.",
    why: "A dispatch would run it, but nobody would call one.",
    source: "g_main_context_prepare, documentation: an idle source makes the context ready; \
             calloop-ref, documentation of EventLoop: inside another poller",
    check: "what inserting an idle callback does outside of a dispatch",
    needs: &[Capability::Embed, Capability::Idle],
    alone: false,
};

fn idle<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    drop(A::insert_idle(&t.handle, t.marker("idle"))?);
    t.embed_until("an idle callback", "idle", 1)?;
    let trace = t.trace();
    let chain = A::insert_idle(&t.handle, move |handle| {
        trace.mark("idle");
        let inner = trace.clone();
        match A::insert_idle(handle, move |_| inner.mark("idle")) {
            Ok(idle) => drop(idle),
            Err(failure) => trace.mark(format_args!("not inserted: {failure}")),
        }
    })?;
    drop(chain);
    t.embed_until("an idle callback that another has inserted", "idle", 3)?;
    t.expect_unreadable("when no idle callback is left")
}

const SILENT: Rule = Rule {
    id: "EMBED-104",
    level: Level::Must,
    sentence: "The descriptor of a loop MUST NOT stay readable when the loop has nothing to do: not \
               after a source of any kind was called, nor for one that is far from due.",
    why: "The outer poller would spin.",
    source: "epoll(7), on nested epoll descriptors; \
             https://github.com/Smithay/calloop/issues/34",
    check: "whether what made the descriptor readable is read, or taken back, by the dispatch",
    needs: &[Capability::Timers, Capability::Embed],
    alone: false,
};

fn silent<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let kinds = insert_kinds::<A>(&t.handle)?;
    insert_once::<A>(&t.handle, FAR, t.marker("far timer"))?;
    t.expect_unreadable("while every source is quiet")?;
    for kind in &kinds {
        (kind.make_due)()?;
        for _ in 0..50 {
            if kind.calls.get() == 0 {
                t.dispatch(Some(Duration::from_millis(1)))?;
            }
        }
        ensure_eq!(kind.calls.get(), 1, "calls of the {}", kind.name);
        t.expect_unreadable(&format!("after the {} was called", kind.name))?;
    }
    Ok(())
}

const INSIDE_ITSELF: Rule = Rule {
    id: "EMBED-105",
    level: Level::Must,
    sentence: "A loop that is a source of another loop of its kind MUST have all its sources called \
               by it, descriptors and wake-ups alike.",
    why: "A library brings its loop, and the program runs it in its own.",
    source: "libuv, test poll_nested_epoll; sd-event, documentation of sd_event_get_fd",
    check: "what the loop's descriptor shows while the loop is not dispatched",
    needs: &[Capability::Embed, Capability::Level],
    alone: false,
};

fn inside_itself<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let inner = A::new()?;
    let mut kinds = insert_kinds::<A>(&inner.handle())?;
    // What makes a descriptor readable for timers and idle callbacks has rules of its own.
    kinds.retain(|kind| !matches!(kind.name, "timer" | "idle callback"));
    let fd: OwnedFd = inner.as_fd()?.as_fd().try_clone_to_owned()?;
    let (inner, failed) = (Rc::new(RefCell::new(inner)), Rc::new(Cell::new(false)));
    let told = failed.clone();
    A::insert_fd(&t.handle, fd, Interest::Read, Mode::Level, move |_, _, _| {
        told.set(inner.borrow_mut().dispatch(Some(Duration::ZERO)).is_err() || told.get());
        Next::Continue
    })?;
    for round in 1..=2 {
        for Kind { name, calls, make_due } in &kinds {
            make_due()?;
            t.dispatch_until(&format!("the inner loop's {name}, in round {round}"), |_| {
                calls.get() >= round
            })?;
            ensure_eq!(calls.get(), round, "calls of the inner loop's {name}");
        }
    }
    ensure!(!failed.get(), "the inner dispatches to succeed", "one failed");
    t.expect_sleep()
}
