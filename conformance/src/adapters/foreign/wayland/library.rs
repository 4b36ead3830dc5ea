//! The declarations of <wayland-server-core.h> that are used.

use std::ffi::{c_int, c_void};

use super::NAME;
use crate::adapters::foreign::library;

library! {
    NAME, in "libwayland-server0", as ["libwayland-server.so.0"];
    fn wl_event_loop_create() -> *mut WlLoop;
    fn wl_event_loop_destroy(*mut WlLoop);
    fn wl_event_loop_dispatch(*mut WlLoop, c_int) -> c_int;
    fn wl_event_loop_get_fd(*mut WlLoop) -> c_int;
    fn wl_event_loop_add_fd(*mut WlLoop, c_int, u32, FdFunction, *mut c_void) -> *mut WlSource;
    fn wl_event_source_fd_update(*mut WlSource, u32) -> c_int;
    fn wl_event_loop_add_timer(*mut WlLoop, TimerFunction, *mut c_void) -> *mut WlSource;
    fn wl_event_source_timer_update(*mut WlSource, c_int) -> c_int;
    fn wl_event_loop_add_signal(*mut WlLoop, c_int, SignalFunction, *mut c_void) -> *mut WlSource;
    fn wl_event_loop_add_idle(*mut WlLoop, IdleFunction, *mut c_void) -> *mut WlSource;
    fn wl_event_source_remove(*mut WlSource) -> c_int;
}

/// `struct wl_event_loop`.
#[repr(C)]
#[derive(Debug)]
pub struct WlLoop([u8; 0]);

/// `struct wl_event_source`.
#[repr(C)]
#[derive(Debug)]
pub struct WlSource([u8; 0]);

/// `wl_event_loop_fd_func_t` and the others.
type FdFunction = unsafe extern "C" fn(c_int, u32, *mut c_void) -> c_int;
type TimerFunction = unsafe extern "C" fn(*mut c_void) -> c_int;
type SignalFunction = unsafe extern "C" fn(c_int, *mut c_void) -> c_int;
type IdleFunction = unsafe extern "C" fn(*mut c_void);

/// `WL_EVENT_READABLE` and the others.
pub(super) const READABLE: u32 = 1;
pub(super) const WRITABLE: u32 = 2;
pub(super) const HANGUP: u32 = 4;
pub(super) const ERROR: u32 = 8;
