//! What only Linux has.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use conformance::adapter::{Capability, Failure};
pub use nix::sys::signalfd::SignalFd;
use nix::sys::{signal::SigSet, signalfd::SfdFlags};
use rustix::event::{EventfdFlags, eventfd as create_eventfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, getpid, set_parent_process_death_signal};
use rustix::thread::gettid;

/// What no floor can do here.
pub const LACKS: &[Capability] = &[];

/// Whether it can be seen that another thread sleeps.
pub const SEES_SLEEP: bool = true;

/// `eventfd(count)`, which is readable unless `count` is zero.
///
/// # Errors
///
/// What the kernel answers.
pub fn eventfd(count: u32) -> Result<OwnedFd, Failure> {
    Ok(create_eventfd(count, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// `write` of an eventfd: makes it readable.
///
/// # Errors
///
/// What the kernel answers.
#[inline]
pub fn raise(eventfd: &OwnedFd) -> Result<(), Failure> {
    rustix::io::write(eventfd, &1u64.to_ne_bytes())?;
    Ok(())
}

/// `read` of an eventfd: it is readable no more.
///
/// # Errors
///
/// What the kernel answers, for instance if it was not readable.
#[inline]
pub fn clear(eventfd: impl AsFd) -> Result<(), Failure> {
    rustix::io::read(eventfd, &mut [0; 8])?;
    Ok(())
}

/// `read` of an eventfd: how often it was written since the last one.
///
/// # Errors
///
/// What the kernel answers, for instance if it was not readable.
#[inline]
pub fn take(eventfd: impl AsFd) -> Result<u64, Failure> {
    let mut count = [0; 8];
    rustix::io::read(eventfd, &mut count)?;
    Ok(u64::from_ne_bytes(count))
}

/// `pipe2` for reads that wait: the end to read, and the end to write.
///
/// # Errors
///
/// What the kernel answers.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// `pipe2` for reads that do not wait.
///
/// # Errors
///
/// What the kernel answers.
pub fn nonblocking_pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    Ok(pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

/// `signalfd`, which can be read as long as these signals are blocked.
///
/// # Errors
///
/// What the kernel answers.
pub fn signalfd(signals: &SigSet) -> Result<SignalFd, Failure> {
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    Ok(SignalFd::with_flags(signals, flags).map_err(io::Error::from)?)
}

/// A thread of this process.
#[derive(Copy, Clone, Debug)]
pub struct Thread(Pid);

/// `gettid`.
pub fn this_thread() -> Thread {
    Thread(gettid())
}

/// `tgkill` of this very thread.
///
/// # Errors
///
/// What the kernel answers.
pub fn signal_this_thread(signal: c_int) -> Result<(), Failure> {
    signal_thread(this_thread(), signal)
}

/// `tgkill` of a thread of this process.
///
/// # Errors
///
/// What the kernel answers, for instance if the thread has ended.
#[allow(unsafe_code, reason = "`raise` of libc does the same and masks signals around")]
pub fn signal_thread(Thread(thread): Thread, signal: c_int) -> Result<(), Failure> {
    let (process, thread) = (getpid().as_raw_nonzero(), thread.as_raw_nonzero());
    // SAFETY: the call takes three numbers.
    match unsafe { libc::syscall(libc::SYS_tgkill, process.get(), thread.get(), signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}

/// What the kernel tells of a thread.
#[derive(Debug)]
pub(crate) struct State(File);

impl State {
    pub(crate) fn of(Thread(thread): Thread) -> Result<Self, Failure> {
        let path = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
        Ok(State(File::open(path)?))
    }

    /// Whether the thread sleeps.
    pub(crate) fn is_asleep(&self) -> Result<bool, Failure> {
        let mut text = [0; 256];
        let length = self.0.read_at(&mut text, 0)?;
        // The state stands behind the name, which is in brackets and may contain some.
        let name_ends = text[..length].iter().rposition(|byte| *byte == b')');
        Ok(name_ends.is_some_and(|at| text.get(at + 2) == Some(&b'S')))
    }
}

/// Has this process die with the one that started it.
pub(crate) fn die_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}
