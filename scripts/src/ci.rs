//! `suite ci`: every check of the project, as CI runs it.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;

/// The features of calloop-ref, to be tried in every combination.
const FEATURES: [&str; 5] = ["block_on", "executor", "futures-io", "signals", "stream"];

/// The systems with kqueue, and Android: what cannot be run here is at least type-checked.
const TARGETS: [&str; 6] = [
    "aarch64-linux-android",
    "x86_64-apple-darwin",
    "x86_64-unknown-dragonfly",
    "x86_64-unknown-freebsd",
    "x86_64-unknown-netbsd",
    "x86_64-unknown-openbsd",
];

/// What to run.
#[derive(Args, Debug)]
pub(crate) struct Ci {
    /// Run only these steps, in this order
    #[arg(value_name = "STEP", value_parser = step_names())]
    steps: Vec<String>,

    /// List the steps
    #[arg(long)]
    list: bool,
}

/// A check and the commands that make it.
struct Step {
    name: &'static str,
    what: &'static str,
    commands: fn() -> Result<Vec<Command>>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", what: "formatting", commands: fmt },
    Step { name: "test", what: "the tests, as in the README", commands: test },
    Step { name: "clippy", what: "lints, as errors", commands: clippy },
    Step { name: "doc", what: "documentation, warnings as errors", commands: doc },
    Step {
        name: "features",
        what: "calloop-ref in every combination of features",
        commands: features,
    },
    Step { name: "loop", what: "the tests of calloop-ref with all features", commands: loop_tests },
    Step { name: "fallbacks", what: "the same on the lesser system calls", commands: fallbacks },
    Step { name: "loom", what: "the wake protocol in every interleaving", commands: loom },
    Step {
        name: "sanitize",
        what: "calloop-ref's tests under AddressSanitizer",
        commands: sanitize,
    },
    Step { name: "targets", what: "type-checks for the other systems", commands: targets },
    Step { name: "api", what: "the public interface against calloop's", commands: api },
    Step { name: "conformance", what: "the rules, for every built-in loop", commands: conformance },
];

impl Ci {
    /// Runs the steps; the first that fails ends the run.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if self.list {
            STEPS.iter().for_each(|step| println!("{:12} {}", step.name, step.what));
            return Ok(ExitCode::SUCCESS);
        }
        let mut took = Vec::new();
        for step in self.selected() {
            println!("\n==> {}: {}", step.name, step.what);
            let start = Instant::now();
            for mut command in (step.commands)()? {
                println!("  > {}", shown(&command));
                let status = command.status().with_context(|| shown(&command))?;
                if !status.success() {
                    eprintln!("\n`{}` failed in the step {}", shown(&command), step.name);
                    return Ok(ExitCode::FAILURE);
                }
            }
            took.push((step.name, start.elapsed()));
        }
        println!("\nAll steps passed:");
        for (name, elapsed) in &took {
            println!("{name:12} {:4} s", elapsed.as_secs());
        }
        let total: Duration = took.iter().map(|(_, elapsed)| *elapsed).sum();
        println!("{:12} {:4} s", "in all", total.as_secs());
        Ok(ExitCode::SUCCESS)
    }

    fn selected(&self) -> Vec<&'static Step> {
        if self.steps.is_empty() {
            return STEPS.iter().collect();
        }
        let named = |name: &String| STEPS.iter().find(|step| step.name == name);
        self.steps.iter().filter_map(named).collect()
    }
}

/// Refuses the name of a step that does not exist.
fn step_names() -> PossibleValuesParser {
    PossibleValuesParser::new(STEPS.iter().map(|step| step.name))
}

/// `cargo` with these arguments, separated by spaces.
fn cargo(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments.split_whitespace());
    command
}

/// The same with other flags for the compiler, in a target directory of its own: flags make every
/// crate be compiled anew.
fn cargo_with_flags(flags: &str, directory: &str, arguments: &str) -> Command {
    let mut command = cargo(arguments);
    command.env("RUSTFLAGS", flags).env("CARGO_TARGET_DIR", format!("target/{directory}"));
    command
}

fn shown(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}='{}'", name.to_str()?, value?.to_str()?)));
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let words = variables.chain([program.to_string_lossy().into_owned()]).chain(arguments);
    words.collect::<Vec<_>>().join(" ")
}

