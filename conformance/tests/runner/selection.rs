//! Which rules run, of which loops.

use std::path::Path;

use conformance::adapters::foreign::WITHOUT;
use reports::record::Record;
use tempfile::tempdir;

use crate::program::{Ended, command, end, outcomes, run};

fn listed(arguments: &[&str]) -> Vec<String> {
    let Ended { code, out, .. } = run(&[&["--list"], arguments].concat());
    assert_eq!(code, Some(0));
    out.lines().map(|line| line.split_whitespace().next().unwrap().to_string()).collect()
}

pub(crate) fn rules_are_selected() {
    assert_eq!(listed(&[]).len(), 18);
    assert_eq!(listed(&["GOOD-0", "--skip=-02", "--skip=*-03"]).len(), 5);
    assert_eq!(listed(&["good-01"]), ["GOOD-01"]);
    assert_eq!(listed(&["*-09", "ODD"]), ["BAD-09", "ODD-01"]);
    assert_eq!(listed(&["GOOD", "--exact"]), [""; 0]);
    assert_eq!(listed(&["--group=odd"]), ["ODD-01"]);
    assert_eq!(listed(&["--level=should", "--level=may"]), ["GOOD-02", "ODD-01"]);
    assert_eq!(listed(&["--ignored"]), ["GOOD-03"]);
}

pub(crate) fn rules_are_shown_in_full() {
    let Ended { code, out, .. } = run(&["--spec", "good-03", "TIMER-201"]);
    assert_eq!(code, Some(0));
    for text in [
        "### GOOD-03\n\n**MUST**, for calloop's interface with `idle`, `ping`\n\nA test MUST behave.",
        "- Why: Others run after it.\n- Source: common sense\n- Check: what it does\n",
        "## Rules that cannot be tested",
        "### TIMER-201",
    ] {
        assert!(out.contains(text), "no `{text}` in:\n{out}");
    }
    assert_eq!(out.matches("\n### ").count(), 2, "no other rules: {out}");
}

pub(crate) fn shards_are_the_whole() {
    let directory = tempdir().unwrap();
    let run_to = |path: &Path, shard: &str| {
        let path = path.to_str().unwrap();
        run(&["*-0[2-9]", "--skip=GOOD-07", "--shard", shard, "--json", path]);
    };
    let whole = directory.path().join("whole");
    run_to(&whole, "1/1");
    let mut parts = Vec::new();
    for part in 1..=3 {
        let path = directory.path().join(part.to_string());
        run_to(&path, &format!("{part}/3"));
        let count = outcomes(&path).len();
        assert!((4..=5).contains(&count), "the parts are about equal: {count}");
        parts.push(Record::read(&path).unwrap());
    }
    let merged = Record::merge(parts).unwrap();
    let merged_path = directory.path().join("merged");
    merged.write(&merged_path).unwrap();
    assert_eq!(outcomes(&merged_path), outcomes(&whole));
}

pub(crate) fn loops_stand_side_by_side() {
    let both = |arguments: &[&str]| end(&mut command("two", arguments));
    let ended = both(&["GOOD-01", "BAD-09", "OWN-01"]);
    assert_eq!(ended.code, Some(1));
    let rows: Vec<Vec<&str>> =
        ended.out.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        &["rule", "level", "misbehaving", "behaving"][..],
        &["GOOD-01", "MUST", "passed", "passed"],
        &["BAD-09", "MUST", "failed", "passed"],
        &["OWN-01", "MUST", "not", "its", "rule", "passed"],
    ] {
        assert!(rows.iter().any(|it| it == row), "no {row:?} in:\n{}", ended.out);
    }
    let repeat = "cargo suite conformance --loop misbehaving --exact BAD-09";
    assert!(ended.out.contains(repeat), "{}", ended.out);

    let ended = both(&["BAD-09", "--loop", "behaving"]);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(!ended.out.contains("misbehaving"));
}

/// A library that is missing is simulated: it may well be here.
pub(crate) fn missing_loops_are_named() {
    let without_libuv = |arguments: &[&str]| {
        let ended = end(command("built-in", arguments).env(WITHOUT, "others,libuv"));
        (ended.code, ended.out, ended.err)
    };
    let absence = "libuv: not here; Debian's libuv1 has it";

    let directory = tempdir().unwrap();
    let json = directory.path().join("json");
    let arguments = ["CAP-110", "--loop", "all", "--json", json.to_str().unwrap()];
    let (code, out, _) = without_libuv(&arguments);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.lines().any(|line| line == absence), "{out}");
    let record = Record::read(&json).unwrap();
    let held: Vec<_> = record.conformance.iter().map(|it| it.subject.name.as_str()).collect();
    assert!(held.starts_with(&["calloop-ref", "calloop-0.14"]) && !held.contains(&"libuv"));
    assert_eq!(record.missing.iter().filter(|it| it.what == "libuv").count(), 1);

    let (code, out, err) = without_libuv(&["--list", "CAP-110"]);
    assert_eq!((code, out.lines().count()), (Some(0), 1), "{out}");
    assert!(err.lines().any(|line| line == absence), "{err}");

    // Who asks for it by its name gets no other loop instead.
    let (code, out, err) = without_libuv(&["CAP-110", "--loop", "calloop-ref", "--loop", "libuv"]);
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(err.contains(absence), "{err}");
    let (code, out, _) = without_libuv(&["CAP-110", "--loop", "calloop-ref"]);
    assert!(code == Some(0) && !out.contains("not here"), "{out}");
}
