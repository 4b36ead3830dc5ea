//! Level-triggered, edge-triggered, reported once.

use std::os::fd::BorrowedFd;

use crate::adapter::{Adapter, Capability, Failure, Interest, Mode, Next, Readiness};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::kit::{Wire, drain};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&LEVEL, level),
        Case::new::<A>(&EDGE, edge),
        Case::new::<A>(&EDGE_IN_CALLBACK, edge_in_callback),
        Case::new::<A>(&EDGE_AFTER_UPDATE, edge_after_update),
        Case::new::<A>(&ONE_SHOT, one_shot),
        Case::new::<A>(&ONE_SHOT_ANSWER, one_shot_answer),
    ]
}

/// Reads one byte, and leaves the rest.
fn read_one(fd: BorrowedFd<'_>) {
    let _ = rustix::io::read(fd, &mut [0; 1]);
}

/// Watches a new stream for reading: the callback marks `called`, does this, and answers that.
fn insert<A: Adapter>(
    t: &Fixture<'_, A>,
    mode: Mode,
    act: fn(BorrowedFd<'_>),
    answer: Next,
) -> Result<(Wire, A::Source), Failure> {
    let (wire, fd) = Wire::new()?;
    let trace = t.trace();
    let callback = move |_: &A::Handle, fd: BorrowedFd<'_>, _: Readiness| {
        trace.mark("called");
        act(fd);
        answer.clone()
    };
    let source = A::insert_fd(&t.handle, fd, Interest::Read, mode, callback)?;
    Ok((wire, source))
}

impl<A: Adapter> Fixture<'_, A> {
    /// Dispatches, and fails unless there were so many calls in all by then.
    fn expect_calls(&mut self, expected: usize, because: &str) -> Check {
        self.deliver()?;
        let calls = self.trial.trace.marks().len();
        ensure!(calls == expected, format_args!("{expected} calls: {because}"), "{calls} calls");
        Ok(())
    }
}

const LEVEL: Rule = Rule {
    id: "MODE-01",
    level: Level::Must,
    sentence: "A level-triggered descriptor MUST be reported in every dispatch while it is ready, \
               and not once it is not.",
    why: "A callback may take a part, and leave the rest for later.",
    source: "epoll(7), level-triggered; polling, test other_modes; libuv, documentation of uv_poll_t",
    check: "whether the registration is renewed after a report, and in which mode it is made",
    needs: &[Capability::Level, Capability::OneWaitADispatch],
    alone: false,
};

fn level<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, _) = insert(t, Mode::Level, read_one, Next::Continue)?;
    for _ in 0..4 {
        wire.send();
    }
    for call in 1..=4 {
        t.expect_calls(call, "a byte was read in each dispatch, and others were left")?;
    }
    t.expect_sleep()?;
    wire.send();
    t.expect_calls(5, "another byte came")
}

const EDGE: Rule = Rule {
    id: "MODE-02",
    level: Level::Must,
    sentence: "An edge-triggered descriptor MUST be reported once for what arrives, not again while \
               that is left unread, and again when more arrives.",
    why: "A program that uses it keeps track itself, and pays for every report.",
    source: "epoll(7), edge-triggered; libevent, test et; mio, test et_behavior",
    check: "which mode the system is asked for, and whether the registration is renewed unasked",
    needs: &[Capability::Edge],
    alone: false,
};

fn edge<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, _) = insert(t, Mode::Edge, |_| {}, Next::Continue)?;
    wire.send();
    t.expect_calls(1, "a byte came")?;
    t.expect_sleep()?;
    wire.send();
    t.expect_calls(2, "a second byte came while the first was unread")?;
    t.expect_sleep()
}

const EDGE_IN_CALLBACK: Rule = Rule {
    id: "MODE-104",
    level: Level::Must,
    sentence: "What arrives at an edge-triggered descriptor while its callback runs MUST be \
               reported.",
    why: "There is no second chance: the program waits for a report, and the peer for an answer.",
    source: "epoll(7), question 9; libevent, test et",
    check: "what is done with the registration after the callback",
    needs: &[Capability::Edge],
    alone: false,
};

