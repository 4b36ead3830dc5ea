//! Descriptors whose readiness futures await.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use rustix::fs::{OFlags, fcntl_getfl};

use super::insert;
use crate::adapter::{Adapter, AsyncFd, Capability, Spawn};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{fill, watch};
use crate::rules::kit::drain;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&FLAGS_RESTORED, flags_restored),
        Case::new::<A>(&READY_WHEN_SO, ready_when_so),
        Case::new::<A>(&FREE_AFTERWARDS, free_afterwards),
        Case::new::<A>(&DROPPED, dropped),
        Case::new::<A>(&END, end),
        Case::new::<A>(&MANY, many),
    ]
}

const NEEDS: &[Capability] = &[Capability::Executor, Capability::AsyncIo];

const FLAGS_RESTORED: Rule = Rule {
    id: "IO-01",
    level: Level::Must,
    sentence: "A descriptor that is taken out of its adapter MUST have the flags it had before.",
    why: "They belong to the file, which others may have open: a shell finds its terminal \
          non-blocking.",
    source: "fcntl(2), F_SETFL; calloop, documentation of LoopHandle::adapt_io",
    check: "whether O_NONBLOCK is taken back, and not if it was set before",
    needs: &[Capability::AsyncIo, Capability::FlagsRestored],
    alone: false,
};

fn flags_restored<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for (is_nonblocking, is_dropped) in [(false, false), (true, false), (false, true), (true, true)]
    {
        let (near, _far) = UnixStream::pair()?;
        near.set_nonblocking(is_nonblocking)?;
        // The flags are the file's, so that this one has them, too.
        let same = near.try_clone()?;
        let adapter = A::adapt_io(&t.handle, near.into())?;
        let (how, _near) = if is_dropped {
            drop(adapter);
            ("dropped", None)
        } else {
            ("taken out", Some(adapter.into_fd()))
        };
        let flag = fcntl_getfl(&same)?.contains(OFlags::NONBLOCK);
        ensure_eq!(flag, is_nonblocking, "O_NONBLOCK of the file of a descriptor that was {how}");
    }
    Ok(())
}

const READY_WHEN_SO: Rule = Rule {
    id: "IO-02",
    level: Level::Must,
    sentence: "`readable` and `writable` MUST be ready when the descriptor is so, and not before.",
    why: "A task that goes on too early tries in vain, one that does not go on waits for ever.",
    source: "calloop, tests readable and writable; async-io, documentation of Async::readable",
    check: "who is woken by a report, and what is asked of the system when a future is polled",
    needs: NEEDS,
    alone: false,
};

fn ready_when_so<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, _) = insert(t)?;
    let (near, mut far) = UnixStream::pair()?;
    let mut adapter = A::adapt_io(&t.handle, near.into())?;
    spawner.spawn(async move {
        adapter.readable().await;
        drain(adapter.fd());
        "readable".to_string()
    });
    t.expect_sleep()?;
    far.write_all(b"!")?;
    t.dispatch_until("a descriptor to be readable", |trace| trace.count("readable") == 1)?;

    let (near, far) = UnixStream::pair()?;
    let far: OwnedFd = far.into();
    rustix::io::ioctl_fionbio(&far, true)?;
    let mut adapter = A::adapt_io(&t.handle, near.into())?;
    fill(adapter.fd());
    spawner.spawn(async move {
        adapter.writable().await;
        "writable".to_string()
    });
    t.expect_sleep()?;
    t.poll_until("a descriptor to be writable", |trace| {
        drain(far.as_fd());
        trace.count("writable") == 1
    })?;
    t.expect_marks(&["readable", "writable"])
}

const FREE_AFTERWARDS: Rule = Rule {
    id: "IO-07",
    level: Level::Must,
    sentence: "A descriptor that is taken out of its adapter MUST be free to be inserted in the loop, \
               also under the same number.",
    why: "A connection is greeted by a future, then handed to a source.",
    source: "calloop, changelog of 0.14.5: adapters did not unregister",
    check: "whether the adapter unregisters the descriptor before it gives it away",
    needs: &[Capability::AsyncIo, Capability::Descriptors],
    alone: false,
};

fn free_afterwards<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (near, mut far) = UnixStream::pair()?;
    let near = A::adapt_io(&t.handle, near.into())?.into_fd();
    let near = A::adapt_io(&t.handle, near)?.into_fd();
    rustix::io::ioctl_fionbio(&near, true)?;
    watch(t, near, "inserted")?;
    far.write_all(b"!")?;
    t.dispatch_until("a report to the source", |trace| trace.count("inserted") == 1)
}

const DROPPED: Rule = Rule {
    id: "IO-101",
    level: Level::Must,
    sentence: "An adapter that is dropped while it waits MUST close its descriptor, and MUST NOT \
               leave anything that wakes the loop.",
    why: "A task with a time limit drops what it waited for.",
    source: "async-io, documentation of Async; calloop, changelog of 0.14.5",
    check: "whether the descriptor is unregistered and its waker dropped",
    needs: NEEDS,
    alone: false,
};

