//! What other threads may use a base with, from <event2/thread.h>.

use std::ffi::c_int;

use reports::record::Missing;

use super::NAME;
use crate::adapters::foreign::library;

library! {
    NAME, in "libevent-pthreads-2.1-7", as ["libevent_pthreads-2.1.so.7"];
    fn evthread_use_pthreads() -> c_int;
}

/// Has the bases that are made from now on be locked.
pub(super) fn find() -> Result<(), Missing> {
    // SAFETY: it asks for nothing, and may be called again.
    Functions::find().map(|threads| _ = unsafe { (threads.evthread_use_pthreads)() })
}
