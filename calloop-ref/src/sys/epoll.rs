//! epoll: Linux and Android.

mod wait;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use self::wait::{Patience, epoll_pwait2, epoll_wait};
use super::EVENTS_PER_WAIT_MAX;
use crate::interest::{Interest, Mode, Readiness};
use crate::token::KernelKey;

/// An epoll instance (epoll(7)).
#[derive(Debug)]
pub(crate) struct Backend {
    epoll: OwnedFd,
}

impl Backend {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Backend { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    pub(crate) fn add(
        &self,
        fd: impl AsFd,
        key: KernelKey,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, event_data(key), event_flags(interest, mode))?)
    }

    pub(crate) fn modify(
        &self,
        fd: impl AsFd,
        key: KernelKey,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, event_data(key), event_flags(interest, mode))?)
    }

    pub(crate) fn delete(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits until something is ready or `timeout` is over; `None` waits without limit.
    #[inline]
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.list.clear();
        // A time too long for the kernel to express is as good as none.
        match timeout.and_then(timespec) {
            Some(limit) if limit != NO_TIME => self.wait_precisely(events, &limit)?,
            Some(_) => self.wait_plainly(events, Patience::None)?,
            None => self.wait_plainly(events, Patience::Endless)?,
        }
        Ok(())
    }

    /// epoll_wait(2), which counts milliseconds: right for no time and for no limit.
    #[inline]
    fn wait_plainly(&self, events: &mut Events, patience: Patience) -> rustix::io::Result<()> {
        let count = epoll_wait(&self.epoll, events.list.spare_capacity_mut(), patience)?;
        // SAFETY: the kernel filled the first `count` entries of the spare capacity, and the list
        // was empty.
        unsafe { events.list.set_len(count) };
        Ok(())
    }

    /// epoll_pwait2(2), which counts nanoseconds (Linux 5.11); where it is missing, ppoll(2) on
    /// the epoll descriptor, which does too, at the cost of a second call.
    #[inline]
    fn wait_precisely(&self, events: &mut Events, limit: &Timespec) -> rustix::io::Result<()> {
        static MISSING: AtomicBool = AtomicBool::new(cfg!(calloop_ref_no_epoll_pwait2));

        if !MISSING.load(Ordering::Relaxed) {
            match epoll_pwait2(&self.epoll, events.list.spare_capacity_mut(), limit) {
                // Seccomp filters that do not know the call answer EPERM, which it never does.
                Err(Errno::NOSYS | Errno::PERM) => MISSING.store(true, Ordering::Relaxed),
                Err(error) => return Err(error),
                Ok(count) => {
                    // SAFETY: as in `wait_plainly`.
                    unsafe { events.list.set_len(count) };
                    return Ok(());
                }
            }
        }
        poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(limit))?;
        self.wait_plainly(events, Patience::None)
    }
}

impl AsFd for Backend {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

fn timespec(duration: Duration) -> Option<Timespec> {
    let tv_sec = i64::try_from(duration.as_secs()).ok()?;
    Some(Timespec { tv_sec, tv_nsec: duration.subsec_nanos().into() })
}

fn event_data(key: KernelKey) -> epoll::EventData {
    epoll::EventData::new_u64(key.0)
}

fn event_flags(interest: Interest, mode: Mode) -> epoll::EventFlags {
    let is_empty = !interest.readable && !interest.writable;
    let mut flags = match mode {
        // epoll reports errors and hang-ups asked or not; without an interest the source could
        // never make a level-triggered one go away.
        Mode::Level if is_empty => epoll::EventFlags::ET,
        Mode::Level => epoll::EventFlags::empty(),
        Mode::Edge => epoll::EventFlags::ET,
        Mode::OneShot => epoll::EventFlags::ONESHOT,
    };
    if interest.readable {
        flags |= epoll::EventFlags::IN | epoll::EventFlags::PRI | epoll::EventFlags::RDHUP;
    }
    if interest.writable {
        flags |= epoll::EventFlags::OUT;
    }
    flags
}

fn readiness(flags: epoll::EventFlags) -> Readiness {
    const GONE: epoll::EventFlags = epoll::EventFlags::HUP.union(epoll::EventFlags::ERR);
    const READABLE: epoll::EventFlags = GONE
        .union(epoll::EventFlags::IN)
        .union(epoll::EventFlags::PRI)
        .union(epoll::EventFlags::RDHUP);
    const WRITABLE: epoll::EventFlags = GONE.union(epoll::EventFlags::OUT);
    Readiness {
        readable: flags.intersects(READABLE),
        writable: flags.intersects(WRITABLE),
        error: flags.contains(epoll::EventFlags::ERR),
    }
}

/// What a wait reported.
pub(crate) struct Events {
    list: Vec<epoll::Event>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Events { list: Vec::with_capacity(EVENTS_PER_WAIT_MAX) }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    #[inline]
    pub(crate) fn get(&self, position: usize) -> (KernelKey, Readiness) {
        let event = self.list[position];
        (KernelKey(event.data.u64()), readiness(event.flags))
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }
}

/// A timer descriptor in the epoll set (timerfd_create(2)).
#[derive(Debug)]
pub(crate) struct Alarm {
    timerfd: OwnedFd,
}

impl Alarm {
    pub(crate) fn new(backend: &Backend) -> io::Result<Self> {
        let timerfd = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        // Edge-triggered, so that it need not be read.
        backend.add(&timerfd, KernelKey::ALARM, Interest::READ, Mode::Edge)?;
        Ok(Alarm { timerfd })
    }

    /// Goes off after `delay`; `None`: not at all.
    pub(crate) fn set(&self, _backend: &Backend, delay: Option<Duration>) -> io::Result<()> {
        // No time at all would disarm it.
        let delay = delay.map(|delay| delay.max(Duration::from_nanos(1)));
        let it_value = delay.and_then(timespec).unwrap_or(NO_TIME);
        let time = Itimerspec { it_interval: NO_TIME, it_value };
        timerfd_settime(&self.timerfd, TimerfdTimerFlags::empty(), &time)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_up_is_readable_and_writable_whatever_was_asked() {
        let hung_up = readiness(epoll::EventFlags::HUP);
        assert!(hung_up.readable && hung_up.writable && !hung_up.error);
        let failed = readiness(epoll::EventFlags::ERR);
        assert!(failed.readable && failed.writable && failed.error);
        let half_closed = readiness(epoll::EventFlags::RDHUP | epoll::EventFlags::IN);
        assert!(half_closed.readable && !half_closed.writable);
    }

    #[test]
    fn no_interest_is_never_level_triggered() {
        let flags = event_flags(Interest::EMPTY, Mode::Level);
        assert_eq!(flags, epoll::EventFlags::ET);
        assert_eq!(event_flags(Interest::WRITE, Mode::Level), epoll::EventFlags::OUT);
    }
}
