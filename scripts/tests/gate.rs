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
    let whole = fs::read(directory.path().join("base.json")).expect("it was written");
    fs::write(directory.path().join("truncated.json"), &whole[..whole.len() / 2]).expect("a file");
    let enormous = fs::File::create(directory.path().join("enormous.json")).expect("a file");
    // A hole, which takes no room.
    enormous.set_len(1 << 40).expect("a sparse file");
    for (name, expected) in
        [("truncated.json", "not a whole record"), ("enormous.json", "1048576 MiB")]
    {
        for arguments in [["base.json", name], [name, "base.json"]] {
            let outcome = gate(directory.path(), &arguments);
            let said = text(&outcome.stderr);
            assert_eq!(outcome.status.code(), Some(3), "{name}: {said}");
            assert!(said.contains(name) && said.contains(expected), "{said}");
        }
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

/// As if the disk were full after a few blocks.
#[test]
fn a_full_disk_leaves_what_was_there() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    write(directory.path(), "base.json", 1.0);
    fs::write(directory.path().join("page.html"), "old").expect("a file");
    let script = "trap '' XFSZ; ulimit -f 4; exec \"$0\" report base.json --html page.html";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_suite")]).current_dir(directory.path());
    let outcome = command.output().expect("there is a shell");
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(3), "{said}");
    assert!(said.contains("cannot write page.html"), "{said}");
    assert_eq!(fs::read_to_string(directory.path().join("page.html")).expect("it stays"), "old");
    let left = fs::read_dir(directory.path()).expect("it can be listed").count();
    assert_eq!(left, 2, "no temporary file is left");
}

#[test]
fn a_baseline_of_another_machine_says_nothing_of_instructions() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    write(directory.path(), "head.json", 2.0);
    let path = directory.path().join("head.json");
    let mut record = Record::read(&path).expect("it was written");
    record.measurements[0].meter = "instructions".into();
    record.machine.processor = "one".into();
    record.write(&path).expect("it can be written");
    record.machine.processor = "another".into();
    record.measurements[0].samples = vec![1.0];
    record.write(&directory.path().join("base.json")).expect("it can be written");
    let outcome = gate(directory.path(), &["base.json", "head.json"]);
    let out = text(&outcome.stdout);
    assert_eq!(outcome.status.code(), Some(0), "{out}");
    assert!(out.contains("another before and one now"), "{out}");
    assert!(out.contains("0 regressed, 1 inconclusive"), "{out}");
}
