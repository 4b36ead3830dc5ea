//! `suite model` as a program: what it answers, and with which exit code.

use std::process::{Command, Output};

fn model(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suite"));
    command.arg("model").args(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_run_without_a_deviation_says_where_to_go_on() {
    let outcome = model(&["--loop", "calloop-ref", "--programs", "30", "--seed", "7"]);
    let out = text(&outcome.stdout);
    assert_eq!(outcome.status.code(), Some(0), "{out}{}", text(&outcome.stderr));
    assert!(out.contains("calloop-ref: 30 programs in "), "{out}");
    assert!(out.contains("to go on: cargo suite model --loop calloop-ref --seed 37"), "{out}");
}

#[test]
fn a_deviation_is_shown_with_what_repeats_it() {
    let outcome = model(&["--loop", "calloop-0.14", "--programs", "1000"]);
    let out = text(&outcome.stdout);
    assert_eq!(outcome.status.code(), Some(1), "{out}{}", text(&outcome.stderr));
    for expected in ["a program deviates, after ", "expected: ", "actual: ", "fn main() {"] {
        assert!(out.contains(expected), "{expected} is not in:\n{out}");
    }
    let repeat = "to repeat: cargo suite model ";
    let repeat = out.lines().find_map(|line| line.strip_prefix(repeat)).expect("how to repeat it");
    let again = model(&repeat.split(' ').collect::<Vec<_>>());
    assert_eq!(again.status.code(), Some(1), "{repeat}: {}", text(&again.stdout));
}

#[test]
fn a_loop_that_does_not_exist_is_wrong_usage() {
    let outcome = model(&["--loop", "nothing"]);
    assert_eq!(outcome.status.code(), Some(2));
    assert!(text(&outcome.stderr).contains("no loop is called nothing"));
}
