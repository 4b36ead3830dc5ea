//! The declarations of <ev.h> that are used.

use std::ffi::{c_int, c_uint, c_void};
use std::mem::{offset_of, size_of};

use super::NAME;
use super::source::Sender;
use crate::adapters::foreign::library;

library! {
    NAME, in "libev4", as ["libev.so.4"];
    fn ev_version_major() -> c_int;
    fn ev_version_minor() -> c_int;
    fn ev_loop_new(c_uint) -> *mut EvLoop;
    fn ev_loop_destroy(*mut EvLoop);
    fn ev_run(*mut EvLoop, c_int) -> c_int;
    fn ev_now_update(*mut EvLoop);
    fn ev_io_start(*mut EvLoop, *mut Watcher);
    fn ev_io_stop(*mut EvLoop, *mut Watcher);
    fn ev_timer_start(*mut EvLoop, *mut Watcher);
    fn ev_timer_stop(*mut EvLoop, *mut Watcher);
    fn ev_signal_start(*mut EvLoop, *mut Watcher);
    fn ev_signal_stop(*mut EvLoop, *mut Watcher);
    fn ev_idle_start(*mut EvLoop, *mut Watcher);
    fn ev_idle_stop(*mut EvLoop, *mut Watcher);
    fn ev_async_start(*mut EvLoop, *mut Watcher);
    fn ev_async_stop(*mut EvLoop, *mut Watcher);
    fn ev_async_send(*mut EvLoop, *mut Watcher);
}

/// `struct ev_loop`.
#[repr(C)]
#[derive(Debug)]
pub struct EvLoop([u8; 0]);

/// `ev_watcher`, what each kind has behind it, and what is kept for each here, behind all that libev
/// knows of.
#[repr(C)]
#[derive(Debug)]
pub struct Watcher {
    pub(super) active: c_int,
    pub(super) pending: c_int,
    pub(super) priority: c_int,
    pub(super) data: *mut c_void,
    pub(super) callback: unsafe extern "C" fn(*mut EvLoop, *mut Watcher, c_int),
    pub(super) rest: Rest,
    pub(super) kind: Kind,
    pub(super) sender: Sender,
}

/// What the kinds have behind `ev_watcher`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) union Rest {
    /// `ev_io`.
    pub(super) io: Io,
    /// `ev_timer`.
    pub(super) timer: Timer,
    /// `ev_signal`.
    pub(super) signal: Signal,
    /// `ev_async`, and nothing for `ev_idle`.
    pub(super) sent: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Io {
    pub(super) next: *mut c_void,
    pub(super) fd: c_int,
    pub(super) events: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Timer {
    pub(super) at: f64,
    pub(super) repeat: f64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Signal {
    pub(super) next: *mut c_void,
    pub(super) number: c_int,
}

// What a program in C says of <ev.h>, with `offsetof` and `sizeof`, where pointers have 64 bits.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(offset_of!(Watcher, priority) == 8 && offset_of!(Watcher, data) == 16);
    assert!(offset_of!(Watcher, callback) == 24 && offset_of!(Watcher, rest) == 32);
    assert!(offset_of!(Io, fd) == 8 && offset_of!(Io, events) == 12);
    assert!(offset_of!(Timer, repeat) == 8 && offset_of!(Signal, number) == 8);
    assert!(size_of::<Rest>() == 16);
};

/// `EV_READ`, `EV_WRITE` and `EV__IOFDSET`.
pub(super) const READ: c_int = 1;
pub(super) const WRITE: c_int = 2;
pub(super) const IOFDSET: c_int = 0x80;

/// `EVRUN_NOWAIT` and `EVRUN_ONCE`.
pub(super) const NOWAIT: c_int = 1;
pub(super) const ONCE: c_int = 2;

/// `EVFLAG_NOENV`: the environment chooses nothing.
pub(super) const NOENV: c_uint = 0x0100_0000;

type Change = unsafe extern "C" fn(*mut EvLoop, *mut Watcher);

/// How a watcher is started and stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) start: Change,
    pub(super) stop: Change,
    pub(super) is_signal: bool,
}

impl Kind {
    pub(super) fn new(start: Change, stop: Change) -> Self {
        Kind { start, stop, is_signal: false }
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rest")
    }
}
