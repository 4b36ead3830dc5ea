//! What cargo, cargo-nextest, CI services and terminals expect.

use tempfile::tempdir;

use crate::program::{command, end, run};

pub(crate) fn nextest_lists_and_runs_a_rule() {
    let ended = run(&["--list", "--format", "terse"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.out.lines().count(), 18);
    assert!(ended.out.starts_with("GOOD-01: test\nGOOD-02: test\n"));
    assert_eq!(run(&["--list", "--format", "terse", "--ignored"]).out, "GOOD-03: test\n");

    assert_eq!(run(&["--exact", "GOOD-01", "--nocapture"]).code, Some(0));
    let ended = run(&["--exact", "GOOD-03", "--nocapture"]);
    assert!(ended.out.contains("test GOOD-03 ... ignored, lacks idle"), "{}", ended.out);
    let ended = run(&["--exact", "GOOD-03", "--nocapture", "--ignored"]);
    assert!(ended.out.contains("test GOOD-03 ... ok"), "{}", ended.out);
    let ended = run(&["GOOD-0[12]", "--test-threads=1", "--quiet", "--show-output", "-Z", "x"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

pub(crate) fn a_name_of_nothing_is_no_mistake_for_cargo() {
    let ended = run(&["test_of_another_crate"]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("no rule was run"), "{}", ended.out);
    let ended = run(&["--list", "--format=terse", "--ignored", "--skip=GOOD"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""));
    // What only this program has can be mistaken.
    assert_eq!(run(&["--group=NONE"]).code, Some(2));
    assert_eq!(run(&["--group=GOOD", "--level=may"]).code, Some(2));
}

pub(crate) fn junit_knows_every_rule() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("junit.xml");
    let ended = run(&["GOOD-0[13]", "BAD-0[49]", "--junit", path.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    let xml = std::fs::read_to_string(path).unwrap();
    for text in [
        r#"<testsuites name="conformance" tests="4" skipped="1" failures="1" errors="1""#,
        r#"<testcase name="GOOD-01" classname="misbehaving""#,
        r#"<skipped message="ignored, lacks idle"/>"#,
        r#"<error message="CRASHED by SIGUSR1">"#,
        r#"<failure message="FAILED">"#,
    ] {
        assert!(xml.contains(text), "no `{text}` in:\n{xml}");
    }
}

pub(crate) fn colours_only_where_they_are_wanted() {
    let is_coloured = |arguments: &[&str], variable: Option<&str>| {
        let mut command = command("one", &[&["GOOD-01"], arguments].concat());
        command.envs(variable.map(|variable| (variable, "1")));
        end(&mut command).out.contains('\u{1b}')
    };
    assert!(!is_coloured(&[], None), "the output is no terminal");
    assert!(is_coloured(&["--color=always"], None));
    assert!(is_coloured(&[], Some("CLICOLOR_FORCE")));
    assert!(!is_coloured(&["--color=never"], Some("CLICOLOR_FORCE")));
}
