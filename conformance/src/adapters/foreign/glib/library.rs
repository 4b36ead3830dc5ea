//! The declarations of <glib/gmain.h> and <glib-unix.h> that are used.

use std::ffi::{c_int, c_uint, c_void};

use super::NAME;
use crate::adapters::foreign::library;

library! {
    NAME, in "libglib2.0-0", as ["libglib-2.0.so.0"];
    fn g_main_context_new() -> *mut GMainContext;
    fn g_main_context_unref(*mut GMainContext);
    fn g_main_context_iteration(*mut GMainContext, c_int) -> c_int;
    fn g_main_context_wakeup(*mut GMainContext);
    fn g_source_new(*const GSourceFuncs, c_uint) -> *mut GSource;
    fn g_source_unref(*mut GSource);
    fn g_source_attach(*mut GSource, *mut GMainContext) -> c_uint;
    fn g_source_destroy(*mut GSource);
    fn g_source_set_callback(
        *mut GSource,
        GSourceFunc,
        *mut c_void,
        Option<unsafe extern "C" fn(*mut c_void)>,
    );
    fn g_source_set_ready_time(*mut GSource, i64);
    fn g_source_add_unix_fd(*mut GSource, c_int, c_uint) -> *mut c_void;
    fn g_source_modify_unix_fd(*mut GSource, *mut c_void, c_uint);
    fn g_source_remove_unix_fd(*mut GSource, *mut c_void);
    fn g_source_query_unix_fd(*mut GSource, *mut c_void) -> c_uint;
    fn g_idle_source_new() -> *mut GSource;
    fn g_unix_signal_source_new(c_int) -> *mut GSource;
    fn g_get_monotonic_time() -> i64;
    static glib_major_version: c_uint;
    static glib_minor_version: c_uint;
    static glib_micro_version: c_uint;
}

/// `GMainContext`.
#[repr(C)]
pub(super) struct GMainContext([u8; 0]);

/// `GSource`, whose size the header makes public, but not its fields.
#[repr(C)]
pub(super) struct GSource {
    callback: [*mut c_void; 2],
    source_funcs: *const GSourceFuncs,
    ref_count: c_uint,
    context: *mut GMainContext,
    priority: c_int,
    flags: c_uint,
    source_id: c_uint,
    poll_fds: *mut c_void,
    neighbours: [*mut GSource; 2],
    name: *mut c_void,
    private: *mut c_void,
}

/// `GSourceFunc`: FALSE removes the source.
type GSourceFunc = unsafe extern "C" fn(*mut c_void) -> c_int;

/// `GSourceFuncs`. What a source waits for, GLib knows itself: only the second is not null.
#[repr(C)]
pub(super) struct GSourceFuncs {
    prepare_and_check: [usize; 2],
    dispatch: unsafe extern "C" fn(*mut GSource, GSourceFunc, *mut c_void) -> c_int,
    finalize_and_closure: [usize; 3],
}

pub(super) static FUNCTIONS_OF_A_SOURCE: GSourceFuncs =
    GSourceFuncs { prepare_and_check: [0; 2], dispatch: on_dispatch, finalize_and_closure: [0; 3] };

unsafe extern "C" fn on_dispatch(_: *mut GSource, call: GSourceFunc, data: *mut c_void) -> c_int {
    // SAFETY: both are what the source was given with `g_source_set_callback`.
    unsafe { call(data) }
}

pub(super) const TRUE: c_int = 1;

/// `GIOCondition`.
pub(super) const IN: c_uint = 1;
pub(super) const OUT: c_uint = 4;
pub(super) const ERR: c_uint = 8;
pub(super) const HUP: c_uint = 16;

/// A ready time that never comes, and one that has come.
pub(super) const NEVER: i64 = -1;
pub(super) const PAST: i64 = 0;
