//! The operating system: every `cfg` on it, every raw call, nearly all `unsafe`.
//!
//! # The contract
//!
//! A platform provides, in the same order in each file:
//!
//! * `Backend::{new, add, modify, delete, wait, as_fd}`: the kernel's set of watched descriptors.
//!   It is `Send + Sync`. `add` of a descriptor that is in the set answers `AlreadyExists`; `modify`
//!   and `delete` of one that is not answer `NotFound`. `wait` fills an `Events` with at most
//!   [`EVENTS_PER_WAIT_MAX`] events and returns after the timeout at the earliest, `Interrupted`
//!   excepted. No system call but the one that waits.
//! * `Events::{new, len, get, clear}`: what a wait reported, by position, in the kernel's order.
//! * `Notifier::{new, clear}`, which is [`Notify`]: makes a wait return, from any thread. It reports under
//!   [`KernelKey::NOTIFIER`](crate::token::KernelKey::NOTIFIER); `clear` is called when it did.
//! * `Alarm::{new, set}`: makes the backend's own descriptor readable at a later time, for a loop
//!   that another poller watches. It reports under
//!   [`KernelKey::ALARM`](crate::token::KernelKey::ALARM).
//!
//! Where the kernel has several ways, the lesser one can be forced by a `--cfg`, so that it is
//! tested where the better one would hide it: `calloop_ref_no_epoll_pwait2`,
//! `calloop_ref_force_pipe`.

#![allow(unsafe_code, reason = "calls that no safe wrapper offers")]

pub(crate) mod sync;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use epoll::{Alarm, Backend, Events};

#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
))]
mod kqueue;
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
))]
pub(crate) use kqueue::{Alarm, Backend, Events};

#[cfg(all(any(target_os = "linux", target_os = "android"), not(calloop_ref_force_pipe)))]
mod eventfd;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(calloop_ref_force_pipe)))]
pub(crate) use eventfd::Notifier;

#[cfg(all(
    any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly"),
    not(calloop_ref_force_pipe)
))]
mod user_event;
#[cfg(all(
    any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly"),
    not(calloop_ref_force_pipe)
))]
pub(crate) use user_event::Notifier;

// NetBSD and OpenBSD learned EVFILT_USER only lately; a pipe works on every version.
#[cfg(any(target_os = "netbsd", target_os = "openbsd", calloop_ref_force_pipe))]
mod pipe;
#[cfg(any(target_os = "netbsd", target_os = "openbsd", calloop_ref_force_pipe))]
pub(crate) use pipe::Notifier;

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
)))]
compile_error!("calloop-ref needs epoll (Linux, Android) or kqueue (macOS, the BSDs)");

#[cfg(all(feature = "signals", any(target_os = "linux", target_os = "android")))]
pub(crate) mod signalfd;

/// How many events one wait takes. The kernel keeps the others, in order, for the next wait, so
/// that no descriptor can starve another however many are ready.
pub(crate) const EVENTS_PER_WAIT_MAX: usize = 1024;

/// Wakes a loop that waits in the kernel. A trait, so that a model can stand in for the kernel.
pub(crate) trait Notify {
    /// Makes the current wait return, or else the next one.
    fn notify(&self);
}
