//! What other sources must not lose when a callback goes wrong: their events.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::kit::{Wire, has, insert_end, insert_once, insert_reader, let_time_pass, raise};
use super::{Trouble, insert_trouble, panic_on_purpose};
use crate::adapter::{Adapter, Capability, ChannelEvent, Mode, Ping, Sender};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&ERROR_TIMERS, |t| timers(t, Trouble::Error)),
        Case::new::<A>(&PANIC_TIMERS, |t| timers(t, Trouble::Panic)),
        Case::new::<A>(&ERROR_ONCE, |t| reported_once(t, Trouble::Error)),
        Case::new::<A>(&PANIC_ONCE, |t| reported_once(t, Trouble::Panic)),
        Case::new::<A>(&ERROR_QUEUED, |t| queued(t, Trouble::Error)),
        Case::new::<A>(&PANIC_QUEUED, |t| queued(t, Trouble::Panic)),
        Case::new::<A>(&MESSAGES, messages),
        Case::new::<A>(&LEFTOVERS, leftovers),
    ]
}

const ERROR_TIMERS: Rule = Rule {
    id: "LOOP-13",
    level: Level::Must,
    sentence: "An error of one source MUST NOT lose a timer of another that is due in the same \
               dispatch.",
    why: "A timeout or a heartbeat that never comes hangs a program in a place that has nothing to \
          do with the error.",
    source: "observed of calloop 0.14.5, which loses them; calloop, documentation of \
             EventLoop::dispatch",
    check: "whether timers are taken off the heap before their callbacks are called, and who keeps \
            them when the dispatch ends early",
    needs: &[Capability::Timers, Capability::FallibleCallbacks, Capability::Descriptors],
    alone: false,
};

const PANIC_TIMERS: Rule = Rule {
    id: "LOOP-14",
    level: Level::Must,
    sentence: "A panic in one callback that the caller catches MUST NOT lose a timer of another \
               source that is due in the same dispatch.",
    why: "A server that catches the panic of one client's code goes on serving the others, with \
          timeouts that never come.",
    source: "tokio, test panic_in_task; Revolt, DriverTest, on exceptions of callbacks",
    check: "whether timers are taken off the heap before their callbacks are called, and who keeps \
            them when the dispatch unwinds",
    needs: &[Capability::Timers, Capability::Panics, Capability::Descriptors],
    alone: false,
};

fn timers<A: Adapter>(t: &mut Fixture<'_, A>, trouble: Trouble) -> Check {
    const TIMERS: [&str; 3] = ["first timer", "second timer", "third timer"];
    // Kept to the end: a stream that hangs up is readable, too.
    let mut wires = Vec::new();
    for round in 1..=3 {
        wires.push(insert_trouble(t, trouble)?);
        if trouble == Trouble::Panic {
            insert_once::<A>(&t.handle, Duration::ZERO, |_| panic_on_purpose())?;
        }
        for name in TIMERS {
            let_time_pass();
            insert_once::<A>(&t.handle, Duration::ZERO, t.marker(name))?;
        }
        let_time_pass();
        t.survive_until("the descriptor to go wrong and three timers to fire", |trace| {
            trace.count("trouble") >= round && TIMERS.iter().all(|name| trace.count(name) >= round)
        })?;
        for _ in 0..2 {
            t.poll()?;
        }
        t.expect_counts(round, &TIMERS, &format!("after {round} rounds with {}", trouble.name()))?;
    }
    Ok(())
}

const ERROR_ONCE: Rule = Rule {
    id: "ERR-101",
    level: Level::Must,
    sentence: "An error of one source MUST NOT lose the report of an edge-triggered or one-shot \
               descriptor in the same dispatch.",
    why: "The kernel has reported it and will not again: the connection hangs for ever.",
    source: "epoll(7), on edge-triggered and EPOLLONESHOT; observed of calloop 0.14.5, which loses \
             them",
    check: "what becomes of the rest of the batch when a callback fails",
    needs: &[Capability::FallibleCallbacks, Capability::Edge, Capability::OneShot],
    alone: false,
};

const PANIC_ONCE: Rule = Rule {
    id: "ERR-102",
    level: Level::Must,
    sentence: "A panic in one callback that the caller catches MUST NOT lose the report of an \
               edge-triggered or one-shot descriptor in the same dispatch.",
    why: "The kernel has reported it and will not again: the connection hangs for ever.",
    source: "epoll(7), on edge-triggered and EPOLLONESHOT; tokio, test panic_in_task",
    check: "what becomes of the rest of the batch when a dispatch unwinds",
    needs: &[Capability::Panics, Capability::Edge, Capability::OneShot],
    alone: false,
};

fn reported_once<A: Adapter>(t: &mut Fixture<'_, A>, trouble: Trouble) -> Check {
    // In front and behind, so that the order of the batch does not matter.
    let front = insert_trouble(t, trouble)?;
    let mut wires = Vec::new();
    for (name, mode) in [("edge-triggered", Mode::Edge), ("one-shot", Mode::OneShot)] {
        let (wire, end) = Wire::new()?;
        insert_end::<A>(&t.handle, end, mode, t.marker(name))?;
        wire.send();
        wires.push(wire);
    }
    let back = insert_trouble(t, trouble)?;
    t.survive_until("both descriptors and both failures", |trace| {
        let called = |name| trace.count(name) >= 1;
        trace.count("trouble") >= 2 && called("edge-triggered") && called("one-shot")
    })?;
    t.expect_silence()?;
    drop((front, back));
    t.expect_counts(1, &["edge-triggered", "one-shot"], &format!("with {}", trouble.name()))
}

