//! Much at once.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::links::Link;
use crate::adapter::{Adapter, Capability, Interest, Mode, Next, Readiness};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{fill, go_on, modes, usual_mode};
use crate::rules::kit::{Wire, drain, has};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&BACK_PRESSURE, back_pressure),
        Case::new::<A>(&DUPLEX, duplex),
        Case::new::<A>(&MANY_READY, many_ready),
    ]
}

const BACK_PRESSURE: Rule = Rule {
    id: "MODE-116",
    level: Level::Must,
    sentence: "A descriptor that is full MUST NOT be reported writable until its peer has read, and \
               then MUST be.",
    why: "A writer that is called in vain takes the processor; one that is not called never ends.",
    source: "poll(2), POLLOUT; pipe(7); Node, documentation of stream back-pressure",
    check: "whether writable is asked of the system each time, or taken for granted",
    needs: &[Capability::Descriptors],
    alone: false,
};

/// Fills a descriptor until nothing moves any more: what was written may still be on its way, and
/// what says that it has arrived is put off for 40 ms.
fn fill_up(fd: &OwnedFd) {
    let mut vain = 0;
    while vain < 3 {
        vain = if fill(fd) == 0 { vain + 1 } else { 0 };
        thread::sleep(Duration::from_millis(20));
    }
}

fn back_pressure<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for Link { kind, reader, writer } in Link::with_little_room()? {
        fill_up(&writer);
        let (trace, mode) = (t.trace(), usual_mode::<A>());
        let in_vain = format!("{kind} in vain");
        let vain = in_vain.clone();
        let source = A::insert_fd(&t.handle, writer, Interest::Write, mode, move |_, fd, _| {
            // The system may have found room for more meanwhile.
            trace.mark(if fill(fd) == 0 { &vain } else { kind });
            Next::Continue
        })?;
        for _ in 0..3 {
            t.deliver()?;
        }
        ensure_eq!(t.trial.trace.count(&in_vain), 0, "reports of a {kind} that is full");
        let before = t.trial.trace.count(kind);
        let what = format!("a {kind} reported writable once its peer has read");
        t.poll_until(&what, |trace| {
            drain(reader.as_fd());
            trace.count(kind) > before
        })?;
        A::remove(&t.handle, source);
    }
    Ok(())
}

const DUPLEX: Rule = Rule {
    id: "MODE-117",
    level: Level::Must,
    sentence: "Two sources that write to each other in pieces of any size, in any mode, MUST come to \
               the end of it.",
    why: "It is what connections do; a report that is lost stops them for good.",
    source: "libuv, test poll_duplex; epoll(7), on edge-triggered descriptors that are read in part",
    check: "which of two directions is forgotten when both are ready, or when one is full",
    needs: &[Capability::Descriptors],
    alone: false,
};

/// How much each side sends, and how much the sockets hold meanwhile.
const LENGTH: usize = 64 << 10;
const ROOM: usize = 4 << 10;

/// One side of a connection.
struct Side {
    random: fastrand::Rng,
    outgoing: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
}

impl Side {
    fn new(seed: u64) -> Side {
        let mut random = fastrand::Rng::with_seed(seed);
        let outgoing = std::iter::repeat_with(|| random.u8(..)).take(LENGTH).collect();
        Side { random, outgoing, sent: 0, received: Vec::new() }
    }

    /// Reads and writes what it may, a piece each, and tells whether it could.
    fn step(&mut self, fd: BorrowedFd<'_>, is: Readiness) -> bool {
        let mut moved = false;
        if is.readable {
            let mut piece = vec![0; self.random.usize(1..2_000)];
            let read = rustix::io::read(fd, &mut piece).unwrap_or(0);
            self.received.extend_from_slice(&piece[..read]);
            moved |= read > 0;
        }
        if is.writable && self.sent < LENGTH {
            let end = (self.sent + self.random.usize(1..3_000)).min(LENGTH);
            let written = rustix::io::write(fd, &self.outgoing[self.sent..end]).unwrap_or(0);
            self.sent += written;
            moved |= written > 0;
        }
        moved
    }
}

fn duplex<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let has_answers = has::<A>(Capability::PostActions);
    for mode in modes::<A>().into_iter().filter(|mode| *mode != Mode::OneShot || has_answers) {
        let Link { reader, writer, .. } = Link::socket_pair()?;
        let mut sides = Vec::new();
        for (number, fd) in [(0, reader), (1, writer)] {
            sockopt::set_socket_send_buffer_size(&fd, ROOM)?;
            let side = Rc::new(RefCell::new(Side::new(t.trial.settings.seed ^ number)));
            sides.push(side.clone());
            A::insert_fd(&t.handle, fd, Interest::Both, mode, move |_, fd, is| {
                let mut side = side.borrow_mut();
                // Without a further report what is ready has to be used up.
                while side.step(fd, is) && mode != Mode::Level {}
                go_on::<A>(mode)
            })?;
        }
        let what = format!("{LENGTH} bytes to arrive on both sides, in mode {mode:?}");
        let arrived = |side: &Rc<RefCell<Side>>| side.borrow().received.len() >= LENGTH;
        t.dispatch_until(&what, |_| sides.iter().all(arrived))?;
        for (to, from) in [(0, 1), (1, 0)] {
            let is_same = sides[to].borrow().received == sides[from].borrow().outgoing;
            ensure!(is_same, "the bytes that were sent", "others arrived, in mode {mode:?}");
        }
        t.event_loop = A::new()?;
        t.handle = t.event_loop.handle();
    }
    Ok(())
}

const MANY_READY: Rule = Rule {
    id: "MODE-118",
    level: Level::Must,
    sentence: "However many descriptors are ready at once, each MUST be served within a few \
               dispatches, also if others stay ready.",
    why: "A server under load is not a server of its first thousand clients.",
    source: "polling, test many_connections; epoll_wait(2), on maxevents and the round robin of it",
    check: "what becomes of what does not fit in one batch, and where the next batch begins",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn many_ready<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const WANTED: usize = 1_100;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let (wire, fd) = Wire::new()?;
    wire.send();
    let calls: Rc<[Cell<u32>]> = vec![Cell::new(0); WANTED].into();
    let mut count = 0;
    while count < WANTED {
        // Some systems grant less.
        let Ok(duplicate) = fd.try_clone() else { break };
        let (calls, mode) = (calls.clone(), usual_mode::<A>());
        A::insert_fd(&t.handle, duplicate, Interest::Read, mode, move |_, _, _| {
            calls[count].set(calls[count].get() + 1);
            Next::Continue
        })?;
        count += 1;
    }
    // Where a dispatch is a part of what a wait brought, it may be one descriptor.
    let few = if has::<A>(Capability::OneWaitADispatch) { 10 } else { count };
    let is_waiting = |number: &usize| calls[*number].get() == 0;
    let mut dispatches = 0;
    while (0..count).any(|number| is_waiting(&number)) && dispatches < few {
        t.deliver()?;
        dispatches += 1;
        let left = (0..count).filter(is_waiting).count();
        t.trial.trace.note(format_args!("{left} of {count} not served yet"));
    }
    let left = (0..count).filter(is_waiting).count();
    ensure!(
        left == 0,
        format_args!("{count} ready descriptors, each called within {few} dispatches"),
        "{left} of them never called"
    );
    Ok(())
}
