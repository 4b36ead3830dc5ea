//! Peers that close, refuse and reset, and descriptors that nobody asks of.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::links::{Link, send};
use crate::adapter::{Adapter, Capability, Failure, Interest, Next, Readiness};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{fill, go_on, modes, usual_mode, watch};
use crate::rules::kit::has;
use crate::system::tame;
use crate::trace::Trace;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&PEER_CLOSED, peer_closed),
        Case::new::<A>(&READER_CLOSED, reader_closed),
        Case::new::<A>(&HALF_CLOSED, half_closed),
        Case::new::<A>(&CONNECTED, connected),
        Case::new::<A>(&RESET, reset),
        Case::new::<A>(&URGENT, urgent),
        Case::new::<A>(&NOT_ASKED, not_asked),
        Case::new::<A>(&SILENCED, silenced),
    ]
}

/// Watches a descriptor: each call marks its name, and what `outcome` says of it.
fn watch_outcome<A: Adapter>(
    t: &Fixture<'_, A>,
    fd: OwnedFd,
    interest: Interest,
    name: &str,
    outcome: impl Fn(BorrowedFd<'_>, Readiness) -> String + 'static,
) -> Result<A::Source, Failure> {
    let (trace, mode, name) = (t.trace(), usual_mode::<A>(), name.to_string());
    A::insert_fd(&t.handle, fd, interest, mode, move |_, fd, is| {
        trace.mark(format_args!("{name}: {}", outcome(fd, is)));
        go_on::<A>(mode)
    })
}

/// What comes of reading.
fn read(fd: BorrowedFd<'_>, is: Readiness) -> String {
    if !is.readable {
        return "not readable".to_string();
    }
    match rustix::io::read(fd, &mut [0; 64]) {
        Ok(0) => "end".to_string(),
        Ok(count) => format!("{count} bytes"),
        Err(error) => format!("{error:?}"),
    }
}

/// Dispatches until something of this name is marked, and fails unless it is this, first of all.
fn expect_outcome<A: Adapter>(t: &mut Fixture<'_, A>, name: &str, outcome: &str) -> Check {
    let begin = format!("{name}: ");
    let find = |trace: &Trace| {
        let mut marks = trace.marks().into_iter();
        marks.find_map(|mark| mark.strip_prefix(&begin).map(str::to_string))
    };
    t.dispatch_until(&format!("{name}: reported, {outcome}"), |trace| find(trace).is_some())?;
    ensure_eq!(find(&t.trial.trace).as_deref(), Some(outcome), "{name}");
    Ok(())
}

const PEER_CLOSED: Rule = Rule {
    id: "MODE-106",
    level: Level::Must,
    sentence: "A stream or pipe whose peer closes MUST be reported readable, so that its end is read.",
    why: "The program learns in no other way that the other side is gone.",
    source: "poll(2), POLLHUP; epoll_ctl(2), EPOLLRDHUP and EPOLLHUP; IO::Async, tests of HUP",
    check: "whether a hang-up without data counts as readable",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn peer_closed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for Link { kind, reader, writer } in [Link::socket_pair()?, Link::pipe()?, Link::tcp()?] {
        let before = t.trial.trace.marks().len();
        let source = watch_outcome(t, reader, Interest::Read, kind, read)?;
        t.deliver()?;
        let early = t.trial.trace.marks().len() - before;
        ensure_eq!(early, 0, "reports of a {kind} before its peer closes");
        drop(writer);
        expect_outcome(t, kind, "end")?;
        A::remove(&t.handle, source);
    }
    Ok(())
}

const READER_CLOSED: Rule = Rule {
    id: "MODE-107",
    level: Level::Must,
    sentence: "A pipe or stream that is full MUST be reported to what waits to write when its reader \
               closes.",
    why: "There will never be room; the write that fails is what says so.",
    source: "poll(2), POLLERR of a pipe; libevent, test weof; IO::Async, tests of HUP",
    check: "whether an error or a hang-up is reported to what waits to write",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn reader_closed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for Link { kind, reader, writer } in [Link::pipe()?, Link::socket_pair()?] {
        fill(&writer);
        let before = t.trial.trace.marks().len();
        let source = watch_outcome(t, writer, Interest::Write, kind, |fd, _| {
            format!("{:?}", rustix::io::write(fd, b"."))
        })?;
        t.deliver()?;
        let early = t.trial.trace.marks().len() - before;
        ensure_eq!(early, 0, "reports of a {kind} that is full");
        drop(reader);
        expect_outcome(t, kind, &format!("{:?}", Err::<usize, _>(Errno::PIPE)))?;
        A::remove(&t.handle, source);
    }
    Ok(())
}

const HALF_CLOSED: Rule = Rule {
    id: "MODE-108",
    level: Level::Must,
    sentence: "A stream whose peer has ended its side MUST be reported readable for that, and go on \
               to be reported writable.",
    why: "The request is complete, and the answer is still to be sent.",
    source: "shutdown(2); epoll_ctl(2), EPOLLRDHUP; mio, tests of shutdown",
    check: "whether the end of one direction is taken for that of both",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn half_closed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for Link { kind, reader: near, writer: far } in [Link::socket_pair()?, Link::tcp()?] {
        let source = watch_outcome(t, near.try_clone()?, Interest::Read, kind, read)?;
        rustix::net::shutdown(&far, rustix::net::Shutdown::Write)?;
        expect_outcome(t, kind, "end")?;
        A::remove(&t.handle, source);
        let name = format!("{kind}, half closed");
        let source = watch_outcome(t, near, Interest::Write, &name, |fd, is| {
            let answer = rustix::io::write(fd, b"answer");
            format!("writable: {}, {answer:?}", is.writable)
        })?;
        expect_outcome(t, &name, "writable: true, Ok(6)")?;
        A::remove(&t.handle, source);
        let mut answer = [0; 6];
        rustix::io::read(&far, &mut answer)?;
        ensure_eq!(&answer, b"answer", "what the peer of a {kind} reads after it ended its side");
    }
    Ok(())
}

const CONNECTED: Rule = Rule {
    id: "MODE-109",
    level: Level::Must,
    sentence: "A socket that is being connected MUST be reported writable once it is connected, and \
               once it is refused.",
    why: "So says connect(2), and every client is built on it.",
    source: "connect(2), EINPROGRESS; Revolt, test StreamWritableIfConnectFails; ReactPHP likewise",
    check: "whether an error without room to write is reported to what waits to write",
    needs: &[Capability::Descriptors],
    alone: false,
};

/// A socket that has begun to connect, or failed already.
fn connecting(to: SocketAddr) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    tame(&socket)?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Whether the connection stands.
fn connection(fd: BorrowedFd<'_>, is: Readiness) -> String {
    match sockopt::socket_error(fd) {
        _ if !is.writable => "not writable".to_string(),
        Ok(Ok(())) => "connected".to_string(),
        Ok(Err(error)) | Err(error) => format!("{error:?}"),
    }
}

fn connected<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let socket = connecting(address)?;
    let source = watch_outcome(t, socket, Interest::Write, "accepted", connection)?;
    expect_outcome(t, "accepted", "connected")?;
    A::remove(&t.handle, source);
    // The port is free again and nobody listens to it.
    drop(listener);
    let socket = connecting(address)?;
    let source = watch_outcome(t, socket, Interest::Write, "refused", connection)?;
    expect_outcome(t, "refused", &format!("{:?}", Errno::CONNREFUSED))?;
    A::remove(&t.handle, source);
    Ok(())
}

