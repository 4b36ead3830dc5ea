//! Records of conformance and measurements, and what is made of them.

#![forbid(unsafe_code)]

pub mod record;