const ERROR_QUEUED: Rule = Rule {
    id: "ERR-103",
    level: Level::Must,
    sentence: "An error of one source MUST NOT lose, nor repeat, what others have in the same \
               dispatch: data, pings, messages, signals.",
    why: "Whoever sent them was told that they were taken.",
    source: "calloop, documentation of EventLoop::dispatch",
    check: "whether something is taken off its queue before its callback is called",
    needs: &[Capability::FallibleCallbacks, Capability::Descriptors],
    alone: false,
};

const PANIC_QUEUED: Rule = Rule {
    id: "ERR-104",
    level: Level::Must,
    sentence: "A panic in one callback that the caller catches MUST NOT lose, nor repeat, what other \
               sources have in the same dispatch: data, pings, messages, signals.",
    why: "Whoever sent them was told that they were taken.",
    source: "tokio, test panic_in_task; Revolt, DriverTest, on exceptions of callbacks",
    check: "whether something is taken off its queue before its callback is called",
    needs: &[Capability::Panics, Capability::Descriptors],
    alone: false,
};

fn queued<A: Adapter>(t: &mut Fixture<'_, A>, trouble: Trouble) -> Check {
    let mut names = vec!["data"];
    let front = insert_trouble(t, trouble)?;
    if trouble == Trouble::Panic && has::<A>(Capability::Ping) {
        // Loops may deliver pings ahead of descriptors.
        let (ping, _source) = A::insert_ping(&t.handle, |_| panic_on_purpose())?;
        ping.ping();
    }
    let (wire, _reader) = insert_reader::<A>(&t.handle, t.marker("data"))?;
    wire.send();
    let ping = if has::<A>(Capability::Ping) {
        names.push("ping");
        let (ping, _source) = A::insert_ping(&t.handle, t.marker("ping"))?;
        ping.ping();
        Some(ping)
    } else {
        None
    };
    let sender = if has::<A>(Capability::Channel) {
        names.extend(["message 1", "message 2"]);
        let trace = t.trace();
        let (sender, _source) = A::insert_channel(&t.handle, move |_, event| match event {
            ChannelEvent::Message(number) => trace.mark(format_args!("message {number}")),
            ChannelEvent::Closed => trace.mark("closed"),
        })?;
        let sent = [1, 2].iter().all(|number: &i32| sender.send(*number).is_ok());
        ensure!(sent, "the channel to take two messages", "one was refused");
        Some(sender)
    } else {
        None
    };
    if has::<A>(Capability::Signals) {
        names.push("signal");
        let mut mark = t.marker("signal");
        A::insert_signals(&t.handle, &[Signal::SIGUSR1 as i32], move |handle, _| mark(handle))?;
        raise(Signal::SIGUSR1);
    }
    let back = insert_trouble(t, trouble)?;
    t.survive_until("all sources to be called", |trace| {
        trace.count("trouble") >= 2 && names.iter().all(|name| trace.count(name) >= 1)
    })?;
    t.survive_until("what is left", {
        let mut polls = 0;
        move |_| {
            polls += 1;
            polls > 4
        }
    })?;
    t.expect_counts(1, &names, &format!("in one round with {}", trouble.name()))?;
    drop((front, back, ping, sender));
    Ok(())
}

const MESSAGES: Rule = Rule {
    id: "ERR-109",
    level: Level::Must,
    sentence: "A panic in the callback of a channel MUST NOT lose, repeat or reorder the messages \
               behind it.",
    why: "One message that makes a program panic must not cost those that do not.",
    source: "Revolt, DriverTest, on exceptions of callbacks; tokio, test panic_in_task",
    check: "whether several messages are taken off the queue before the callback is called",
    needs: &[Capability::Panics, Capability::Channel],
    alone: false,
};

fn messages<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let trace = t.trace();
    let (sender, _source) = A::insert_channel::<usize, _>(&t.handle, move |_, event| {
        if let ChannelEvent::Message(number) = event {
            trace.mark(number);
            if number % 3 == 1 {
                panic_on_purpose();
            }
        }
    })?;
    for number in 0..8 {
        ensure!(sender.send(number).is_ok(), "a message to be taken", "{number} was refused");
    }
    t.survive_until("eight messages to be delivered", |trace| trace.marks().len() >= 8)?;
    t.expect_silence()?;
    let expected: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    ensure_eq!(t.trial.trace.marks(), expected, "messages delivered, those of 1, 4 and 7 panic");
    Ok(())
}

const LEFTOVERS: Rule = Rule {
    id: "ERR-110",
    level: Level::Must,
    sentence: "What a dispatch that failed has left MUST be delivered by the next one, without a \
               wait.",
    why: "The events were there before: to sleep on them is to lose them for as long.",
    source: "calloop-ref, documentation of EventLoop: they come first in the next dispatch",
    check: "whether the wait takes into account what is left in the batch",
    needs: &[Capability::FallibleCallbacks, Capability::Edge, Capability::OneWaitADispatch],
    alone: false,
};

fn leftovers<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let limit = t.trial.limit(Duration::from_secs(2));
    let front = insert_trouble(t, Trouble::Error)?;
    let (wire, end) = Wire::new()?;
    insert_end::<A>(&t.handle, end, Mode::Edge, t.marker("left"))?;
    wire.send();
    let outcome = t.dispatch(Some(limit));
    ensure!(outcome.is_err(), "the first dispatch to fail", "{outcome:?}");
    if t.trial.trace.count("left") == 0 {
        let elapsed = t.dispatch(Some(limit))?;
        ensure!(elapsed < limit, "the second dispatch not to wait", "it waited for {elapsed:?}");
    }
    drop(front);
    t.expect_counts(1, &["left"], "after the dispatch that followed the failure")
}
