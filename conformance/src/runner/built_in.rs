//! The loops that come with the suite, each with its profile and expectation file.

use super::expectations::Expectations;
use super::{Error, Suite};
use crate::adapters::CalloopRef;
#[cfg(feature = "calloop")]
use crate::adapters::{Calloop013, Calloop014};
use crate::{profile, spec};

/// All of them.
pub fn all() -> Vec<Suite> {
    vec![
        calloop_ref(),
        #[cfg(feature = "calloop")]
        calloop_0_14(),
        #[cfg(feature = "calloop")]
        calloop_0_13(),
    ]
}

/// `calloop-ref`, which has to keep every rule.
pub fn calloop_ref() -> Suite {
    Suite::of::<CalloopRef>().with_cases(profile::calloop_ref())
}

/// calloop 0.14, with its known deviations.
#[cfg(feature = "calloop")]
pub fn calloop_0_14() -> Suite {
    Suite::of::<Calloop014>().with_cases(profile::calloop_0_14()).with_expectations(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/calloop-0.14.toml"),
        include_str!("../../expectations/calloop-0.14.toml"),
    )
}

/// calloop 0.13, with its known deviations.
#[cfg(feature = "calloop")]
pub fn calloop_0_13() -> Suite {
    Suite::of::<Calloop013>().with_cases(profile::calloop_0_13()).with_expectations(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/calloop-0.13.toml"),
        include_str!("../../expectations/calloop-0.13.toml"),
    )
}

/// The defects of calloop that rules show, and what comes of each on these loops, in Markdown.
///
/// # Errors
///
/// If an expectation file is wrong.
pub fn defects() -> Result<String, Error> {
    let mut loops = Vec::new();
    for suite in all() {
        let known = Expectations::load(&suite, None, false)?;
        loops.push((suite, known));
    }
    let names: Vec<String> =
        loops.iter().map(|(suite, _)| format!("{} {}", suite.name, suite.version)).collect();
    Ok(spec::defects(&names, |position, rule| {
        let (suite, known) = &loops[position];
        match (suite.has(rule), known.outcome(rule)) {
            (false, _) => "not its rule",
            (true, None) => "keeps it",
            (true, Some("crash")) => "crashes",
            (true, Some("timeout")) => "hangs",
            (true, Some(_)) => "fails",
        }
        .to_string()
    }))
}
