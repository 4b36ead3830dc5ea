//! Loops that claim what they do not have, and the rules that say so.

use std::process::ExitCode;

use conformance::adapter::Capability;
use conformance::runner::{self, Options, built_in};
use libtest_mimic::{Arguments, Trial};
use reports::record::Outcome;

/// A loop, what it would be wrong to declare, and a rule that it then fails.
const CLAIMS: &[(&str, Capability, &str)] = &[
    ("tokio", Capability::Edge, "MODE-02"),
    ("tokio", Capability::NestedLoops, "LOOP-113"),
    ("async-io", Capability::DeadlineOrder, "TIMER-05"),
    ("async-io", Capability::FlagsRestored, "IO-01"),
    ("mio", Capability::Level, "MODE-01"),
    ("mio", Capability::Timers, "TIMER-02"),
    ("libuv", Capability::Deadlines, "TIMER-115"),
    ("glib", Capability::DeadlineOrder, "TIMER-05"),
    ("libevent", Capability::Idle, "IDLE-01"),
    ("libev", Capability::IdleOrder, "IDLE-02"),
    ("sd-event", Capability::DeadlineOrder, "TIMER-05"),
    ("libwayland", Capability::IdleAfterEvents, "IDLE-103"),
];

fn main() -> ExitCode {
    // The process of a rule, which is this program, too.
    if let Some(code) = runner::serve_built_in() {
        return code;
    }
    let trial = |(name, claim, rule): &(&'static str, Capability, &'static str)| {
        let (name, claim, rule) = (*name, *claim, *rule);
        Trial::test(format!("{name}_claims_{claim}"), move || is_caught(name, claim, rule))
    };
    libtest_mimic::run(&Arguments::from_args(), CLAIMS.iter().map(trial).collect()).exit_code()
}

fn is_caught(name: &str, claim: Capability, rule: &str) -> Result<(), libtest_mimic::Failed> {
    let field = built_in::field().into_iter().find(|suite| suite.name() == name);
    let suite = field.ok_or("the loop is in the field")?;
    if let Some(absence) = suite.absence() {
        eprintln!("{absence}");
        return Ok(());
    }
    let suites = [suite.claiming(&[claim])];
    let options = Options { rules: vec![rule.to_string()], exact: true, ..Options::default() };
    let run = runner::run(&suites, &options, "cargo test --test claims")?;
    let results = &run.record.conformance[0].results;
    assert_eq!(results.len(), 1, "one rule is {rule}");
    assert_eq!(results[0].outcome, Outcome::Fail, "{rule} for {name} that claims {claim}");
    assert!(!run.is_as_expected(), "a wrong declaration is no success");
    Ok(())
}
