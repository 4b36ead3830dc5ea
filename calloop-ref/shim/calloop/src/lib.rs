//! [`calloop_ref`] under the name of calloop.

#![forbid(unsafe_code)]

pub use calloop_ref::*;
