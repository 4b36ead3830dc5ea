//! The two system calls that wait.
//!
//! On x86-64 they are made in place, because a function of the C library around them is dear: a
//! processor whose kernel guards its return predictor takes 25 to 50 ns for each of the first
//! returns after a system call. And rustix knows only epoll_pwait(2), an eighth slower than
//! epoll_wait(2) where nothing is ready.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use rustix::event::Timespec;
use rustix::event::epoll::Event;
use rustix::io;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64")))]
pub(super) use by_libraries::{epoll_pwait2, epoll_wait};
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64"))]
pub(super) use in_place::{epoll_pwait2, epoll_wait};

/// How long to wait, where that takes no clock.
#[derive(Copy, Clone, Debug)]
pub(super) enum Patience {
    None,
    Endless,
}

/// What the kernel reads a time from, on every architecture and whatever the C library's time_t.
#[repr(C)]
struct KernelTimespec {
    sec: i64,
    nsec: i64,
}

impl From<&Timespec> for KernelTimespec {
    #[inline]
    fn from(time: &Timespec) -> Self {
        KernelTimespec { sec: time.tv_sec, nsec: time.tv_nsec }
    }
}

/// Not on Android, whose programs are let make no call that its C library does not make.
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64"))]
mod in_place {
    use std::arch::asm;

    use super::*;

    /// Waits without a clock; returns how many entries of `room` were filled.
    #[inline]
    pub(in super::super) fn epoll_wait(
        epoll: &OwnedFd,
        room: &mut [MaybeUninit<Event>],
        patience: Patience,
    ) -> io::Result<usize> {
        let milliseconds: isize = match patience {
            Patience::None => 0,
            Patience::Endless => -1,
        };
        let timeout = ptr::without_provenance(milliseconds as usize);
        // SAFETY: this call takes a number for its timeout.
        unsafe { call(libc::SYS_epoll_wait, epoll, room, timeout) }
    }

    /// Waits for at most `limit`, to the nanosecond; returns how many entries of `room` were
    /// filled.
    #[inline]
    pub(in super::super) fn epoll_pwait2(
        epoll: &OwnedFd,
        room: &mut [MaybeUninit<Event>],
        limit: &Timespec,
    ) -> io::Result<usize> {
        let limit = KernelTimespec::from(limit);
        // SAFETY: this call reads its timeout, which outlives it.
        unsafe { call(libc::SYS_epoll_pwait2, epoll, room, &limit) }
    }

    /// `number(epoll, room, its length, timeout, no signal mask, size of that)`.
    ///
    /// # Safety
    ///
    /// `timeout` is what the call of this number takes.
    #[inline(always)]
    unsafe fn call(
        number: libc::c_long,
        epoll: &OwnedFd,
        room: &mut [MaybeUninit<Event>],
        timeout: *const KernelTimespec,
    ) -> io::Result<usize> {
        let answer: isize;
        // SAFETY: the registers are those of the kernel's interface, which changes no others than
        // are named. It writes to `room`, at most its length in entries of `epoll_event`, whose
        // layout rustix' `Event` has, and reads `timeout` as was promised.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") number => answer,
                in("rdi") epoll.as_raw_fd(),
                in("rsi") room.as_mut_ptr(),
                in("rdx") room.len(),
                in("r10") timeout,
                in("r8") 0usize,
                in("r9") 0usize,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack, preserves_flags),
            );
        }
        usize::try_from(answer).map_err(|_| io::Errno::from_raw_os_error(-answer as i32))
    }
}

#[cfg(any(
    test,
    not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64"))
))]
mod by_libraries {
    use rustix::event::epoll;

    use super::*;

    /// As above.
    #[inline]
    pub(in super::super) fn epoll_wait(
        epoll: &OwnedFd,
        room: &mut [MaybeUninit<Event>],
        patience: Patience,
    ) -> io::Result<usize> {
        const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let limit = match patience {
            Patience::None => Some(&NO_TIME),
            Patience::Endless => None,
        };
        epoll::wait(epoll, room, limit).map(|(filled, _)| filled.len())
    }

    /// As above. rustix offers it only together with giving up kernels before 5.11.
    pub(in super::super) fn epoll_pwait2(
        epoll: &OwnedFd,
        room: &mut [MaybeUninit<Event>],
        limit: &Timespec,
    ) -> io::Result<usize> {
        let limit = KernelTimespec::from(limit);
        // SAFETY: `room` is writable for its length in entries of `epoll_event`, whose layout
        // rustix' `Event` has; `limit` outlives the call; no mask is passed, so its size is not
        // read.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                epoll.as_raw_fd(),
                room.as_mut_ptr(),
                room.len() as libc::c_int,
                &raw const limit,
                ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        usize::try_from(count).map_err(|_| {
            let error = std::io::Error::last_os_error();
            io::Errno::from_io_error(&error).unwrap_or(io::Errno::IO)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, epoll, eventfd};
    use std::time::{Duration, Instant};

    /// Expands to a test of one way to make the calls; the other is not used on this machine.
    macro_rules! keeps_the_contract {
        ($way:ident) => {
            #[test]
            fn $way() {
                use super::$way::{epoll_pwait2, epoll_wait};

                let mut room = [MaybeUninit::uninit(); 2];
                let limit = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
                let no_epoll = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
                assert_eq!(epoll_wait(&no_epoll, &mut room, Patience::None), Err(io::Errno::INVAL));
                assert_eq!(epoll_pwait2(&no_epoll, &mut room, &limit), Err(io::Errno::INVAL));

                let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
                assert_eq!(epoll_wait(&epoll, &mut room, Patience::None), Ok(0));
                let start = Instant::now();
                assert_eq!(epoll_pwait2(&epoll, &mut room, &limit), Ok(0));
                assert!(start.elapsed() >= Duration::from_millis(2));

                let (ready, data) = (no_epoll, epoll::EventData::new_u64(u64::MAX - 7));
                epoll::add(&epoll, &ready, data, epoll::EventFlags::IN).unwrap();
                let is_told = |answer: io::Result<usize>, room: &mut [MaybeUninit<Event>; 2]| {
                    assert_eq!(answer, Ok(1));
                    let event = std::mem::replace(&mut room[0], MaybeUninit::zeroed());
                    // SAFETY: the call answered that it filled the first entry.
                    let event = unsafe { event.assume_init() };
                    let (flags, data) = (event.flags, event.data.u64());
                    assert_eq!((flags, data), (epoll::EventFlags::IN, u64::MAX - 7));
                };
                is_told(epoll_wait(&epoll, &mut room, Patience::None), &mut room);
                is_told(epoll_wait(&epoll, &mut room, Patience::Endless), &mut room);
                is_told(epoll_pwait2(&epoll, &mut room, &limit), &mut room);
            }
        };
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64"))]
    keeps_the_contract!(in_place);
    keeps_the_contract!(by_libraries);
}