const RESET: Rule = Rule {
    id: "MODE-110",
    level: Level::Must,
    sentence: "A connection that is reset MUST be reported to what waits to read.",
    why: "The error is where the end would be; who never reads keeps a dead connection for ever.",
    source: "tcp(7); epoll_ctl(2), EPOLLERR; mio, test connection_reset_by_peer",
    check: "whether an error without data counts as readable",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn reset<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let Link { kind, reader, writer } = Link::tcp()?;
    watch_outcome(t, reader, Interest::Read, kind, read)?;
    t.deliver()?;
    // Not to linger at all is to reset.
    sockopt::set_socket_linger(&writer, Some(Duration::ZERO))?;
    drop(writer);
    expect_outcome(t, kind, &format!("{:?}", Errno::CONNRESET))
}

const URGENT: Rule = Rule {
    id: "MODE-111",
    level: Level::Must,
    sentence: "Urgent data of a TCP stream MUST NOT keep ordinary data from being reported.",
    why: "Nearly no program reads urgent data, and any peer can send it.",
    source: "tcp(7), urgent data; poll(2), POLLPRI; libuv, test poll_oob",
    check: "what a report that is urgent and nothing else is taken for",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn urgent<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let Link { kind, reader, writer } = Link::tcp()?;
    watch_outcome(t, reader, Interest::Read, kind, read)?;
    rustix::net::send(&writer, b"!", rustix::net::SendFlags::OOB)?;
    t.deliver()?;
    send(&writer)?;
    let ordinary = format!("{kind}: {} bytes", super::links::PAYLOAD.len());
    t.dispatch_until("the ordinary data to be reported", |trace| trace.count(&ordinary) == 1)
}

