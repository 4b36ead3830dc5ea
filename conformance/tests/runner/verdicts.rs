//! What misbehaving rules come to.

use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reports::record::Outcome;
use tempfile::tempdir;

use crate::misbehaving::PIDS;
use crate::program::{command, end, is_alive, outcomes, pids, results, run, wait_until};

pub(crate) fn misbehaviour_is_a_result_and_the_run_goes_on() {
    let directory = tempdir().unwrap();
    let json = directory.path().join("record.json");
    let arguments = ["--seed=2", "--time-scale=0.15", "--json", json.to_str().unwrap()];
    let ended = end(command("one", &arguments).env(PIDS, directory.path()));
    for pid in pids(directory.path(), "daemon") {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let crash = |signal: &str| Outcome::Crash { signal: signal.into() };
    let expected = [
        ("GOOD-01", Outcome::Pass),
        ("GOOD-02", Outcome::Pass),
        ("GOOD-03", Outcome::Skipped { missing: vec!["idle".into()] }),
        ("GOOD-04", Outcome::Pass),
        ("GOOD-05", Outcome::Pass),
        ("GOOD-06", Outcome::Pass),
        ("GOOD-07", Outcome::Pass),
        ("BAD-01", Outcome::Timeout { limit_ms: 3000 }),
        ("BAD-02", crash("SIGABRT")),
        ("BAD-03", crash("SIGABRT")),
        ("BAD-04", crash("SIGUSR1")),
        ("BAD-05", crash("SIGKILL")),
        ("BAD-06", Outcome::Fail),
        ("BAD-07", Outcome::Fail),
        ("BAD-08", Outcome::Fail),
        ("BAD-09", Outcome::Fail),
        ("BAD-10", Outcome::Timeout { limit_ms: 3000 }),
        ("ODD-01", Outcome::Pass),
    ];
    assert_eq!(outcomes(&json), expected.map(|(id, outcome)| (id.to_string(), outcome)));

    let results = results(&json).swap_remove(0).results;
    let detail = |id: &str| {
        let result = results.iter().find(|result| result.id == id).unwrap();
        result.detail.clone().unwrap()
    };
    assert!(detail("BAD-06").actual.contains("tests/runner/misbehaving.rs:"));
    assert!(detail("BAD-06").actual.contains("with a message"));
    assert!(detail("BAD-07").actual.contains("exited with code 0"));
    assert!(detail("BAD-08").actual.contains("exited with code 7"));
    assert_eq!(detail("BAD-01").trace[0].what, "hanging", "the trace of a hang is kept");
    assert!(detail("BAD-03").output.contains("overflowed its stack"));
    assert!(detail("BAD-09").output.contains("printed by the rule"));

    let left = [pids(directory.path(), "left"), pids(directory.path(), "hung")].concat();
    assert_eq!(left.len(), 2);
    wait_until("the end of what was left", || !left.iter().any(|pid| is_alive(*pid)));
}

pub(crate) fn a_failure_explains_itself() {
    let ended = run(&["--exact", "BAD-09"]);
    assert_eq!(ended.code, Some(1));
    for text in [
        "test BAD-09 ... FAILED",
        "---- BAD-09, a MUST rule, for misbehaving 1.2.3: FAILED",
        "rule        A test MUST behave.",
        "why         Others run after it.",
        "expected    a good end",
        "actual      a bad one",
        "ms   before",
        "ms * the event",
        "printed     printed by the rule",
        "check       what it does",
        "repeat      cargo test -p conformance --test runner -- --exact BAD-09",
        "test result: FAILED. misbehaving 1.2.3: 1 failed",
    ] {
        assert!(ended.out.contains(text), "no `{text}` in:\n{}", ended.out);
    }
    let ended = run(&["--exact", "BAD-09", "--nocapture"]);
    assert!(ended.err.contains("printed by the rule"));
    assert!(!ended.out.contains("printed by the rule"));
}

pub(crate) fn rules_start_clean() {
    let ended = end(&mut command("blocked", &["--exact", "GOOD-04"]));
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    // A shell that ignores signals and leaves a descriptor open.
    let program = command("one", &["--exact", "GOOD-04"]);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("trap '' HUP INT USR1; exec 9</dev/null; exec \"$@\"").arg("sh");
    shell.arg(program.get_program()).args(program.get_args());
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = end(&mut shell);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
}

pub(crate) fn a_rule_is_repeated_until_it_fails() {
    let ended = run(&["ODD", "--repeat=10", "--seed=8"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("in run 2: 9"), "{}", ended.out);
    assert!(ended.out.contains("--exact ODD-01 --seed 0x9"), "{}", ended.out);
    assert_eq!(run(&["GOOD-01", "--repeat=3"]).code, Some(0));
}
