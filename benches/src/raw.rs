//! What the workloads ask of the kernel besides waiting: a system call a function.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use conformance::adapter::Failure;
use rustix::event::{EventfdFlags, eventfd as create_eventfd};
use rustix::process::{Pid, Resource, Rlimit, getpid, getrlimit, setrlimit};
use rustix::thread::gettid;

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

/// `fcntl(F_DUPFD_CLOEXEC)`.
///
/// # Errors
///
/// What the kernel answers.
#[inline]
pub fn duplicate(fd: &OwnedFd) -> Result<OwnedFd, Failure> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 0)?)
}

/// `tgkill` of this very thread.
///
/// # Errors
///
/// What the kernel answers.
pub fn signal_this_thread(signal: c_int) -> Result<(), Failure> {
    signal_thread(gettid(), signal)
}

/// `tgkill` of a thread of this process.
///
/// # Errors
///
/// What the kernel answers, for instance if the thread has ended.
#[allow(unsafe_code, reason = "`raise` of libc does the same and masks signals around")]
pub fn signal_thread(thread: Pid, signal: c_int) -> Result<(), Failure> {
    let (process, thread) = (getpid().as_raw_nonzero(), thread.as_raw_nonzero());
    // SAFETY: the call takes three numbers.
    match unsafe { libc::syscall(libc::SYS_tgkill, process.get(), thread.get(), signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}

/// Lets the process open as many descriptors as it is permitted.
pub fn raise_fd_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Refused, it shows where a descriptor is missing.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}
