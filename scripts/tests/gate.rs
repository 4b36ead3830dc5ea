//! `suite gate` as a program: what it answers to records, good and bad.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use reports::record::{Measurement, Record, SCHEMA, Subject};

fn write(directory: &Path, name: &str, calls: f64) {
    let measurement = Measurement {
        workload: "ping".into(),
        parameters: String::new(),
        engine: Subject { name: "swift".into(), version: "1".into() },
        is_floor: false,
        meter: "system-calls".into(),
        unit: "calls".into(),
        per: "event".into(),
        samples: vec![calls],
        ..Measurement::default()
    };
    let record = Record { schema: SCHEMA, measurements: vec![measurement], ..Record::default() };
    record.write(&directory.join(name)).expect("a scratch directory can be written to");
}

fn gate(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suite"));
    command.arg("gate").args(arguments).current_dir(directory);
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn one_system_call_more_fails_the_build() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    write(directory.path(), "base.json", 1.0);
    write(directory.path(), "head.json", 2.0);
    let clean = gate(directory.path(), &["base.json", "base.json"]);
    assert_eq!(clean.status.code(), Some(0), "{}", text(&clean.stderr));
    assert!(text(&clean.stdout).contains("0 regressed, 0 inconclusive, 0 improved, 1 ok"));
    let worse = gate(directory.path(), &["base.json", "head.json"]);
    assert_eq!(worse.status.code(), Some(1), "{}", text(&worse.stderr));
    let out = text(&worse.stdout);
    for expected in ["regressed", "ping on swift, system-calls", "+100.00 %", "1 regressed"] {
        assert!(out.contains(expected), "{expected} is not in:\n{out}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    write(directory.path(), "base.json", 1.0);
    for (name, contents) in
        [("empty.json", ""), ("broken.json", "{\"schema\": 1,"), ("newer.json", "{\"schema\": 99}")]
    {
        fs::write(directory.path().join(name), contents).expect("a file");
        let outcome = gate(directory.path(), &["base.json", name]);
        assert_eq!(outcome.status.code(), Some(3), "{name}");
        assert!(text(&outcome.stderr).contains(name), "{}", text(&outcome.stderr));
    }
    let missing = gate(directory.path(), &["missing.json", "base.json"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(text(&missing.stderr).contains("missing.json"), "{}", text(&missing.stderr));
    let usage = gate(directory.path(), &["base.json"]);
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn what_cannot_be_compared_is_named() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    write(directory.path(), "base.json", 1.0);
    let inside = env!("CARGO_MANIFEST_DIR").as_ref();
    let unknown = gate(inside, &["--base", "no-such-revision"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", text(&unknown.stderr));
    assert!(text(&unknown.stderr).contains("`no-such-revision`"), "{}", text(&unknown.stderr));
    for both in [
        ["base.json", "base.json", "--self-test"].as_slice(),
        &["base.json", "base.json", "--base", "main"],
        &["--head", "main"],
        &["base.json", "base.json", "--trials", "3"],
        &["base.json", "base.json", "--wall", "101"],
    ] {
        let usage = gate(directory.path(), both);
        assert_eq!(usage.status.code(), Some(2), "{both:?}: {}", text(&usage.stderr));
    }
    let arguments = ["base.json", "base.json", "--markdown", "base.json/summary.md"];
    let unwritable = gate(directory.path(), &arguments);
    assert_eq!(unwritable.status.code(), Some(3), "{}", text(&unwritable.stderr));
    assert!(text(&unwritable.stderr).contains("base.json/summary.md"));
}

#[test]
fn the_findings_are_written_as_markdown() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    write(directory.path(), "base.json", 1.0);
    write(directory.path(), "head.json", 2.0);
    gate(directory.path(), &["base.json", "head.json", "--markdown", "summary.md"]);
    let summary = fs::read_to_string(directory.path().join("summary.md")).expect("it is there");
    assert!(summary.contains("| **regressed** | ping on swift, system-calls |"), "{summary}");
}
