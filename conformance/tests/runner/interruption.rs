//! A run that is ended in the middle.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::{TempDir, tempdir};

use crate::misbehaving::PIDS;
use crate::program::{command, is_alive, pids, wait_until};

/// Starts a run of rules of which one hangs, and waits until it does.
fn start(rules: &[&str]) -> (TempDir, Child, i32) {
    start_by(rules, |program| program)
}

/// The same by another program.
fn start_by(rules: &[&str], by: impl FnOnce(Command) -> Command) -> (TempDir, Child, i32) {
    let directory = tempdir().unwrap();
    let json = directory.path().join("record.json");
    let mut program = by(command("one", &[rules, &["--json", json.to_str().unwrap()]].concat()));
    program.env(PIDS, directory.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = program.spawn().unwrap();
    wait_until("the hang of a rule", || !pids(directory.path(), "hung").is_empty());
    let hung = pids(directory.path(), "hung")[0];
    assert!(is_alive(hung));
    (directory, child, hung)
}

fn send(signal: Signal, child: &Child) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

pub(crate) fn a_signal_leaves_no_process() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (directory, child, hung) = start(&["GOOD-06", "BAD-01"]);
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("interrupted; nothing was written"), "{error}");
        assert!(!directory.path().join("record.json").exists());
        // It was reaped before the runner ended.
        assert!(!is_alive(hung));
        let left = pids(directory.path(), "left");
        wait_until("the end of what a rule left", || !left.iter().any(|pid| is_alive(*pid)));
    }
}

pub(crate) fn a_killed_runner_leaves_no_process() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let (_directory, mut child, hung) = start(&["BAD-01"]);
    send(Signal::SIGKILL, &child);
    child.wait().unwrap();
    wait_until("the end of the rule", || !is_alive(hung));
}

/// As nohup(1) and shells in the background have it.
pub(crate) fn what_is_ignored_stays_so() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let ignoring = |program: Command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' INT; exec \"$0\" \"$@\""]);
        shell.arg(program.get_program()).args(program.get_args());
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
    };
    let (_directory, child, _) = start_by(&["BAD-01"], ignoring);
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    assert_ne!(ignored & 1 << (Signal::SIGINT as i32 - 1), 0);
    send(Signal::SIGTERM, &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}
