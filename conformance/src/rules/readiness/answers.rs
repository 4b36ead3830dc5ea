//! What a callback answers about its own descriptor.

use std::io::Read;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

use crate::adapter::{Adapter, Capability, Interest, Next, Readiness};
use crate::ensure_eq;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{usual_mode, watch};
use crate::rules::kit::{OnDrop, Wire};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&ANSWERS_REMOVE, answers_remove),
        Case::new::<A>(&ANSWERS_DISABLE, answers_disable),
    ]
}

const ANSWERS_REMOVE: Rule = Rule {
    id: "MODE-119",
    level: Level::Must,
    sentence: "A descriptor whose callback asks to be removed MUST be closed and its callback \
               dropped when that has returned, and others MUST NOT be touched.",
    why: "It is the shortest way to end a connection, and needs no name.",
    source: "calloop, documentation of PostAction::Remove; glib, documentation of G_SOURCE_REMOVE",
    check: "what is done about the callback's answer, and to whom",
    needs: &[Capability::Descriptors, Capability::PostActions],
    alone: false,
};

fn answers_remove<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (mut far, near) = UnixStream::pair()?;
    far.set_nonblocking(true)?;
    near.set_nonblocking(true)?;
    let (neighbour_wire, neighbour) = Wire::new()?;
    let (trace, dropped) = (t.trace(), t.trace());
    let captured = OnDrop(move || dropped.mark("dropped"));
    let callback = move |_: &A::Handle, fd: BorrowedFd<'_>, _: Readiness| {
        let _ = &captured;
        let _ = rustix::io::read(fd, &mut [0; 8]);
        trace.mark("called");
        Next::Remove
    };
    // The name is not kept, and with it nothing of the source.
    drop(A::insert_fd(&t.handle, near.into(), Interest::Read, usual_mode::<A>(), callback)?);
    watch(t, neighbour, "neighbour")?;
    std::io::Write::write_all(&mut far, b"!")?;
    t.dispatch_until("a call", |trace| trace.count("called") > 0)?;
    t.deliver()?;
    t.expect_marks(&["called", "dropped"])?;
    let end = far.read(&mut [0]).map_err(|error| error.kind());
    ensure_eq!(end, Ok(0), "what the peer of a descriptor reads that was removed: its end");
    neighbour_wire.send();
    t.dispatch_until("another source to be called", |trace| trace.count("neighbour") == 1)
}

const ANSWERS_DISABLE: Rule = Rule {
    id: "MODE-120",
    level: Level::Must,
    sentence: "A descriptor whose callback asks to be disabled MUST NOT be reported until it is \
               enabled, and then MUST be for what has come meanwhile.",
    why: "A callback that cannot go on puts itself off.",
    source: "calloop, documentation of PostAction::Disable and test test_transient_disable",
    check: "whether the answer does what a call of `disable` does",
    needs: &[Capability::Level, Capability::PostActions, Capability::Disable],
    alone: false,
};

fn answers_disable<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    let trace = t.trace();
    let callback = move |_: &A::Handle, fd: BorrowedFd<'_>, _: Readiness| {
        let _ = rustix::io::read(fd, &mut [0; 1]);
        trace.mark("called");
        Next::Disable
    };
    let source = A::insert_fd(&t.handle, fd, Interest::Read, usual_mode::<A>(), callback)?;
    for calls in 1..=3 {
        wire.send();
        wire.send();
        t.dispatch_until("a call of what is enabled", |trace| trace.marks().len() >= calls)?;
        t.expect_sleep()?;
        ensure_eq!(t.trial.trace.marks().len(), calls, "calls, one for each time it was enabled");
        A::enable(&t.handle, &source)?;
    }
    Ok(())
}
