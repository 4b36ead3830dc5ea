//! What is particular to calloop-ref: its types, the lifetimes of its objects, what it costs, how
//! it answers wrong use, and that programs written for calloop run on it. How a loop behaves is
//! tested in `conformance`.

#![allow(clippy::print_stdout, reason = "a process of its own tells its parent what it found")]

#[cfg(target_os = "linux")]
mod descriptors;
mod examples;
mod lifetimes;
mod own_process;
mod programs;
mod types;
mod wrong_use;