fn edge_in_callback<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    wire.send();
    let (trace, mut answers) = (t.trace(), 3);
    let callback = move |_: &A::Handle, fd: BorrowedFd<'_>, _: Readiness| {
        trace.mark("called");
        drain(fd);
        if answers > 0 {
            answers -= 1;
            wire.send();
        }
        Next::Continue
    };
    A::insert_fd(&t.handle, fd, Interest::Read, Mode::Edge, callback)?;
    t.dispatch_until("a call for each of the bytes that came during the one before", |trace| {
        trace.marks().len() == 4
    })?;
    t.expect_sleep()
}

const EDGE_AFTER_UPDATE: Rule = Rule {
    id: "MODE-04",
    level: Level::Should,
    sentence: "An update of an edge-triggered descriptor SHOULD have it reported if it is ready.",
    why: "Who begins to wait anew need not try first.",
    source: "epoll_ctl(2): EPOLL_CTL_MOD looks at the state, as EPOLL_CTL_ADD does",
    check: "whether an update that changes nothing is left out",
    needs: &[Capability::Edge, Capability::Update],
    alone: false,
};

fn edge_after_update<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, source) = insert(t, Mode::Edge, |_| {}, Next::Continue)?;
    wire.send();
    t.expect_calls(1, "a byte came")?;
    A::update_fd(&t.handle, &source, Interest::Read, Mode::Edge)?;
    t.expect_calls(2, "the byte is still there after an update")
}

const ONE_SHOT: Rule = Rule {
    id: "MODE-03",
    level: Level::Must,
    sentence: "A one-shot descriptor MUST be reported once, then not until it is updated; if it is \
               ready by then it MUST be reported again.",
    why: "The report hands the descriptor over, and the update takes it back.",
    source: "epoll_ctl(2), EPOLLONESHOT; sd-event, SD_EVENT_ONESHOT; polling, test oneshot",
    check: "which mode the system is asked for, and whether the registration is renewed unasked",
    needs: &[Capability::OneShot, Capability::Update],
    alone: false,
};

fn one_shot<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, source) = insert(t, Mode::OneShot, read_one, Next::Continue)?;
    wire.send();
    wire.send();
    t.expect_calls(1, "two bytes came, which is one report")?;
    wire.send();
    t.expect_sleep()?;
    A::update_fd(&t.handle, &source, Interest::Read, Mode::OneShot)?;
    t.expect_calls(2, "bytes were left when it was updated")?;
    t.expect_sleep()?;
    read_all(t, &source, &wire)
}

/// Reads what is left by an update each, then has one wait that meets nothing.
fn read_all<A: Adapter>(t: &mut Fixture<'_, A>, source: &A::Source, wire: &Wire) -> Check {
    A::update_fd(&t.handle, source, Interest::Read, Mode::OneShot)?;
    t.expect_calls(3, "the last byte was left when it was updated")?;
    A::update_fd(&t.handle, source, Interest::Read, Mode::OneShot)?;
    t.expect_sleep()?;
    wire.send();
    t.expect_calls(4, "a byte came after it was updated")
}

const ONE_SHOT_ANSWER: Rule = Rule {
    id: "MODE-105",
    level: Level::Must,
    sentence: "A one-shot descriptor whose callback asks to be registered anew MUST be reported \
               again, as long as it is ready and then when it is so.",
    why: "The callback knows best whether it wants more.",
    source: "calloop, documentation of PostAction::Reregister and Mode::OneShot",
    check: "what is done about the callback's answer",
    needs: &[Capability::OneShot, Capability::PostActions],
    alone: false,
};

fn one_shot_answer<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, _) = insert(t, Mode::OneShot, read_one, Next::Rearm)?;
    wire.send();
    wire.send();
    t.dispatch_until("a call for each of two bytes", |trace| trace.marks().len() == 2)?;
    t.expect_sleep()?;
    wire.send();
    t.expect_calls(3, "another byte came")
}
