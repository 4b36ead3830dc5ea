//! Expectation files.

use std::path::{Path, PathBuf};

use tempfile::{TempDir, tempdir};

use crate::program::{Ended, run};

/// A file of this text, and the directory that it lives in.
fn file(text: &str) -> (TempDir, PathBuf) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("loop.toml");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

fn run_with(path: &Path, arguments: &[&str]) -> Ended {
    run(&[&["--expectations", path.to_str().unwrap()], arguments].concat())
}

const KNOWN: &str = r#"
[[deviation]]
rule = "BAD-09"
outcome = "fail"
reason = "it is made that way"
link = "https://example.org"

[[deviation]]
rule = "BAD-04"
outcome = "crash"
reason = "so is this"
when = { os = "plan9" }
"#;

pub(crate) fn known_deviations_are_expected() {
    let (_directory, path) = file(KNOWN);
    let ended = run_with(&path, &["GOOD-01", "BAD-09"]);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(ended.out.contains("test BAD-09 ... ok, known deviation: fail"));
    // What applies elsewhere does not apply here.
    assert_eq!(run_with(&path, &["BAD-04"]).code, Some(1));
    let (_directory, path) = file(&KNOWN.replace("plan9", std::env::consts::OS));
    assert_eq!(run_with(&path, &["BAD-04"]).code, Some(0));
    // The loop is of version 1.2.3.
    for (version, code) in [("=1.2.3", 0), ("1", 0), (">=1.2, <1.3", 0), ("<1.2.3", 1), ("2", 1)] {
        let when = format!("version = {version:?}");
        let (_directory, path) = file(&KNOWN.replace("os = \"plan9\"", &when));
        assert_eq!(run_with(&path, &["BAD-04"]).code, Some(code), "{version}");
    }
}

pub(crate) fn occasional_deviations_may_pass() {
    let occasional = KNOWN.replace("reason = \"it", "sometimes = true\nreason = \"it");
    let (_directory, path) = file(&occasional.replace("BAD-09", "GOOD-01"));
    let ended = run_with(&path, &["GOOD-01"]);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert_eq!(run_with(&path, &["--update-expectations", "GOOD-01"]).code, Some(0));
    assert!(std::fs::read_to_string(&path).unwrap().contains("GOOD-01"), "it is kept");
    let (_directory, path) = file(&occasional);
    assert!(run_with(&path, &["BAD-09"]).out.contains("known deviation: fail"));
}

pub(crate) fn surprises_fail() {
    let cases = [
        ("GOOD-01", "fail", "of course", "loop.toml:3: GOOD-01: it passes now"),
        ("BAD-09", "crash", "of course", "loop.toml:3: BAD-09: `crash` is expected, but"),
        ("GOOD-03", "fail", "of course", "loop.toml:3: GOOD-03: it is skipped: the entry is stale"),
        ("BAD-09", "fail", "unexplained", "loop.toml:3: BAD-09: the reason is still `unexplained`"),
    ];
    for (rule, outcome, reason, complaint) in cases {
        let text = format!("rule = {rule:?}\noutcome = {outcome:?}\nreason = {reason:?}\n");
        let (_directory, path) = file(&format!("# a comment\n[[deviation]]\n{text}"));
        let ended = run_with(&path, &[rule]);
        assert_eq!(ended.code, Some(1), "{}", ended.out);
        assert!(ended.out.contains(complaint), "no `{complaint}` in:\n{}", ended.out);
    }
}

