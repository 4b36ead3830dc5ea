//! Channels as calloop's interface has them.

use std::fmt::Debug;
use std::sync::mpsc::{SendError, TryRecvError, TrySendError};
use std::thread;
use std::time::Duration;

use super::calloop::Error;
use super::calloop::channel::{Event, channel, sync_channel};
use super::calloop::ping::make_ping;
use super::fixture::{Context, Fixture};
use super::sources::{Pair, Part};
use crate::rule::{Case, Check, Deviation, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&REMOVES_ITSELF, removes_itself),
        Case::plain(&NEVER_INSERTED, never_inserted),
        Case::plain(&TWO_IN_ONE, two_in_one),
        Case::plain(&QUIET_BESIDE_ANOTHER, quiet_beside_another),
        Case::plain(&READ_BEFORE_INSERTION, read_before_insertion),
    ]
}

/// A callback that marks messages by their text, and the end.
fn mark<T: Debug>(event: Event<T>, (): &mut (), cx: &mut Context) {
    match event {
        Event::Msg(message) => cx.mark(&format!("{message:?}")),
        Event::Closed => cx.mark("closed"),
    }
}

const REMOVES_ITSELF: Rule = Rule {
    id: "CHAN-52",
    level: Level::Must,
    sentence: "A channel that has reported `Closed` MUST remove itself, so that its token is invalid, \
               also if the last sender was gone before its insertion.",
    why: "The callback acts on the end, and need not remove the source.",
    source: "calloop, documentation of channel::Event::Closed; calloop, test basic_channel",
    check: "what the channel answers after the event",
    needs: &[],
    alone: false,
};

fn removes_itself(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    for before_insertion in [false, true] {
        let (sender, channel) = channel();
        let clone = sender.clone();
        let send = move || {
            sender.send(1).expect("the channel is there");
            drop(sender);
            clone.send(2).expect("the channel is there");
        };
        let token = if before_insertion {
            send();
            f.handle.insert_source(channel, mark)?
        } else {
            let token = f.handle.insert_source(channel, mark)?;
            send();
            token
        };
        f.poll()?;
        f.expect_quiet()?;
        let outcome = f.handle.update(&token);
        ensure!(matches!(outcome, Err(Error::InvalidToken)), "Error::InvalidToken", "{outcome:?}");
    }
    f.expect_marks(["1", "2", "closed", "1", "2", "closed"])
}

const NEVER_INSERTED: Rule = Rule {
    id: "CHAN-53",
    level: Level::Must,
    sentence: "Sending to a channel that was dropped before its insertion MUST fail with the message \
               in the error, `try_send` with `Disconnected`.",
    why: "The sender learns that nobody listens, and can do something else with the message.",
    source: "calloop, documentation of channel; std::sync::mpsc::TrySendError",
    check: "whether the receiving end is dropped with the source",
    needs: &[],
    alone: false,
};

fn never_inserted(_: &Trial) -> Check {
    let (sender, dropped) = channel();
    ensure_eq!(sender.send("queued"), Ok(()), "send before");
    drop(dropped);
    ensure_eq!(sender.send("late"), Err(SendError("late")), "send after");
    let (sender, dropped) = sync_channel(4);
    drop(dropped);
    ensure_eq!(sender.send("late"), Err(SendError("late")), "send after, bounded");
    ensure_eq!(sender.try_send("late"), Err(TrySendError::Disconnected("late")), "try_send after");
    Ok(())
}

const TWO_IN_ONE: Rule = Rule {
    id: "CHAN-11",
    level: Level::Must,
    sentence: "A source that holds two channels MUST be quiet when both are empty.",
    why: "Two channels of one kind, one for each direction or priority, are usual; a loop that \
          cannot sleep for them takes a processor.",
    source: "calloop, book, the ZeroMQ example; calloop, pull request 200",
    check: "whether a channel that is handed another's token takes it for a turn cut short",
    needs: &[],
    alone: false,
};

fn two_in_one(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (first, first_channel) = channel::<()>();
    let (_second, second_channel) = channel::<()>();
    f.handle.insert_source(Pair::new(first_channel, second_channel), |part, &mut (), cx| {
        cx.mark(&format!("{part:?}"));
    })?;
    first.send(()).expect("the channel is there");
    f.poll()?;
    f.expect_quiet()?;
    f.expect_marks(["First"])
}

const QUIET_BESIDE_ANOTHER: Rule = Rule {
    id: "CHAN-51",
    level: Level::Should,
    sentence: "A channel inside another source SHOULD NOT cost a dispatch for each event of the \
               other parts.",
    why: "A source that is called often would have the loop go round twice each time.",
    source: "calloop, book, the ZeroMQ example; calloop, pull request 200",
    check: "whether a channel that is handed another's token wakes the loop",
    needs: &[],
    alone: false,
};

fn quiet_beside_another(t: &Trial) -> Check {
    const PINGS: usize = 50;
    let mut f = Fixture::new(t)?;
    let (ping, pings) = make_ping()?;
    let (_sender, channel) = channel::<()>();
    f.handle.insert_source(Pair::new(pings, channel), |part, &mut (), cx| {
        cx.mark(if part == Part::First { "ping" } else { "message" });
    })?;
    let mut late = 0;
    for _ in 0..PINGS {
        ping.ping();
        f.poll()?;
        late += f.dispatches_in(Duration::from_micros(100))? - 1;
    }
    ensure!(
        late <= PINGS / 5,
        "a loop that sleeps after each event",
        "{late} dispatches without an event after {PINGS} events"
    );
    ensure_eq!(f.trace.count("ping"), PINGS, "pings");
    Ok(())
}

const READ_BEFORE_INSERTION: Rule = Rule {
    id: "CHAN-12",
    level: Level::Must,
    sentence: "A channel that is not inserted yet MUST be readable with `recv` and `try_recv`, on \
               another thread, too, and keep what was not read.",
    why: "A thread makes the channel, waits for a first message, and hands the rest to its loop.",
    source: "calloop, documentation of Channel::recv and Channel::try_recv",
    check: "whether the methods read the same queue as the source",
    needs: &[],
    alone: false,
};

fn read_before_insertion(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (sender, channel) = channel();
    ensure_eq!(channel.try_recv(), Err(TryRecvError::Empty), "try_recv of an empty channel");
    for message in 1..=3 {
        sender.send(message).expect("the channel is there");
    }
    let read = thread::spawn(move || (channel.recv(), channel.try_recv(), channel));
    let Ok((first, second, channel)) = read.join() else {
        return Err(Deviation::new("a thread that reads", "a panic"));
    };
    ensure_eq!((first, second), (Ok(1), Ok(2)), "messages read directly");
    drop(sender);
    f.handle.insert_source(channel, mark)?;
    f.poll()?;
    f.expect_marks(["3", "closed"])
}
