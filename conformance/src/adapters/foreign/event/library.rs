//! The declarations of <event2/event.h> that are used.

use std::ffi::{c_char, c_int, c_short, c_void};

use super::NAME;
use crate::adapters::foreign::library;

library! {
    NAME, in "libevent-core-2.1-7", as ["libevent_core-2.1.so.7", "libevent-2.1.so.7"];
    fn event_get_version() -> *const c_char;
    fn event_config_new() -> *mut EventConfig;
    fn event_config_set_flag(*mut EventConfig, c_int) -> c_int;
    fn event_config_free(*mut EventConfig);
    fn event_base_new_with_config(*const EventConfig) -> *mut EventBase;
    fn event_base_free(*mut EventBase);
    fn event_base_loop(*mut EventBase, c_int) -> c_int;
    fn event_base_update_cache_time(*mut EventBase) -> c_int;
    fn event_new(*mut EventBase, c_int, c_short, EventCallback, *mut c_void) -> *mut RawEvent;
    fn event_assign(
        *mut RawEvent,
        *mut EventBase,
        c_int,
        c_short,
        EventCallback,
        *mut c_void,
    ) -> c_int;
    fn event_add(*mut RawEvent, *const libc::timeval) -> c_int;
    fn event_del(*mut RawEvent) -> c_int;
    fn event_free(*mut RawEvent);
    fn event_active(*mut RawEvent, c_int, c_short);
}

/// `struct event_config`.
#[repr(C)]
pub(super) struct EventConfig([u8; 0]);

/// `struct event_base`.
#[repr(C)]
pub(super) struct EventBase([u8; 0]);

/// `struct event`, which the library allocates.
#[repr(C)]
pub(super) struct RawEvent([u8; 0]);

/// `event_callback_fn`.
type EventCallback = unsafe extern "C" fn(c_int, c_short, *mut c_void);

pub(super) const PRECISE_TIMER: c_int = 0x20;

pub(super) const LOOP_ONCE: c_int = 0x01;
pub(super) const LOOP_NONBLOCK: c_int = 0x02;
pub(super) const LOOP_NO_EXIT_ON_EMPTY: c_int = 0x04;

pub(super) const READ: c_short = 0x02;
pub(super) const WRITE: c_short = 0x04;
pub(super) const SIGNAL: c_short = 0x08;
pub(super) const PERSIST: c_short = 0x10;
pub(super) const EDGE: c_short = 0x20;
