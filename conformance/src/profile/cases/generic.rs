//! Any file descriptor as a source.

use std::cell::RefCell;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::UnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use super::calloop::generic::Generic;
use super::calloop::{Dispatcher, EventLoop, Interest, Mode, PostAction};
use super::fixture::{Context, Fixture, error_of_source};
use super::sources::readable_stream;
use crate::rule::{Case, Check, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&READINESS_AND_DESCRIPTOR, readiness_and_descriptor),
        Case::plain(&URGENT_DATA, urgent_data),
        Case::plain(&ERROR_IS_TOLD, error_is_told),
        Case::plain(&CLOSES_WHAT_IT_OWNS, closes_what_it_owns),
        Case::plain(&UNWRAPPED, unwrapped),
        Case::plain(&FAILED_AND_DROPPED, failed_and_dropped),
        Case::plain(&OUTLIVES_THE_LOOP, outlives_the_loop),
        Case::plain(&OWN_ERROR, own_error),
        Case::plain(&UNWIND_SAFE, unwind_safe),
    ]
}

const READINESS_AND_DESCRIPTOR: Rule = Rule {
    id: "GEN-01",
    level: Level::Must,
    sentence: "The callback of a `Generic` MUST be told the readiness of its descriptor and be lent \
               the descriptor, and what it answers MUST be done.",
    why: "It reads what there is, and decides by what it read whether to go on.",
    source: "calloop, documentation of Generic and NoIoDrop; calloop, test dispatch_unix",
    check: "what is handed to the callback",
    needs: &[],
    alone: false,
};

fn readiness_and_descriptor(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, mut far) = readable_stream()?;
    let source = Generic::new(near, Interest::READ, Mode::Level);
    f.handle.insert_source(source, |readiness, near, cx| {
        cx.mark(if readiness.readable { "readable" } else { "not readable" });
        cx.mark(if readiness.writable { "writable" } else { "not writable" });
        let mut buffer = [0; 8];
        let count = (&**near).read(&mut buffer)?;
        cx.mark(&String::from_utf8_lossy(&buffer[..count]));
        (&**near).write_all(b"thanks")?;
        Ok(PostAction::Remove)
    })?;
    f.poll()?;
    f.expect_marks(["readable", "not writable", "!"])?;
    let mut answer = String::new();
    far.read_to_string(&mut answer)?;
    ensure_eq!(answer, "thanks", "answer, up to the end of the stream, which was removed");
    Ok(())
}

const URGENT_DATA: Rule = Rule {
    id: "GEN-08",
    level: Level::Should,
    sentence: "A `Generic` that is watched for reading SHOULD be called for urgent data, as readable.",
    why: "Where a program is interested in it there is no other way to be told: `Interest` has two \
          fields.",
    source: "poll(2), POLLPRI; observed of calloop 0.14.5",
    check: "what the interest in reading asks the system for",
    needs: &[],
    alone: false,
};

fn urgent_data(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let far = TcpStream::connect(listener.local_addr()?)?;
    let (near, _) = listener.accept()?;
    f.handle.insert_source(
        Generic::new(near, Interest::READ, Mode::Level),
        |readiness, _, cx| {
            cx.mark(if readiness.readable { "readable" } else { "not readable" });
            Ok(PostAction::Remove)
        },
    )?;
    rustix::net::send(&far, b"!", rustix::net::SendFlags::OOB)?;
    f.dispatch_until("urgent data to be reported", |trace| trace.count("readable") == 1)
}

const ERROR_IS_TOLD: Rule = Rule {
    id: "GEN-09",
    level: Level::Should,
    sentence: "`Readiness::error` SHOULD be true where the system reports an error of the descriptor.",
    why: "A program that only waits to write would have to write to learn that nobody reads.",
    source: "calloop, documentation of Readiness::error; poll(2), POLLERR",
    check: "whether what the system reports is passed on or the field is always false",
    needs: &[],
    alone: false,
};

fn error_is_told(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    for is_broken in [false, true] {
        let (reader, writer) = rustix::pipe::pipe()?;
        let _reader = (!is_broken).then_some(reader);
        let source = Generic::new(writer, Interest::WRITE, Mode::Level);
        f.handle.insert_source(source, |readiness, _, cx| {
            cx.mark(if readiness.error { "error" } else { "no error" });
            Ok(PostAction::Remove)
        })?;
        f.poll()?;
    }
    f.expect_marks(["no error", "error"])
}

const CLOSES_WHAT_IT_OWNS: Rule = Rule {
    id: "GEN-02",
    level: Level::Must,
    sentence: "A `Generic` that is removed MUST be unregistered and its descriptor closed, before \
               `remove` returns.",
    why: "The other side learns of the end, and the number is free.",
    source: "calloop, documentation of Generic; epoll(7), question 6",
    check: "whether the descriptor is unregistered before it is closed",
    needs: &[],
    alone: false,
};

fn closes_what_it_owns(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, mut far) = readable_stream()?;
    // A duplicate: as long as it is open the kernel goes on reporting what is still registered.
    let duplicate = near.try_clone()?;
    let source = Generic::new(near, Interest::READ, Mode::Level);
    let token = f.handle.insert_source(source, |_, _, cx| {
        cx.mark("called");
        Ok(PostAction::Continue)
    })?;
    f.handle.remove(token);
    f.expect_quiet()?;
    drop(duplicate);
    let end = far.read(&mut [0]).or_else(|error| match error.kind() {
        // What was sent to the closed end was not read.
        ErrorKind::ConnectionReset => Ok(0),
        _ => Err(error),
    })?;
    ensure_eq!(end, 0, "bytes until the end of the stream");
    Ok(())
}

