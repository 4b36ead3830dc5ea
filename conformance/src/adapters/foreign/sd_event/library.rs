//! The declarations of <systemd/sd-event.h> that are used.

use std::ffi::{c_int, c_void};

use libc::signalfd_siginfo;

use super::NAME;
use crate::adapters::foreign::library;

library! {
    NAME, in "libsystemd0", as ["libsystemd.so.0"];
    fn sd_event_new(*mut *mut SdEvent) -> c_int;
    fn sd_event_unref(*mut SdEvent) -> *mut SdEvent;
    fn sd_event_run(*mut SdEvent, u64) -> c_int;
    fn sd_event_prepare(*mut SdEvent) -> c_int;
    fn sd_event_wait(*mut SdEvent, u64) -> c_int;
    fn sd_event_dispatch(*mut SdEvent) -> c_int;
    fn sd_event_get_state(*mut SdEvent) -> c_int;
    fn sd_event_get_fd(*mut SdEvent) -> c_int;
    fn sd_event_add_io(
        *mut SdEvent, *mut *mut SdSource, c_int, u32, IoHandler, *mut c_void,
    ) -> c_int;
    fn sd_event_add_time(
        *mut SdEvent, *mut *mut SdSource, libc::clockid_t, u64, u64, TimeHandler, *mut c_void,
    ) -> c_int;
    fn sd_event_add_signal(
        *mut SdEvent, *mut *mut SdSource, c_int, SignalHandler, *mut c_void,
    ) -> c_int;
    fn sd_event_add_defer(*mut SdEvent, *mut *mut SdSource, Handler, *mut c_void) -> c_int;
    fn sd_event_source_set_priority(*mut SdSource, i64) -> c_int;
    fn sd_event_source_set_enabled(*mut SdSource, c_int) -> c_int;
    fn sd_event_source_set_io_events(*mut SdSource, u32) -> c_int;
    fn sd_event_source_set_time(*mut SdSource, u64) -> c_int;
    fn sd_event_source_disable_unref(*mut SdSource) -> *mut SdSource;
}

/// `sd_event`.
#[repr(C)]
#[derive(Debug)]
pub struct SdEvent([u8; 0]);

/// `sd_event_source`.
#[repr(C)]
#[derive(Debug)]
pub struct SdSource([u8; 0]);

/// `sd_event_handler_t` and the others.
type Handler = unsafe extern "C" fn(*mut SdSource, *mut c_void) -> c_int;
type IoHandler = unsafe extern "C" fn(*mut SdSource, c_int, u32, *mut c_void) -> c_int;
type TimeHandler = unsafe extern "C" fn(*mut SdSource, u64, *mut c_void) -> c_int;
type SignalHandler =
    unsafe extern "C" fn(*mut SdSource, *const signalfd_siginfo, *mut c_void) -> c_int;

/// `SD_EVENT_OFF` and the others.
pub(super) const OFF: c_int = 0;
pub(super) const ON: c_int = 1;
pub(super) const ONESHOT: c_int = -1;

/// `SD_EVENT_INITIAL` and the others, as far as a dispatch finds a loop in them.
pub(super) const INITIAL: c_int = 0;
pub(super) const ARMED: c_int = 1;

/// `SD_EVENT_PRIORITY_IDLE`.
pub(super) const PRIORITY_IDLE: i64 = 100;
/// `SD_EVENT_SIGNAL_PROCMASK`.
pub(super) const SIGNAL_PROCMASK: c_int = 1 << 30;
/// The best accuracy of a timer, in microseconds; zero stands for 250 ms.
pub(super) const ACCURACY: u64 = 1;