/// A stream that was hung up, as hard as can be, and a second descriptor of it.
fn hung_up() -> io::Result<(OwnedFd, OwnedFd)> {
    let Link { reader, writer, .. } = Link::socket_pair()?;
    let duplicate = reader.try_clone()?;
    drop(writer);
    Ok((reader, duplicate))
}

const NOT_ASKED: Rule = Rule {
    id: "MODE-07",
    level: Level::Must,
    sentence: "A descriptor that is watched for nothing MUST NOT keep the loop awake when its peer \
               is gone.",
    why: "The source waits for its turn to ask for something; meanwhile it cannot stop the reports.",
    source: "epoll_ctl(2): EPOLLHUP and EPOLLERR need not be asked for; libuv, test \
             iouring_pollhup; polling, Event::none",
    check: "whether what waits for nothing is registered with the system at all",
    needs: &[Capability::EmptyInterest],
    alone: false,
};

fn not_asked<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const DISPATCHES: usize = 5;
    for mode in modes::<A>() {
        let (fd, _duplicate) = hung_up()?;
        let (trace, calls) = (t.trace(), Rc::new(Cell::new(0)));
        let counter = calls.clone();
        let source = A::insert_fd(&t.handle, fd, Interest::None, mode, move |_, _, is| {
            trace.note(format_args!("reported: {is:?}"));
            counter.set(counter.get() + 1);
            Next::Continue
        })?;
        for _ in 0..DISPATCHES {
            t.dispatch(Some(Duration::from_millis(2)))?;
        }
        ensure!(
            calls.get() <= 1,
            format_args!("one report at most of the hang-up, {mode:?}"),
            "{} reports in {DISPATCHES} dispatches",
            calls.get()
        );
        t.expect_sleep()?;
        A::remove(&t.handle, source);
    }
    Ok(())
}

const SILENCED: Rule = Rule {
    id: "MODE-112",
    level: Level::Must,
    sentence: "A descriptor whose peer is gone MUST NOT keep the loop awake once its source is \
               removed or disabled.",
    why: "It stays ready for ever, and its callback cannot make it stop.",
    source: "epoll(7), question 6; epoll_ctl(2): EPOLLHUP need not be asked for; libuv, test \
             iouring_pollhup",
    check: "whether a silenced source is unregistered, or only asked for nothing",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn silenced<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (fd, _duplicate) = hung_up()?;
    let source = watch(t, fd, "removed")?;
    t.dispatch_until("a report of the hang-up", |trace| trace.count("removed") > 0)?;
    A::remove(&t.handle, source);
    t.expect_sleep()?;
    if has::<A>(Capability::Disable) {
        let (fd, _duplicate) = hung_up()?;
        let source = watch(t, fd, "disabled")?;
        t.dispatch_until("a report of the hang-up", |trace| trace.count("disabled") > 0)?;
        A::disable(&t.handle, &source)?;
        t.expect_sleep()?;
    }
    Ok(())
}