const UNWRAPPED: Rule = Rule {
    id: "GEN-07",
    level: Level::Must,
    sentence: "`Generic::unwrap` MUST give the descriptor out, open and free to be inserted again.",
    why: "A connection is taken over as it is.",
    source: "calloop, documentation of Generic::unwrap",
    check: "whether the drop of the rest unregisters or closes it",
    needs: &[],
    alone: false,
};

fn unwrapped(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, _far) = readable_stream()?;
    let source = Generic::new(near, Interest::READ, Mode::Level);
    let dispatcher = Dispatcher::new(source, |_, _, cx: &mut Context| {
        cx.mark("first source");
        Ok(PostAction::Remove)
    });
    f.handle.register_dispatcher(dispatcher.clone())?;
    f.poll()?;
    let near = dispatcher.into_source_inner().unwrap();
    let again = Generic::new(near, Interest::READ, Mode::Level);
    f.handle.insert_source(again, |_, near, cx| {
        cx.mark("second source");
        (&**near).read_exact(&mut [0])?;
        Ok(PostAction::Continue)
    })?;
    f.poll()?;
    f.expect_quiet()?;
    f.expect_marks(["first source", "second source"])
}

const FAILED_AND_DROPPED: Rule = Rule {
    id: "GEN-03",
    level: Level::Must,
    sentence: "A `Generic` that could not register MUST NOT unregister when it is dropped.",
    why: "Its descriptor is registered by another source, which would fall silent.",
    source: "calloop, issue 153; calloop, test duplicate_insert",
    check: "when the source takes note that it is registered",
    needs: &[],
    alone: false,
};

fn failed_and_dropped(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, _far) = readable_stream()?;
    let near = Rc::new(near);
    for is_first in [true, false] {
        let source = Generic::new(near.clone(), Interest::READ, Mode::Level);
        let outcome = f.handle.insert_source(source, |_, _, cx| {
            cx.mark("called");
            Ok(PostAction::Continue)
        });
        ensure_eq!(outcome.is_ok(), is_first, "insertion worked");
        drop(outcome);
    }
    f.poll()?;
    f.expect_marks(["called"])
}

const OUTLIVES_THE_LOOP: Rule = Rule {
    id: "GEN-04",
    level: Level::Must,
    sentence: "A `Generic` in a `Dispatcher` that is kept beyond its loop MUST be usable in another \
               loop, or be dropped.",
    why: "Loops end in any order with what they were lent.",
    source: "calloop, documentation of Dispatcher::into_source_inner",
    check: "what the source holds of the loop it was in",
    needs: &[],
    alone: false,
};

fn outlives_the_loop(t: &Trial) -> Check {
    let (near, _far) = readable_stream()?;
    let source = Generic::new(near, Interest::READ, Mode::Level);
    let dispatcher = Dispatcher::new(source, |_, _, calls: &mut u32| {
        *calls += 1;
        Ok(PostAction::Continue)
    });
    for number in 1..=2 {
        let mut calls = 0;
        let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new()?;
        event_loop.handle().register_dispatcher(dispatcher.clone())?;
        event_loop.dispatch(Duration::ZERO, &mut calls)?;
        t.trace.note(format_args!("loop {number}: {calls} calls"));
        ensure_eq!(calls, 1, "calls in loop {number}");
    }
    drop(dispatcher.into_source_inner().unwrap());
    Ok(())
}

/// An error that is not an io::Error.
#[derive(Debug, PartialEq)]
struct Unplugged;

impl fmt::Display for Unplugged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unplugged")
    }
}

impl std::error::Error for Unplugged {}

const OWN_ERROR: Rule = Rule {
    id: "GEN-05",
    level: Level::Must,
    sentence: "The error of a callback made with `new_with_error` MUST come out of the dispatch as \
               itself, inside `Error::OtherError`.",
    why: "A program has errors of its own, and gets them back.",
    source: "calloop, documentation of Generic::new_with_error",
    check: "whether the error is converted on its way",
    needs: &[],
    alone: false,
};

fn own_error(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, _far) = readable_stream()?;
    let source = Generic::new_with_error::<Unplugged>(near, Interest::READ, Mode::Level);
    f.handle.insert_source(source, |_, _, _| Err(Unplugged))?;
    let error = error_of_source(f.poll())?;
    ensure_eq!(error.downcast_ref(), Some(&Unplugged), "error inside");
    Ok(())
}

const UNWIND_SAFE: Rule = Rule {
    id: "GEN-06",
    level: Level::Must,
    sentence: "A `Generic` MUST be `UnwindSafe` whatever its error type, if its descriptor is.",
    why: "A source holds no error; its type must not spread to what contains the source.",
    source: "calloop, changelog of 0.14.1",
    check: "how the error type is mentioned in the struct: as what a function returns",
    needs: &[],
    alone: false,
};

fn unwind_safe(_: &Trial) -> Check {
    struct Probe<T>(std::marker::PhantomData<T>);
    trait Otherwise {
        const IS_UNWIND_SAFE: bool = false;
    }
    impl<T> Otherwise for Probe<T> {}
    #[allow(dead_code, reason = "it is unused where the rule is not kept")]
    impl<T: UnwindSafe> Probe<T> {
        const IS_UNWIND_SAFE: bool = true;
    }
    type Unsafe = Rc<RefCell<()>>;
    ensure!(!Probe::<Unsafe>::IS_UNWIND_SAFE, "a probe that finds what is not", "it is misled");
    ensure!(
        Probe::<Generic<UnixStream, Unsafe>>::IS_UNWIND_SAFE,
        "Generic<UnixStream, _>: UnwindSafe",
        "it is not"
    );
    Ok(())
}
