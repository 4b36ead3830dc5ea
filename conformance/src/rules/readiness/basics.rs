//! Readable, writable, both, and nothing else.

use std::os::fd::BorrowedFd;

use super::links::{Link, send};
use crate::adapter::{Adapter, Capability, Interest, Next, Readiness};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{go_on, usual_mode};
use crate::rules::kit::{Wire, drain};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&READABLE, readable),
        Case::new::<A>(&WRITABLE, writable),
        Case::new::<A>(&BOTH, both),
        Case::new::<A>(&AS_ASKED, as_asked),
    ]
}

const READABLE: Rule = Rule {
    id: "MODE-101",
    level: Level::Must,
    sentence: "A socket, pipe, terminal or counter MUST be reported readable when there is \
               something to read, and not before.",
    why: "It is what an event loop is for.",
    source: "epoll_ctl(2), EPOLLIN; poll(2); IO::Async, tests of watch_io",
    check: "how interest is translated into what the system is asked, and its answer back",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn readable<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut writers = Vec::new();
    for Link { kind, reader, writer } in Link::of_each_kind()? {
        let (trace, mode) = (t.trace(), usual_mode::<A>());
        let callback = move |_: &A::Handle, fd: BorrowedFd<'_>, is: Readiness| {
            let what = if is.readable { "readable" } else { "not readable" };
            trace.mark(format_args!("{kind} {what}"));
            drain(fd);
            go_on::<A>(mode)
        };
        A::insert_fd(&t.handle, reader, Interest::Read, mode, callback)?;
        writers.push((kind, writer));
    }
    t.expect_sleep()?;
    let mut expected = Vec::new();
    for (kind, writer) in &writers {
        let mark = format!("{kind} readable");
        send(writer)?;
        let what = format!("a {kind} reported readable");
        t.dispatch_until(&what, |trace| trace.count(&mark) > 0)?;
        expected.push(mark);
    }
    t.expect_sleep()?;
    t.expect_marks(&expected)
}

const WRITABLE: Rule = Rule {
    id: "MODE-102",
    level: Level::Must,
    sentence: "A socket, pipe, terminal or counter MUST be reported writable while there is room.",
    why: "A program that has something to say waits for that.",
    source: "epoll_ctl(2), EPOLLOUT; poll(2); IO::Async, tests of watch_io",
    check: "how interest is translated into what the system is asked, and its answer back",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn writable<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for Link { kind, reader, writer } in Link::of_each_kind()? {
        let trace = t.trace();
        let callback = move |_: &A::Handle, _: BorrowedFd<'_>, is: Readiness| {
            let what = if is.writable { "writable" } else { "not writable" };
            trace.mark(format_args!("{kind} {what}"));
            Next::Continue
        };
        let mode = usual_mode::<A>();
        let source = A::insert_fd(&t.handle, writer, Interest::Write, mode, callback)?;
        t.deliver()?;
        A::remove(&t.handle, source);
        let marks = t.trial.trace.marks();
        let last = marks.last().map_or("nothing", String::as_str);
        ensure!(
            last == format!("{kind} writable"),
            format_args!("{kind} writable, as it has room"),
            "{last}"
        );
        drop(reader);
    }
    Ok(())
}

const BOTH: Rule = Rule {
    id: "MODE-103",
    level: Level::Must,
    sentence: "A descriptor that is watched for both MUST be reported readable as well as writable, \
               each as it is so.",
    why: "A connection is read and written by one source.",
    source: "epoll_ctl(2); libuv, test poll_duplex",
    check: "what becomes of the second of two flags that come at once",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn both<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for (mut link, is_readable) in
        [(Link::socket_pair()?, false), (Link::socket_pair()?, true), (Link::tcp()?, true)]
    {
        if is_readable {
            send(&link.writer)?;
            let mut one = [rustix::event::PollFd::new(&link.reader, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut one, None)?;
        }
        let trace = t.trace();
        let callback = move |_: &A::Handle, _: BorrowedFd<'_>, is: Readiness| {
            if is.readable {
                trace.mark("readable");
            }
            if is.writable {
                trace.mark("writable");
            }
            Next::Continue
        };
        let (before, mode) = (t.trial.trace.marks().len(), usual_mode::<A>());
        let reader = std::mem::replace(&mut link.reader, link.writer.try_clone()?);
        let source = A::insert_fd(&t.handle, reader, Interest::Both, mode, callback)?;
        t.deliver()?;
        A::remove(&t.handle, source);
        let mut marks = t.trial.trace.marks().split_off(before);
        marks.sort();
        marks.dedup();
        let expected = if is_readable { &["readable", "writable"][..] } else { &["writable"] };
        ensure_eq!(marks, expected, "reports of a {}, something to read: {is_readable}", link.kind);
    }
    Ok(())
}

const AS_ASKED: Rule = Rule {
    id: "MODE-05",
    level: Level::Must,
    sentence: "A descriptor MUST be reported only for what it is watched for, as long as nothing is \
               wrong with it.",
    why: "A callback that waits to read takes writable for a mistake, or for an end of its peer.",
    source: "poll(2): revents has what was asked for, and errors; calloop, test dispatch_unix",
    check: "whether readiness is that of the descriptor or what was asked for of it",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn as_asked<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for (interest, expected) in [
        (Interest::Read, Readiness { readable: true, writable: false }),
        (Interest::Write, Readiness { readable: false, writable: true }),
    ] {
        // Both at all times.
        let (wire, fd) = Wire::new()?;
        wire.send();
        let trace = t.trace();
        let callback = move |_: &A::Handle, _: BorrowedFd<'_>, is: Readiness| {
            trace.mark(format_args!("{is:?}"));
            Next::Continue
        };
        let before = t.trial.trace.marks().len();
        let source = A::insert_fd(&t.handle, fd, interest, usual_mode::<A>(), callback)?;
        t.deliver()?;
        A::remove(&t.handle, source);
        let mut marks = t.trial.trace.marks().split_off(before);
        marks.dedup();
        ensure_eq!(marks, [format!("{expected:?}")], "reports to what waits for {interest:?}");
    }
    Ok(())
}
