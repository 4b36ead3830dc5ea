//! File descriptors in futures.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::{AsyncReadExt, AsyncWriteExt, future};
use rustix::fs::{OFlags, fcntl_getfl};

use super::calloop::futures::executor;
use super::calloop::generic::Generic;
use super::calloop::{EventLoop, Interest, Mode, PostAction};
use super::fixture::Fixture;
use super::sources::readable_stream;
use crate::rule::{Case, Check, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&READ_AND_WRITE, read_and_write),
        Case::plain(&BOTH_HALVES_WAIT, both_halves_wait),
        Case::plain(&NOT_READY_AFTER_READING, not_ready_after_reading),
        Case::plain(&FAILED_ADAPTATION, failed_adaptation),
        Case::plain(&FREE_AFTERWARDS, free_afterwards),
        Case::plain(&DOES_NOT_KEEP_THE_LOOP, does_not_keep_the_loop),
    ]
}

fn is_nonblocking(fd: impl AsFd) -> io::Result<bool> {
    Ok(fcntl_getfl(fd)?.contains(OFlags::NONBLOCK))
}

const READ_AND_WRITE: Rule = Rule {
    id: "IO-03",
    level: Level::Must,
    sentence: "An adapter MUST read and write as `AsyncRead` and `AsyncWrite`, vectored too, wait \
               where the descriptor would block, and on `close` flush without a shutdown.",
    why: "Every protocol library for asynchronous code is written against these traits.",
    source: "calloop, tests read_write and read_write_vectored; the traits' documentation in \
             futures-io",
    check: "whether the operation is tried before, and again after, the wait",
    needs: &[],
    alone: false,
};

fn read_and_write(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, far) = UnixStream::pair()?;
    let (mut near, mut far) = (f.handle.adapt_io(near)?, f.handle.adapt_io(far)?);
    // More than the kernel buffers, so that both sides have to wait.
    let sent: Vec<u8> = (0..1 << 20).map(|position| (position % 251) as u8).collect();
    let mut received = vec![0; sent.len()];
    let (written, read) =
        f.block_on(future::join(near.write_all(&sent), far.read_exact(&mut received)))?;
    written.and(read)?;
    ensure!(sent == received, "the bytes that were written", "others");

    let (mut head, mut tail) = ([0; 2], [0; 3]);
    let (written, read) = f.block_on(async {
        let written = near.write_vectored(&[IoSlice::new(b"he"), IoSlice::new(b"llo")]).await?;
        near.close().await?;
        let mut parts = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
        Ok::<_, io::Error>((written, far.read_vectored(&mut parts).await?))
    })??;
    ensure_eq!((written, read), (5, 5), "bytes written and read");
    ensure_eq!((&head, &tail), (b"he", b"llo"), "parts read");
    let next = far.get_mut().read(&mut [0]).map_err(|error| error.kind());
    ensure_eq!(next, Err(io::ErrorKind::WouldBlock), "read after the other side's close");
    Ok(())
}

const BOTH_HALVES_WAIT: Rule = Rule {
    id: "IO-04",
    level: Level::Must,
    sentence: "When one task waits to read and another to write on the same adapter, as after \
               `split`, each MUST be woken.",
    why: "A connection is usually read by one task and written by another.",
    source: "futures-util's documentation of AsyncReadExt::split; tokio and async-io keep two \
             wakers",
    check: "whether there is a place for a waker in each direction",
    needs: &[],
    alone: false,
};

fn both_halves_wait(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, mut far) = UnixStream::pair()?;
    far.set_nonblocking(true)?;
    let (mut reader, mut writer) = f.handle.adapt_io(near)?.split();
    let (executor, scheduler) = executor()?;
    f.handle.insert_source(executor, |value, &mut (), cx| cx.mark(value))?;
    let read = async move {
        let outcome = reader.read_exact(&mut [0]).await;
        if outcome.is_ok() { "read" } else { "reading failed" }
    };
    let write = async move {
        let outcome = writer.write_all(&vec![0; 1 << 20]).await;
        if outcome.is_ok() { "written" } else { "writing failed" }
    };
    scheduler.schedule(read).expect("the executor is in the loop");
    scheduler.schedule(write).expect("the executor is in the loop");
    f.poll()?;
    f.expect_quiet()?;
    far.write_all(b"!")?;
    f.dispatch_until("the reader to be woken", |trace| trace.count("read") == 1)?;
    f.dispatch_until("the writer to be woken", |trace| {
        while matches!(far.read(&mut [0; 4096]), Ok(1..)) {}
        trace.count("written") == 1
    })
}

