//! The specification of a callback event loop, as tests for any loop.

#![allow(
    clippy::duplicate_mod,
    reason = "calloop's interface is one, and compiled once for each crate that has it"
)]

pub mod adapter;
pub mod adapters;
mod capability;
pub mod fixture;
pub mod profile;
pub mod rule;
pub mod rules;
pub mod trace;