pub(crate) fn wrong_files_are_refused() {
    let entry = |rule: &str, rest: &str| format!("[[deviation]]\nrule = {rule:?}\n{rest}\n");
    let good = "outcome = \"fail\"\nreason = \"it is\"";
    let cases = [
        ("[[deviation]\n".to_string(), "line 1"),
        ("\n\ndeviation = 3\n".to_string(), "line 3"),
        (entry("NONE-01", good), "loop.toml:2: NONE-01: there is no such rule"),
        (entry("BAD-09", good).repeat(2), "loop.toml:6: BAD-09: line 2 is about the same rule"),
        (entry("BAD-09", "outcome = \"fail\"\nreason = \" \""), "the reason is empty"),
        (entry("BAD-09", "outcome = \"fail\""), "reason"),
        (entry("BAD-09", "outcome = \"pass\"\nreason = \"x\""), "line 3"),
        (entry("BAD-09", &format!("{good}\nresaon = \"x\"")), "resaon"),
        (entry("BAD-09", &format!("{good}\nwhen = {{ so = \"x\" }}")), "line 5"),
        (entry("BAD-09", &format!("{good}\nwhen = {{ version = \"new\" }}")), "line 5"),
    ];
    for (text, message) in cases {
        let (_directory, path) = file(&text);
        let ended = run_with(&path, &["GOOD-01"]);
        assert_eq!(ended.code, Some(2), "{text}\n{ended:?}");
        assert!(ended.err.contains("loop.toml"), "{}", ended.err);
        assert!(ended.err.contains(message), "no `{message}` in:\n{}", ended.err);
    }
    let ended = run(&["GOOD-01", "--expectations", "/nowhere/loop.toml"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("/nowhere/loop.toml"), "{}", ended.err);
}

const BEFORE: &str = r#"# About the loop.

# Gone with its rule.
[[deviation]]
rule = "GONE-01"
outcome = "fail"
reason = "the rule was dropped"

# Passes by now.
[[deviation]]
rule = "GOOD-01"
outcome = "fail"
reason = "it was so"

# Stays.
[[deviation]]
rule = "BAD-09"
outcome = "crash"   # not any more
reason = "it is made that way"

[[deviation]]
rule = "BAD-02"
outcome = "crash"
reason = "not run"

[[deviation]]
rule = "BAD-04"
outcome = "crash"
reason = "elsewhere"
when = { os = "plan9" }
# The end.
"#;

const AFTER: &str = r#"# About the loop.

# Stays.
[[deviation]]
rule = "BAD-09"
outcome = "fail"   # not any more
reason = "it is made that way"

[[deviation]]
rule = "BAD-02"
outcome = "crash"
reason = "not run"

[[deviation]]
rule = "BAD-04"
outcome = "crash"
reason = "elsewhere"
when = { os = "plan9" }

[[deviation]]
rule = "BAD-04"
outcome = "crash"
reason = "unexplained"
when = { os = "OS", arch = "ARCH" }

[[deviation]]
rule = "BAD-06"
outcome = "fail"
reason = "unexplained"
# The end.
"#;

pub(crate) fn an_update_keeps_what_people_wrote() {
    let (_directory, path) = file(BEFORE);
    let arguments = ["GOOD-01", "BAD-04", "BAD-06", "BAD-09", "--update-expectations"];
    let ended = run_with(&path, &arguments);
    assert_eq!(ended.code, Some(1), "what is unexplained is not accepted: {}", ended.out);
    assert!(ended.out.contains("loop.toml: 2 added, 1 changed, 2 removed"), "{}", ended.out);
    let expected =
        AFTER.replace("OS", std::env::consts::OS).replace("ARCH", std::env::consts::ARCH);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected);

    let explained = text.replace("unexplained", "because");
    std::fs::write(&path, &explained).unwrap();
    assert_eq!(run_with(&path, &arguments).code, Some(0), "nothing is left to explain");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), explained, "nothing is left to change");

    // Other versions stay out of it.
    std::fs::write(&path, KNOWN.replace("os = \"plan9\"", "version = \"<1\"")).unwrap();
    run_with(&path, &["BAD-04", "--update-expectations"]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("when = { version = \"<1\" }"), "{text}");
    assert!(text.contains(", version = \"=1.2.3\" }"), "{text}");

    // A file that is not there yet.
    let new = path.with_file_name("new.toml");
    run_with(&new, &["BAD-09", "--update-expectations"]);
    let text = std::fs::read_to_string(&new).unwrap();
    assert!(text.contains("rule = \"BAD-09\"\noutcome = \"fail\"\nreason = \"unexplained\"\n"));
}
