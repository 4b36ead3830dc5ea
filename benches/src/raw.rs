//! The kernel's own interface as the floors use it: epoll(7) and eventfd(2), a system call a
//! function. The one place that knows which kernel it is.

#![allow(
    unsafe_code,
    reason = "rustix has epoll_pwait(2) only, which takes a seventh longer than epoll_wait(2)"
)]

use std::ffi::c_int;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use conformance::adapter::Failure;
use reports::record::Subject;
use rustix::event::{EventfdFlags, epoll, eventfd as create_eventfd};
use rustix::process::{Pid, Resource, Rlimit, getpid, getrlimit, setrlimit};
use rustix::thread::gettid;

/// As many events a wait as calloop and calloop-ref ask for.
const EVENTS_PER_WAIT_MAX: usize = 1024;

/// An epoll instance that watches descriptors level-triggered for reading.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poller {
    /// `epoll_create1(EPOLL_CLOEXEC)`.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn new() -> Result<Self, Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let none = libc::epoll_event { events: 0, u64: 0 };
        Ok(Poller { epoll, events: vec![none; EVENTS_PER_WAIT_MAX] })
    }

    /// `epoll_ctl(EPOLL_CTL_ADD)`.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    #[inline]
    pub fn add(&self, fd: impl AsFd, key: u64) -> Result<(), Failure> {
        let data = epoll::EventData::new_u64(key);
        Ok(epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN)?)
    }

    /// `epoll_ctl(EPOLL_CTL_MOD)`: asks for nothing any more, or again.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    #[inline]
    pub fn modify(&self, fd: impl AsFd, key: u64, is_asked: bool) -> Result<(), Failure> {
        let data = epoll::EventData::new_u64(key);
        let flags = if is_asked { epoll::EventFlags::IN } else { epoll::EventFlags::empty() };
        Ok(epoll::modify(&self.epoll, fd, data, flags)?)
    }

    /// `epoll_ctl(EPOLL_CTL_DEL)`.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    #[inline]
    pub fn remove(&self, fd: impl AsFd) -> Result<(), Failure> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// `epoll_wait` without waiting; returns the keys of what is ready.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    #[inline]
    pub fn poll(&mut self) -> Result<impl Iterator<Item = u64>, Failure> {
        self.call(0)
    }

    /// `epoll_wait` without limit; returns the keys of what is ready.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    #[inline]
    pub fn wait(&mut self) -> Result<impl Iterator<Item = u64>, Failure> {
        self.call(-1)
    }

    /// `epoll_wait` for so many milliseconds at most; returns the keys of what is ready.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    #[inline]
    pub fn wait_at_most(&mut self, timeout_ms: u16) -> Result<impl Iterator<Item = u64>, Failure> {
        self.call(timeout_ms.into())
    }

    /// `epoll_pwait2`, which knows more than milliseconds; returns the keys of what is ready.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    #[inline]
    pub fn wait_for(&mut self, timeout: Duration) -> Result<impl Iterator<Item = u64>, Failure> {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let room = self.events.len() as c_int;
        let (epoll, events) = (self.epoll.as_raw_fd(), self.events.as_mut_ptr());
        // SAFETY: the kernel writes at most `room` entries, and so many there are; it reads the
        // timeout, and no set of signals where there is none.
        let count = unsafe { libc::epoll_pwait2(epoll, events, room, &timeout, ptr::null()) };
        self.ready(count)
    }

    #[inline]
    fn call(&mut self, timeout_ms: c_int) -> Result<impl Iterator<Item = u64>, Failure> {
        let room = self.events.len() as c_int;
        // SAFETY: the kernel writes at most `room` entries, and so many there are.
        let count = unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), room, timeout_ms)
        };
        self.ready(count)
    }

    #[inline]
    fn ready(&self, count: c_int) -> Result<impl Iterator<Item = u64>, Failure> {
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok(self.events[..count].iter().map(|event| event.u64))
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

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
pub fn clear(eventfd: &OwnedFd) -> Result<(), Failure> {
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
pub fn signal_thread(thread: Pid, signal: c_int) -> Result<(), Failure> {
    let (process, thread) = (getpid().as_raw_nonzero(), thread.as_raw_nonzero());
    // SAFETY: the call takes three numbers; `raise` of libc does the same and masks signals around.
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

/// The floor that is made of these calls, as an engine.
pub fn subject() -> Subject {
    let version = rustix::system::uname().release().to_string_lossy().into_owned();
    Subject { name: "epoll".to_string(), version }
}
