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

#[cfg(test)]
mod smoke {
    use crate::adapters::*;
    use crate::rule::*;
    fn run<A: crate::adapter::Adapter>(profile: Vec<Case>) {
        for case in profile {
            eprintln!("{} {:?}", case.rule.id, case.run(&Trial::new(Settings::default())));
        }
        for case in crate::rules::cases::<A>() {
            let trial = Trial::new(Settings::default());
            eprintln!("{} {} {:?}", A::NAME, case.rule.id, case.run(&trial));
        }
    }
    #[test]
    fn all() {
        run::<CalloopRef>(crate::profile::calloop_ref());
        run::<Calloop014>(crate::profile::calloop_0_14());
    }
}
