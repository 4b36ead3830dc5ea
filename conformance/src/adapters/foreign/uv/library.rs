//! The declarations of <uv.h> that are used.

use std::ffi::{c_char, c_int, c_uint, c_void};

use super::NAME;
use crate::adapters::foreign::library;

library! {
    NAME, in "libuv1", as ["libuv.so.1"];
    fn uv_version_string() -> *const c_char;
    fn uv_loop_size() -> usize;
    fn uv_loop_init(*mut UvLoop) -> c_int;
    fn uv_loop_close(*mut UvLoop) -> c_int;
    fn uv_run(*mut UvLoop, c_uint) -> c_int;
    fn uv_stop(*mut UvLoop);
    fn uv_update_time(*mut UvLoop);
    fn uv_walk(*mut UvLoop, unsafe extern "C" fn(*mut UvHandle, *mut c_void), *mut c_void);
    fn uv_handle_size(c_uint) -> usize;
    fn uv_handle_get_data(*const UvHandle) -> *mut c_void;
    fn uv_handle_set_data(*mut UvHandle, *mut c_void);
    fn uv_close(*mut UvHandle, unsafe extern "C" fn(*mut UvHandle));
    fn uv_poll_init(*mut UvLoop, *mut UvHandle, c_int) -> c_int;
    fn uv_poll_start(*mut UvHandle, c_int, unsafe extern "C" fn(*mut UvHandle, c_int, c_int)) -> c_int;
    fn uv_poll_stop(*mut UvHandle) -> c_int;
    fn uv_timer_init(*mut UvLoop, *mut UvHandle) -> c_int;
    fn uv_timer_start(*mut UvHandle, unsafe extern "C" fn(*mut UvHandle), u64, u64) -> c_int;
    fn uv_timer_stop(*mut UvHandle) -> c_int;
    fn uv_async_init(*mut UvLoop, *mut UvHandle, unsafe extern "C" fn(*mut UvHandle)) -> c_int;
    fn uv_async_send(*mut UvHandle) -> c_int;
    fn uv_signal_init(*mut UvLoop, *mut UvHandle) -> c_int;
    fn uv_signal_start(*mut UvHandle, unsafe extern "C" fn(*mut UvHandle, c_int), c_int) -> c_int;
}

/// `uv_loop_t`.
#[repr(C)]
pub(super) struct UvLoop([u8; 0]);

/// `uv_handle_t`, and each kind of handle, which begins as one.
#[repr(C)]
pub(super) struct UvHandle([u8; 0]);

/// `uv_run_mode`.
pub(super) const RUN_DEFAULT: c_uint = 0;
pub(super) const RUN_ONCE: c_uint = 1;
pub(super) const RUN_NOWAIT: c_uint = 2;

/// `uv_handle_type`.
pub(super) const ASYNC: c_uint = 1;
pub(super) const POLL: c_uint = 8;
pub(super) const TIMER: c_uint = 13;
pub(super) const SIGNAL: c_uint = 16;

/// `enum uv_poll_event`.
pub(super) const READABLE: c_int = 1;
pub(super) const WRITABLE: c_int = 2;
