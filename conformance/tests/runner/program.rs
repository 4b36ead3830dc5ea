//! The program under test, and how it is started.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use conformance::adapter::{Capabilities, Capability};
use conformance::runner::{self, Options, Suite, built_in};
use nix::sys::signal::SigSet;
use reports::record::{Conformance, Outcome, Record};

use crate::{broken, misbehaving};

/// Which program this one is to be; without it, it is the test.
const PROGRAM: &str = "CONFORMANCE_TEST_PROGRAM";

/// The program of several loops.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

/// The program under test, if this process is one.
pub(crate) fn main() -> Option<ExitCode> {
    let misbehaving = || {
        let capabilities = Capabilities::of(&[Capability::Ping]);
        Suite::new("misbehaving", "1.2.3", capabilities, misbehaving::cases())
    };
    Some(match std::env::var(PROGRAM).ok()?.as_str() {
        "one" => runner::main_of(misbehaving()),
        "blocked" => runner::serve(&[misbehaving()]).unwrap_or_else(|| {
            SigSet::all().thread_block().expect("a mask");
            runner::main_of(misbehaving())
        }),
        "calloop-ref" => runner::main_of(built_in::calloop_ref()),
        "calloop-0.14" => runner::main_of(built_in::calloop_0_14()),
        "calloop-0.13" => runner::main_of(built_in::calloop_0_13()),
        "two" => {
            let behaving = misbehaving::behaving();
            let behaving = Suite::new("behaving", "4.5.6", Capabilities::NONE, behaving);
            let suites = [misbehaving(), behaving];
            runner::serve(&suites).unwrap_or_else(|| {
                runner::execute(&suites, &Arguments::parse().options, "cargo suite conformance")
            })
        }
        "built-in" => runner::serve_built_in().unwrap_or_else(|| {
            let options = Arguments::parse().options;
            runner::execute(&built_in::all(), &options, "cargo suite conformance")
        }),
        "broken" => broken::main(),
        other => panic!("no program is called {other}"),
    })
}

/// A command that starts one of the programs.
pub(crate) fn command<A: AsRef<OsStr>>(program: &str, arguments: &[A]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(PROGRAM, program).args(arguments).stdin(Stdio::null());
    // Also if this is not started by cargo.
    command.env("CARGO_PKG_NAME", "conformance");
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command
}

/// What a program printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the program of one loop to its end.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: &[A]) -> Ended {
    end(&mut command("one", arguments))
}

/// Runs a command to its end.
pub(crate) fn end(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    Ended { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// The results in a JSON file.
pub(crate) fn results(path: &Path) -> Vec<Conformance> {
    let text = std::fs::read_to_string(path).expect("the file is there");
    serde_json::from_str::<Record>(&text).expect("it is a record").conformance
}

/// The ids and outcomes in a JSON file, of the first loop.
pub(crate) fn outcomes(path: &Path) -> Vec<(String, Outcome)> {
    let results = results(path).swap_remove(0).results.into_iter();
    results.map(|result| (result.id, result.outcome)).collect()
}

/// Waits for a condition, but not for ever.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes that rules told of, by the name they gave.
pub(crate) fn pids(directory: &Path, name: &str) -> Vec<i32> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let pid = |text: String| text.strip_prefix(name)?.strip_prefix('-')?.parse().ok();
    names.filter_map(|name| pid(name.ok()?)).collect()
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    let mut state = String::new();
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
    output.expect("ps").stdout.as_slice().read_to_string(&mut state).expect("text");
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}
