//! Descriptors of one file, numbers that are used again, and pollers within pollers.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use crate::adapter::{Adapter, Capability, Interest, Next};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{go_on, usual_mode, watch};
use crate::rules::kit::{Wire, drain};
use crate::system::poller_of;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&DUPLICATES, duplicates),
        Case::new::<A>(&NUMBER_REUSED, number_reused),
        Case::new::<A>(&NESTED, nested),
    ]
}

const DUPLICATES: Rule = Rule {
    id: "MODE-113",
    level: Level::Must,
    sentence: "Two descriptors of one file MUST both be served, and the removal of one MUST neither \
               silence the other nor leave an event behind.",
    why: "Descriptors are duplicated to be handed on, to libraries and to other parts of a program.",
    source: "epoll(7), question 6; libevent, test dup_fd; libuv, test iouring_pollhup",
    check: "whether the registration goes with the descriptor or stays with the file",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn duplicates<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    let mode = usual_mode::<A>();
    let insert = |t: &Fixture<'_, A>, fd: OwnedFd, name: &'static str| {
        let trace = t.trace();
        A::insert_fd(&t.handle, fd, Interest::Read, mode, move |_, _, _| {
            trace.mark(name);
            go_on::<A>(mode)
        })
    };
    let first = insert(t, fd.try_clone()?, "first")?;
    insert(t, fd.try_clone()?, "second")?;
    wire.send();
    // Neither reads, so that both have something to report.
    t.dispatch_until("both descriptors of one stream to be reported", |trace| {
        trace.count("first") > 0 && trace.count("second") > 0
    })?;
    A::remove(&t.handle, first);
    let (firsts, seconds) = (t.trial.trace.count("first"), t.trial.trace.count("second"));
    wire.send();
    t.dispatch_until("the second of two descriptors after the removal of the first", |trace| {
        trace.count("second") > seconds
    })?;
    drain(fd.as_fd());
    t.expect_sleep()?;
    ensure_eq!(t.trial.trace.count("first"), firsts, "reports to the first, which is removed");
    Ok(())
}

const NUMBER_REUSED: Rule = Rule {
    id: "MODE-114",
    level: Level::Must,
    sentence: "When the number of a closed descriptor is used again, the new source MUST be told of \
               the new file's events and of no others.",
    why: "Numbers are used again at once: a connection would read because another had news.",
    source: "open(2), lowest-numbered descriptor; epoll(7), question 6; libev, documentation, The \
             special problem of disappearing file descriptors",
    check: "whether events are told apart by the number of the descriptor alone",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn number_reused<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (old_wire, old) = Wire::new()?;
    let number = old.as_raw_fd();
    // The file lives on, and with it whatever was not unregistered.
    let _old = old.try_clone()?;
    let source = watch(t, old, "old")?;
    t.deliver()?;
    let (new_wire, new) = Wire::new()?;
    old_wire.send();
    A::remove(&t.handle, source);
    let mut renumbered = rustix::io::fcntl_dupfd_cloexec(&new, number)?;
    if renumbered.as_raw_fd() != number {
        // The loop closes in its next dispatch.
        t.deliver()?;
        renumbered = rustix::io::fcntl_dupfd_cloexec(&new, number)?;
    }
    ensure_eq!(renumbered.as_raw_fd(), number, "number of the new descriptor");
    drop(new);
    watch(t, renumbered, "new")?;
    old_wire.send();
    t.expect_sleep()?;
    new_wire.send();
    t.dispatch_until("an event of the new file", |trace| !trace.marks().is_empty())?;
    t.expect_marks(&["new"])
}

const NESTED: Rule = Rule {
    id: "MODE-115",
    level: Level::Must,
    sentence: "A poller of the system MUST be reported readable when one of its own descriptors is \
               ready.",
    why: "Libraries bring event loops of their own, and offer their poller to be watched.",
    source: "epoll(7), question 3; libuv, tests poll_nested_epoll and poll_nested_kqueue",
    check: "whether the descriptor is classified and refused, or read from",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn nested<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    let poller = poller_of(&fd)?;
    let (trace, mode) = (t.trace(), usual_mode::<A>());
    let source = A::insert_fd(&t.handle, poller, Interest::Read, mode, move |_, _, is| {
        trace.mark(if is.readable { "readable" } else { "not readable" });
        drain(fd.as_fd());
        Next::Continue
    })?;
    t.expect_sleep()?;
    wire.send();
    t.dispatch(Some(t.trial.limit(Duration::from_secs(1))))?;
    let marks = t.trial.trace.marks();
    ensure!(marks == ["readable"], "the poller reported readable", "{}", marks.join(", "));
    t.expect_sleep()?;
    A::remove(&t.handle, source);
    Ok(())
}
