//! epoll(7), in three ways.

#![allow(
    unsafe_code,
    reason = "rustix has epoll_pwait(2) only, which takes a seventh longer than epoll_wait(2)"
)]

use std::ffi::c_int;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use conformance::adapter::{Capability, Failure, Mode};
use rustix::event::epoll;

use super::{EVENTS_PER_WAIT_MAX, Poller};

/// How an epoll instance is used.
pub trait Way: 'static {
    /// Its name in reports.
    const NAME: &'static str;
    /// What it cannot do.
    const LACKS: &'static [Capability] = &[];
    /// How it watches.
    const MODE: Mode = Mode::Level;
    /// Whether it waits by `epoll_pwait2` in every case.
    const PWAIT2: bool = false;
}

/// Level-triggered, with `epoll_wait` where milliseconds are enough.
#[derive(Debug)]
pub enum Level {}

impl Way for Level {
    const NAME: &'static str = "epoll";
}

/// Edge-triggered: what was reported need not be read to be silent.
#[derive(Debug)]
pub enum Edge {}

impl Way for Edge {
    const NAME: &'static str = "epoll-edge";
    const LACKS: &'static [Capability] = &[Capability::Level, Capability::OneShot];
    const MODE: Mode = Mode::Edge;
}

/// Level-triggered, with `epoll_pwait2`, which counts nanoseconds.
#[derive(Debug)]
pub enum Pwait2 {}

impl Way for Pwait2 {
    const NAME: &'static str = "epoll-pwait2";
    const PWAIT2: bool = true;
}

/// An epoll instance.
pub struct Epoll<W> {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
    _way: PhantomData<W>,
}

impl<W: Way> Epoll<W> {
    /// Returns how many are ready.
    #[inline]
    fn epoll_wait(&mut self, timeout_ms: c_int) -> Result<usize, Failure> {
        let room = self.events.len() as c_int;
        // SAFETY: the kernel writes at most `room` entries, and so many there are.
        let count = unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), room, timeout_ms)
        };
        answer(count)
    }

    /// Returns how many are ready.
    #[inline]
    fn epoll_pwait2(&mut self, timeout: Option<Duration>) -> Result<usize, Failure> {
        let timeout = timeout.map(|timeout| libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        let room = self.events.len() as c_int;
        let (epoll, events) = (self.epoll.as_raw_fd(), self.events.as_mut_ptr());
        // SAFETY: the kernel writes at most `room` entries, and so many there are; it reads the
        // timeout where there is one, and no set of signals where there is none.
        answer(unsafe { libc::epoll_pwait2(epoll, events, room, timeout, ptr::null()) })
    }

    #[inline]
    fn keys(&self, count: usize) -> impl Iterator<Item = u64> {
        self.events[..count].iter().map(|event| event.u64)
    }
}

#[inline]
fn answer(count: c_int) -> Result<usize, Failure> {
    Ok(usize::try_from(count).map_err(|_| io::Error::last_os_error())?)
}

impl<W: Way> Poller for Epoll<W> {
    const NAME: &'static str = W::NAME;
    const LACKS: &'static [Capability] = W::LACKS;
    const MODE: Mode = W::MODE;

    fn new() -> Result<Self, Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let none = libc::epoll_event { events: 0, u64: 0 };
        Ok(Epoll { epoll, events: vec![none; EVENTS_PER_WAIT_MAX], _way: PhantomData })
    }

    #[inline]
    fn add_as(&mut self, fd: impl AsFd, key: u64, mode: Mode) -> Result<(), Failure> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(key), flags(Some(mode)))?)
    }

    #[inline]
    fn modify(&mut self, fd: impl AsFd, key: u64, mode: Option<Mode>) -> Result<(), Failure> {
        Ok(epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(key), flags(mode))?)
    }

    #[inline]
    fn remove(&mut self, fd: impl AsFd) -> Result<(), Failure> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    #[inline]
    fn poll(&mut self) -> Result<impl Iterator<Item = u64>, Failure> {
        let count = match W::PWAIT2 {
            true => self.epoll_pwait2(Some(Duration::ZERO)),
            false => self.epoll_wait(0),
        };
        Ok(self.keys(count?))
    }

    #[inline]
    fn wait(&mut self) -> Result<impl Iterator<Item = u64>, Failure> {
        let count = if W::PWAIT2 { self.epoll_pwait2(None) } else { self.epoll_wait(-1) };
        Ok(self.keys(count?))
    }

    #[inline]
    fn wait_for(&mut self, timeout: Duration) -> Result<impl Iterator<Item = u64>, Failure> {
        // epoll_wait knows whole milliseconds only.
        let count = match c_int::try_from(timeout.as_millis()) {
            Ok(timeout_ms) if !W::PWAIT2 && timeout.subsec_nanos() % 1_000_000 == 0 => {
                self.epoll_wait(timeout_ms)
            }
            _ => self.epoll_pwait2(Some(timeout)),
        };
        Ok(self.keys(count?))
    }
}

#[inline]
fn flags(mode: Option<Mode>) -> epoll::EventFlags {
    match mode {
        None => epoll::EventFlags::empty(),
        Some(Mode::Level) => epoll::EventFlags::IN,
        Some(Mode::Edge) => epoll::EventFlags::IN | epoll::EventFlags::ET,
        Some(Mode::OneShot) => epoll::EventFlags::IN | epoll::EventFlags::ONESHOT,
    }
}

impl<W> fmt::Debug for Epoll<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoll").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}