fn fmt() -> Result<Vec<Command>> {
    Ok(vec![cargo("fmt --all --check")])
}

fn test() -> Result<Vec<Command>> {
    Ok(vec![cargo("test --workspace")])
}

fn clippy() -> Result<Vec<Command>> {
    Ok(vec![cargo("clippy --workspace --all-targets --all-features -- -D warnings")])
}

fn doc() -> Result<Vec<Command>> {
    let mut doc = cargo("doc --workspace --no-deps --all-features");
    doc.env("RUSTDOCFLAGS", "-D warnings");
    let mut plain = cargo("doc --package calloop-ref --no-deps");
    plain.env("RUSTDOCFLAGS", "-D warnings");
    Ok(vec![doc, plain])
}

fn features() -> Result<Vec<Command>> {
    let combinations = 0..1u32 << FEATURES.len();
    let commands = combinations.map(|combination| {
        let chosen = FEATURES.iter().enumerate().filter(|(bit, _)| combination >> bit & 1 == 1);
        let chosen: Vec<_> = chosen.map(|(_, feature)| *feature).collect();
        let mut command = cargo("clippy --quiet --package calloop-ref --features");
        command.arg(chosen.join(",")).args(["--", "-D", "warnings"]);
        command
    });
    Ok(commands.collect())
}

fn loop_tests() -> Result<Vec<Command>> {
    Ok(vec![cargo("test --package calloop-ref --all-features")])
}

fn fallbacks() -> Result<Vec<Command>> {
    let flags = "--cfg calloop_ref_no_epoll_pwait2 --cfg calloop_ref_force_pipe";
    let tests = "test --package calloop-ref --all-features --lib --tests";
    let rules = "test --package conformance --test calloop_ref";
    Ok([tests, rules].map(|arguments| cargo_with_flags(flags, "fallbacks", arguments)).into())
}

fn loom() -> Result<Vec<Command>> {
    let arguments = "test --release --package calloop-ref --lib wake";
    Ok(vec![cargo_with_flags("--cfg loom", "loom", arguments)])
}

/// Needs a nightly compiler; without one the step says so and checks nothing.
fn sanitize() -> Result<Vec<Command>> {
    let Some(nightly) = nightly_cargo() else {
        println!("  not run: `rustup toolchain install nightly` brings the compiler it needs");
        return Ok(Vec::new());
    };
    let mut tests = Command::new(nightly);
    tests
        .args("test --package calloop-ref --all-features --lib --tests".split_whitespace())
        // With a target named, build scripts and macros are not instrumented.
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("CARGO_TARGET_DIR", "target/sanitize");
    Ok(vec![tests])
}

fn nightly_cargo() -> Option<String> {
    let which = Command::new("rustup").args(["which", "--toolchain", "nightly", "cargo"]).output();
    let which = which.ok().filter(|which| which.status.success())?;
    Some(String::from_utf8(which.stdout).ok()?.trim().to_owned())
}

/// Needs a compiler that comes with the source of the standard library and builds that; Debian's
/// packages rustc-web, cargo-web and rust-web-src do.
fn targets() -> Result<Vec<Command>> {
    let (cargo, rustc) = ("/usr/bin/cargo", "/usr/bin/rustc");
    if ![cargo, rustc, "/usr/lib/rustlib/src"].iter().all(|path| Path::new(path).exists()) {
        println!(
            "  not run: `apt-get install rustc-web cargo-web rust-web-src` brings what it needs"
        );
        return Ok(Vec::new());
    }
    let check = |target: &&str| {
        let mut command = Command::new(cargo);
        command
            .args(["check", "--quiet", "--package", "calloop-ref", "--all-features"])
            .args(["-Zbuild-std=std,panic_abort", "--target", target])
            .env("RUSTC", rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "-D warnings")
            .env("CARGO_TARGET_DIR", "target/targets");
        command
    };
    Ok(TARGETS.iter().map(check).collect())
}

fn api() -> Result<Vec<Command>> {
    suite("api")
}

fn conformance() -> Result<Vec<Command>> {
    suite("conformance")
}

/// This program itself.
fn suite(arguments: &str) -> Result<Vec<Command>> {
    let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
    command.args(arguments.split_whitespace());
    Ok(vec![command])
}