fn dropped<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, _) = insert(t)?;
    let (near, mut far) = UnixStream::pair()?;
    // It keeps the file open, and what was not unregistered.
    let duplicate = near.try_clone()?;
    let mut adapter = A::adapt_io(&t.handle, near.into())?;
    spawner.spawn(async move {
        {
            let mut readable = std::pin::pin!(adapter.readable());
            std::future::poll_fn(|context| {
                let _ = readable.as_mut().poll(context);
                std::task::Poll::Ready(())
            })
            .await;
        }
        drop(adapter);
        "dropped".to_string()
    });
    t.dispatch_until("the adapter to be dropped", |trace| trace.count("dropped") == 1)?;
    far.write_all(b"!")?;
    t.expect_sleep()?;
    drop(duplicate);
    let end = far.read(&mut [0]).map_err(|error| error.kind());
    // What was sent was not read, which some systems tell.
    let is_end = matches!(end, Ok(0) | Err(std::io::ErrorKind::ConnectionReset));
    ensure!(is_end, "the peer of a dropped adapter to read the end", "{end:?}");
    Ok(())
}

const END: Rule = Rule {
    id: "IO-102",
    level: Level::Must,
    sentence: "`readable` MUST be ready at the end of a stream, and `writable` when nobody reads any \
               more.",
    why: "It is by reading and writing that a task learns that its peer is gone.",
    source: "epoll_ctl(2), EPOLLRDHUP, EPOLLHUP and EPOLLERR; poll(2)",
    check: "whether a hang-up or an error wakes what waits to read and what waits to write",
    needs: NEEDS,
    alone: false,
};

fn end<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (spawner, _) = insert(t)?;
    let (near, far) = UnixStream::pair()?;
    let mut adapter = A::adapt_io(&t.handle, near.into())?;
    spawner.spawn(async move {
        adapter.readable().await;
        format!("read: {:?}", rustix::io::read(adapter.fd(), &mut [0; 8]))
    });
    let (reader, writer) = rustix::pipe::pipe()?;
    let mut adapter = A::adapt_io(&t.handle, writer)?;
    fill(adapter.fd());
    spawner.spawn(async move {
        adapter.writable().await;
        format!("written: {:?}", rustix::io::write(adapter.fd(), b"!"))
    });
    t.expect_sleep()?;
    drop(far);
    t.dispatch_until("what waits to read to go on at the end", |trace| {
        trace.count("read: Ok(0)") == 1
    })?;
    drop(reader);
    let broken = format!("written: {:?}", Err::<usize, _>(rustix::io::Errno::PIPE));
    t.dispatch_until("what waits to write to go on when nobody reads", |trace| {
        trace.count(&broken) == 1
    })
}

const MANY: Rule = Rule {
    id: "IO-103",
    level: Level::Must,
    sentence: "Many tasks that await many descriptors MUST each be woken by its own, and only it.",
    why: "It is what an asynchronous server is.",
    source: "polling, test many_connections; async-io, tests of Async",
    check: "how a report finds its adapter and its waker",
    needs: NEEDS,
    alone: false,
};

fn many<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const COUNT: usize = 100;
    let (spawner, _) = insert(t)?;
    let (mut peers, polls) = (Vec::new(), Rc::new(RefCell::new(vec![0; COUNT])));
    for number in 0..COUNT {
        let (near, far) = UnixStream::pair()?;
        let mut adapter = A::adapt_io(&t.handle, near.into())?;
        let mut task = Box::pin(async move {
            for _ in 0..2 {
                adapter.readable().await;
                let mut byte = [0];
                let _ = rustix::io::read(adapter.fd(), &mut byte);
                adapter.writable().await;
                let _ = rustix::io::write(adapter.fd(), &byte);
            }
            number.to_string()
        });
        let counted = polls.clone();
        spawner.spawn(poll_fn(move |context| {
            counted.borrow_mut()[number] += 1;
            task.as_mut().poll(context)
        }));
        peers.push(far);
    }
    t.expect_silence()?;
    let others = |number: usize| polls.borrow().iter().sum::<u32>() - polls.borrow()[number];
    let mut order: Vec<usize> = (0..COUNT).collect();
    fastrand::Rng::with_seed(t.trial.settings.seed).shuffle(&mut order);
    for (position, number) in order.iter().enumerate() {
        let (peer, before) = (&mut peers[*number], others(*number));
        peer.set_nonblocking(true)?;
        for byte in [1, 2] {
            peer.write_all(&[byte])?;
            let mut echo = [0];
            let what = format!("task {number} to answer, and no other");
            t.dispatch_until(&what, |_| peer.read(&mut echo).is_ok_and(|count| count == 1))?;
            ensure_eq!(echo[0], byte, "answer of task {number}");
        }
        let name = number.to_string();
        t.dispatch_until("the task to end", |trace| trace.count(&name) == 1)?;
        ensure_eq!(t.trial.trace.marks().len(), position + 1, "tasks that have ended");
        let in_vain = others(*number) - before;
        ensure_eq!(in_vain, 0, "tasks that were polled for what only task {number} awaits");
    }
    Ok(())
}
