//! Many messages: how many in a dispatch, and what becomes of the rest.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{WAIT, send};
use crate::adapter::{Adapter, Capability, ChannelEvent, Sender};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&BURST, burst),
        Case::new::<A>(&FROM_OWN_CALLBACK, from_own_callback),
        Case::new::<A>(&BOUNDED_TURN, bounded_turn),
    ]
}

const BURST: Rule = Rule {
    id: "CHAN-05",
    level: Level::Must,
    sentence: "Messages that one dispatch leaves MUST be delivered in those that follow, which do not \
               wait, without another send.",
    why: "A burst that gets stuck in the middle waits for the next, which may never come.",
    source: "calloop, pull request 200 and test test_more_than_1024",
    check: "what has the source called again when its turn has come to an end before its queue",
    needs: &[Capability::Channel],
    alone: false,
};

fn burst<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // Around what loops may take for one turn.
    for messages in [1_023, 1_024, 1_025, 5_000] {
        let received = Rc::new(Cell::new(0));
        let received_within = received.clone();
        let (sender, source) = A::insert_channel(&t.handle, move |_, event| {
            if event == ChannelEvent::Message(received_within.get()) {
                received_within.set(received_within.get() + 1);
            }
        })?;
        for message in 0..messages {
            send(&sender, message)?;
        }
        while received.get() < messages {
            let elapsed = t.dispatch(Some(WAIT))?;
            ensure!(
                elapsed < WAIT,
                format_args!("{messages} messages in order, and no wait before the last"),
                "after {} a dispatch took {elapsed:?}",
                received.get()
            );
        }
        t.expect_sleep()?;
        A::remove(&t.handle, source);
    }
    Ok(())
}

/// Enough to be sure that it would go on.
const ENDLESS: u32 = 100_000;

type SendMore = Box<dyn Fn()>;

/// A channel whose callback sends the next message for each that it gets, until there were
/// [`ENDLESS`]; and how many there were.
fn insert_endless<A: Adapter>(
    t: &Fixture<'_, A>,
) -> Result<(Rc<Cell<u32>>, A::Source), crate::rule::Deviation> {
    let own: Rc<RefCell<Option<SendMore>>> = Rc::default();
    let received = Rc::new(Cell::new(0));
    let (own_within, received_within, trace) = (own.clone(), received.clone(), t.trace());
    let inside = Cell::new(false);
    let (sender, source) = A::insert_channel(&t.handle, move |_, event| {
        if event == ChannelEvent::Closed {
            return;
        }
        if inside.replace(true) {
            trace.mark("recursive");
        }
        received_within.set(received_within.get() + 1);
        let more = own_within
            .borrow()
            .as_ref()
            .filter(|_| received_within.get() < ENDLESS)
            .map(|own| own());
        if more.is_none() {
            // What refers to itself lives for ever, else.
            own_within.take();
        }
        inside.set(false);
    })?;
    send(&sender, ())?;
    own.replace(Some(Box::new(move || {
        // It comes back once the channel is removed.
        let _ = sender.send(());
    })));
    Ok((received, source))
}

const FROM_OWN_CALLBACK: Rule = Rule {
    id: "CHAN-07",
    level: Level::Must,
    sentence: "A message that the channel's own callback sends MUST be delivered after it has \
               returned, and a dispatch MUST end though each message leads to another.",
    why: "A worker that puts off the rest of its work sends it to itself.",
    source: "calloop, pull request 200; zed, pull request 12839",
    check: "whether a dispatch drains the queue until it is empty",
    needs: &[Capability::Channel],
    alone: false,
};

fn from_own_callback<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (received, source) = insert_endless(t)?;
    let mut before = 0;
    for _ in 0..3 {
        t.dispatch(Some(WAIT))?;
        let now = received.get();
        ensure!(now > before, "another message in each dispatch", "still {now}");
        ensure!(
            now < ENDLESS,
            "a dispatch that ends though each message leads to another",
            "{} messages in one dispatch, when the test gave up",
            now - before
        );
        before = now;
    }
    A::remove(&t.handle, source);
    t.expect_sleep()?;
    t.expect_marks::<&str>(&[])
}

const BOUNDED_TURN: Rule = Rule {
    id: "CHAN-107",
    level: Level::Should,
    sentence: "A dispatch SHOULD deliver a limited number of messages, 10 000 at most, however many \
               are there.",
    why: "What piles up while a program is held up would hold it up once more.",
    source: "calloop, pull request 200: 1024 a dispatch",
    check: "whether the turn of a source ends before its queue does",
    needs: &[Capability::Channel],
    alone: false,
};

fn bounded_turn<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const MESSAGES: u32 = 30_000;
    const TURN_MAX: u32 = 10_000;
    let received = Rc::new(Cell::new(0));
    let received_within = received.clone();
    let (sender, _source) = A::insert_channel(&t.handle, move |_, event| {
        if event == ChannelEvent::Message(received_within.get()) {
            received_within.set(received_within.get() + 1);
        }
    })?;
    for message in 0..MESSAGES {
        send(&sender, message)?;
    }
    while received.get() < MESSAGES {
        let before = received.get();
        let elapsed = t.dispatch(Some(WAIT))?;
        let turn = received.get() - before;
        ensure!(
            turn <= TURN_MAX,
            format_args!("at most {TURN_MAX} messages in a dispatch"),
            "{turn}, in {elapsed:?}"
        );
        ensure!(elapsed < WAIT, "no wait before the last message", "it took {elapsed:?}");
    }
    Ok(())
}
