//! The specification of a callback event loop, as tests for any loop.
//!
//! A [rule](rule::Rule) is a sentence that a loop keeps or not, with a test that tells. [`rules`]
//! has those that any loop can be held to, [`profile`] those about calloop's own interface. The
//! tests know a loop by an [`Adapter`](adapter::Adapter), which also declares what the loop has, and
//! [`adapters`] has those of the loops that come with the suite. The [`runner`] runs each rule in a
//! process of its own, judges what comes of it by what is known of the loop, and explains the rest.
//!
//! To hold a loop to the rules, implement its adapter in a test with `harness = false`, and call
//! [`main`] there:
//!
//! ```no_run
//! # use conformance::adapters::CalloopRef as MyLoop;
//! fn main() -> std::process::ExitCode {
//!     conformance::main::<MyLoop>()
//! }
//! ```
//!
//! The README shows a complete adapter, how to select rules, how to read a result, and how to write
//! down known deviations.

#![deny(unsafe_code)]
#![allow(
    clippy::duplicate_mod,
    reason = "calloop's interface is one, and compiled once for each crate that has it"
)]

pub mod adapter;
pub mod adapters;
mod capability;
mod erased;
pub mod fixture;
pub mod model;
pub mod profile;
pub mod rule;
pub mod rules;
pub mod runner;
pub mod spec;
mod system;
pub mod trace;

pub use runner::{Suite, main, main_of};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
