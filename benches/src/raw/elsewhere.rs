//! What stands for it where the system is not Linux.

use std::convert::Infallible;
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use conformance::adapter::{Capability, Failure};
use nix::sys::signal::{self, SigSet, Signal};
use nix::unistd::Pid;
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};

/// What no floor can do here: signals are not read from a descriptor.
pub const LACKS: &[Capability] = &[Capability::Signals];

/// Whether it can be seen that another thread sleeps.
pub const SEES_SLEEP: bool = false;

/// A socket that is connected to itself: as an eventfd, it is readable once it was written, and its
/// duplicates with it. It is readable from the start unless `count` is zero.
///
/// # Errors
///
/// What the kernel answers.
pub fn eventfd(count: u32) -> Result<OwnedFd, Failure> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("socket");
    let socket = UnixDatagram::bind(&path)?;
    socket.connect(&path)?;
    socket.set_nonblocking(true)?;
    let socket = OwnedFd::from(socket);
    (0..count).try_for_each(|_| raise(&socket))?;
    Ok(socket)
}

/// `write` of such a socket: makes it readable. Where there is no room, it is emptied first.
///
/// # Errors
///
/// What the kernel answers.
#[inline]
pub fn raise(eventfd: &OwnedFd) -> Result<(), Failure> {
    let outcome = match rustix::io::write(eventfd, &[1]) {
        Err(Errno::AGAIN | Errno::NOBUFS) => {
            clear(eventfd)?;
            rustix::io::write(eventfd, &[1])
        }
        outcome => outcome,
    };
    outcome?;
    Ok(())
}

/// `read` of such a socket until it is readable no more.
///
/// # Errors
///
/// What the kernel answers, for instance if it was not readable.
#[inline]
pub fn clear(eventfd: impl AsFd) -> Result<(), Failure> {
    take(eventfd).map(drop)
}

/// `read` of such a socket until it is readable no more: how often it was written.
///
/// # Errors
///
/// What the kernel answers, for instance if it was not readable.
#[inline]
pub fn take(eventfd: impl AsFd) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        match rustix::io::read(&eventfd, &mut [0]) {
            Ok(_) => count += 1,
            Err(Errno::AGAIN) if count > 0 => return Ok(count),
            Err(error) => return Err(error.into()),
        }
    }
}

/// `pipe` for reads that wait: the end to read, and the end to write.
///
/// # Errors
///
/// What the kernel answers.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    let ends = rustix::pipe::pipe()?;
    for end in [&ends.0, &ends.1] {
        fcntl_setfd(end, FdFlags::CLOEXEC)?;
    }
    Ok(ends)
}

/// `pipe` for reads that do not wait.
///
/// # Errors
///
/// What the kernel answers.
pub fn nonblocking_pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    let ends = pipe()?;
    for end in [&ends.0, &ends.1] {
        ioctl_fionbio(end, true)?;
    }
    Ok(ends)
}

/// There is none.
#[derive(Debug)]
pub struct SignalFd(Infallible);

impl SignalFd {
    /// Nothing.
    ///
    /// # Errors
    ///
    /// None.
    pub fn read_signal(&self) -> io::Result<Option<Infallible>> {
        match self.0 {}
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }
}

/// No system but Linux has signalfd(2).
///
/// # Errors
///
/// [`Failure::Unsupported`].
pub fn signalfd(_: &SigSet) -> Result<SignalFd, Failure> {
    Err(Failure::Unsupported)
}

/// A thread of this process.
#[derive(Copy, Clone, Debug)]
pub struct Thread(());

/// The thread that calls this.
pub fn this_thread() -> Thread {
    Thread(())
}

/// `raise` of libc.
///
/// # Errors
///
/// What the kernel answers.
pub fn signal_this_thread(signal: c_int) -> Result<(), Failure> {
    Ok(signal::raise(number(signal)?).map_err(io::Error::from)?)
}

/// `kill` of the process: any of its threads that does not block the signal may get it.
///
/// # Errors
///
/// What the kernel answers.
pub fn signal_thread(_: Thread, signal: c_int) -> Result<(), Failure> {
    Ok(signal::kill(Pid::this(), number(signal)?).map_err(io::Error::from)?)
}

fn number(signal: c_int) -> Result<Signal, Failure> {
    Ok(Signal::try_from(signal).map_err(io::Error::from)?)
}

/// What the kernel tells of a thread: nothing.
#[derive(Debug)]
pub(crate) struct State;

impl State {
    pub(crate) fn of(_: Thread) -> Result<Self, Failure> {
        Ok(State)
    }

    pub(crate) fn is_asleep(&self) -> Result<bool, Failure> {
        Err(Failure::Unsupported)
    }
}

/// Its alarm ends a process whose parent is gone.
pub(crate) fn die_with_parent() -> io::Result<()> {
    Ok(())
}
