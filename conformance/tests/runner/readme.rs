//! What the README says.

use tempfile::tempdir;

use crate::program::{command, end};

const README: &str = include_str!("../../README.md");

pub(crate) fn commands_work() {
    let directory = tempdir().unwrap();
    std::fs::create_dir(directory.path().join("tests")).unwrap();
    let mut count = 0;
    for line in README.lines().filter_map(|line| line.trim().strip_prefix("$ cargo test ")) {
        let (test, arguments) = line.split_once(" -- ").unwrap_or((line, ""));
        let (program, more) = match test {
            // What is about many rules is only listed, to stay quick.
            "-p conformance --test calloop_ref" if arguments.contains("TIMER-06") => {
                ("calloop-ref", None)
            }
            "-p conformance --test calloop_ref" => ("calloop-ref", Some("--list")),
            "-p conformance --test calloop_0_14" => ("calloop-0.14", Some("--list")),
            "-p conformance --test calloop_0_13" => ("calloop-0.13", Some("--list")),
            "-p conformance --test field" => ("built-in", Some("--list")),
            // The step `adoption` of CI runs it as it stands there.
            "--test conformance" if arguments.is_empty() => continue,
            "--test conformance" => ("one", Some("GOOD-01")),
            _ => panic!("nothing is known of `cargo test {line}`"),
        };
        let arguments = arguments.split_whitespace().map(|argument| argument.trim_matches('\''));
        let arguments: Vec<&str> = arguments.chain(more).collect();
        let ended = end(command(program, &arguments).current_dir(directory.path()));
        assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
        count += 1;
    }
    assert!(count >= 10, "the commands are found");
}

pub(crate) fn the_explanation_is_real() {
    let start = README.find("---- HOOK-05").unwrap();
    let shown = &README[start..start + README[start..].find("```").unwrap()];
    let directory = tempdir().unwrap();
    let nothing = directory.path().join("nothing.toml");
    std::fs::write(&nothing, "").unwrap();
    let arguments = ["--exact", "HOOK-05", "--expectations", nothing.to_str().unwrap()];
    let real = end(&mut command("calloop-0.14", &arguments)).out;
    // All but the times, and the name of the program, which is this one here.
    let is_stable = |line: &&str| !line.contains(" ms ") && !line.contains("repeat");
    for line in shown.lines().filter(is_stable) {
        assert!(real.contains(line), "the README has `{line}`, but this is printed:\n{real}");
    }
}