const NOT_READY_AFTER_READING: Rule = Rule {
    id: "IO-05",
    level: Level::Should,
    sentence: "`readable` SHOULD NOT be ready when everything was read since the kernel reported it.",
    why: "A task that is woken for nothing tries in vain; one that counts on readiness blocks.",
    source: "observed of calloop 0.14.5; epoll(7), question 9",
    check: "whether a report that an operation has used up is kept",
    needs: &[],
    alone: false,
};

fn not_ready_after_reading(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, mut far) = UnixStream::pair()?;
    let mut near = f.handle.adapt_io(near)?;
    let mut byte = [0];
    // The read has to wait before there is something to read.
    let (read, written) =
        f.block_on(future::join(near.read(&mut byte), async { far.write_all(b"!") }))?;
    ensure_eq!(read.and_then(|count| written.map(|()| count))?, 1, "bytes read");
    let polled = pin!(near.readable()).poll(&mut Context::from_waker(Waker::noop()));
    ensure!(polled.is_pending(), "not readable", "ready, though there is nothing to read");
    Ok(())
}

const FAILED_ADAPTATION: Rule = Rule {
    id: "IO-06",
    level: Level::Must,
    sentence: "`adapt_io` that fails MUST leave the descriptor's flags as it found them.",
    why: "The descriptor may be shared: another process would find its standard output \
          non-blocking.",
    source: "fcntl(2), F_SETFL; calloop, documentation of LoopHandle::adapt_io",
    check: "whether the flag is set before the registration, and not taken back",
    needs: &[],
    alone: false,
};

fn failed_adaptation(t: &Trial) -> Check {
    let f = Fixture::new(t)?;
    // epoll does not take regular files.
    let file = tempfile::tempfile()?;
    ensure!(f.handle.adapt_io(file.try_clone()?).is_err(), "an error", "an adapter");
    ensure!(!is_nonblocking(&file)?, "a file that is blocking as before", "non-blocking");
    // Nor a descriptor twice.
    let (near, _far) = UnixStream::pair()?;
    let near = Rc::new(near);
    let source = Generic::new(near.clone(), Interest::READ, Mode::Level);
    f.handle.insert_source(source, |_, _, _| Ok(PostAction::Continue))?;
    ensure!(f.handle.adapt_io(near.clone()).is_err(), "an error", "an adapter");
    ensure!(!is_nonblocking(&near)?, "a stream that is blocking as before", "non-blocking");
    Ok(())
}

const FREE_AFTERWARDS: Rule = Rule {
    id: "IO-51",
    level: Level::Must,
    sentence: "After `into_inner` or the drop of its adapter a descriptor MUST be free to be \
               inserted in the loop again.",
    why: "A connection is greeted by a future, then handed to a source.",
    source: "calloop, changelog of 0.14.5",
    check: "whether the adapter unregisters the descriptor",
    needs: &[],
    alone: false,
};

fn free_afterwards(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    for into_inner in [false, true] {
        let (near, _far) = readable_stream()?;
        let near = Rc::new(near);
        let adapter = f.handle.adapt_io(near.clone())?;
        if into_inner {
            drop(adapter.into_inner());
        } else {
            drop(adapter);
        }
        let source = Generic::new(near, Interest::READ, Mode::Level);
        f.handle.insert_source(source, |_, _, cx| {
            cx.mark("readable");
            Ok(PostAction::Remove)
        })?;
        f.poll()?;
    }
    f.expect_marks(["readable"; 2])
}

const DOES_NOT_KEEP_THE_LOOP: Rule = Rule {
    id: "IO-08",
    level: Level::Should,
    sentence: "An adapter that waits in an executor of its own loop SHOULD NOT keep the loop alive.",
    why: "The loop owns the executor and that the adapter: nothing of them would ever be dropped, \
          and every descriptor stay open.",
    source: "calloop, documentation of LoopHandle::downgrade, on cycles of reference counts",
    check: "whether the adapter holds a strong reference to the loop",
    needs: &[],
    alone: false,
};

fn does_not_keep_the_loop(_: &Trial) -> Check {
    let mut event_loop: EventLoop<'static, ()> = EventLoop::try_new()?;
    let (executor, scheduler) = executor::<()>()?;
    event_loop.handle().insert_source(executor, |(), &mut (), &mut ()| {})?;
    let (near, mut far) = UnixStream::pair()?;
    far.set_nonblocking(true)?;
    let mut near = event_loop.handle().adapt_io(near)?;
    let waiting = async move { near.readable().await };
    scheduler.schedule(waiting).expect("the executor is in the loop");
    event_loop.dispatch(Duration::ZERO, &mut ())?;
    drop(event_loop);
    let outcome = far.read(&mut [0]);
    ensure!(matches!(outcome, Ok(0)), "the descriptor to be closed with the loop", "{outcome:?}");
    Ok(())
}
