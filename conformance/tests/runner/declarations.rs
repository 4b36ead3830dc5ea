//! Loops besides calloop that declare more than they have: each is caught by a rule that rests on it.

use conformance::adapter::{Adapter, Capability};
use conformance::adapters::foreign::{Ev, Foreign, SdEventLoop, Uv, Wayland};
use conformance::adapters::{AsyncIo, Tokio};
use conformance::rules;
use conformance::runner::Suite;
use reports::record::Outcome;
use tempfile::tempdir;

use crate::program::{Ended, command, end, results};

/// A loop with a capability that it lacks, and the rule that is to show it.
struct Overstated {
    suite: Suite,
    rule: &'static str,
}

fn of<A: Adapter>(lacked: Capability, rule: &'static str) -> Option<Overstated> {
    let capabilities = A::capabilities();
    assert!(!capabilities.has(lacked), "{} has {lacked}", A::NAME);
    let cases = rules::cases::<A>();
    let suite = Suite::new(A::NAME, &A::version(), capabilities.with(&[lacked]), cases);
    Some(Overstated { suite, rule })
}

/// The same, where the loop is here.
fn of_foreign<A: Foreign>(lacked: Capability, rule: &'static str) -> Option<Overstated> {
    A::find().ok().and_then(|()| of::<A>(lacked, rule))
}

fn all() -> Vec<Overstated> {
    let all = [
        of::<Tokio>(Capability::Embed, "LOOP-29"),
        of::<AsyncIo>(Capability::Embed, "LOOP-29"),
        of_foreign::<Uv>(Capability::Deadlines, "TIMER-115"),
        of_foreign::<Ev>(Capability::IdleOrder, "IDLE-02"),
        of_foreign::<SdEventLoop>(Capability::DeadlineOrder, "TIMER-05"),
        of_foreign::<Wayland>(Capability::IdleAfterEvents, "IDLE-103"),
    ];
    all.into_iter().flatten().collect()
}

/// The loops, for the program that is under test.
pub(crate) fn overstated() -> Vec<Suite> {
    all().into_iter().map(|overstated| overstated.suite).collect()
}

pub(crate) fn a_wrong_declaration_is_caught_on_every_loop() {
    let directory = tempdir().unwrap();
    let json = directory.path().join("json");
    let all = all();
    let mut arguments: Vec<&str> = all.iter().map(|overstated| overstated.rule).collect();
    arguments.extend(["--exact", "--json", json.to_str().unwrap()]);
    let Ended { code, out, err } = end(&mut command("overstated", &arguments));
    assert_eq!(code, Some(1), "{out}{err}");
    let results = results(&json);
    assert_eq!(results.len(), all.len(), "{out}");
    for (Overstated { suite, rule }, held) in all.iter().zip(results) {
        assert_eq!(suite.name(), held.subject.name);
        let outcome = held.results.iter().find(|it| it.id == *rule).map(|it| it.outcome.clone());
        assert_eq!(outcome, Some(Outcome::Fail), "{rule} of {}", suite.name());
    }
}
