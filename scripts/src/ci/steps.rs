//! The steps, in the order in which they run: what fails soon comes first.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use conformance::Suite;
use conformance::runner::built_in;

use super::{Lack, Plan, Step, downstream};
use crate::FEATURES;
use crate::metadata::Metadata;

/// The systems with kqueue, and Android: what cannot be run here is at least type-checked.
const TARGETS: [&str; 6] = [
    "aarch64-linux-android",
    "x86_64-apple-darwin",
    "x86_64-unknown-dragonfly",
    "x86_64-unknown-freebsd",
    "x86_64-unknown-netbsd",
    "x86_64-unknown-openbsd",
];

pub(super) const STEPS: &[Step] = &[
    Step { name: "fmt", what: "formatting", plan: fmt },
    Step { name: "test", what: "the tests, as in the README", plan: test },
    Step { name: "clippy", what: "lints, as errors", plan: clippy },
    Step { name: "doc", what: "documentation, warnings as errors", plan: doc },
    Step { name: "features", what: "every combination of features, and the shim", plan: features },
    Step {
        name: "loop",
        what: "calloop-ref with all features, and its examples",
        plan: loop_tests,
    },
    Step { name: "fallbacks", what: "the same on the lesser system calls", plan: fallbacks },
    Step { name: "loom", what: "the wake protocol in every interleaving", plan: loom },
    Step { name: "sanitize", what: "the same under AddressSanitizer", plan: sanitize },
    Step { name: "targets", what: "type-checks for the other systems", plan: targets },
    Step { name: "msrv", what: "the oldest compiler that is promised", plan: msrv },
    Step { name: "api", what: "the public interface against calloop's", plan: api },
    Step { name: "downstream", what: "tests of packages that use calloop", plan: downstream },
    Step { name: "adoption", what: "a loop of somebody else, by the rules", plan: adoption },
    Step { name: "budgets", what: "what calloop-ref takes, against its budgets", plan: budgets },
    Step { name: "conformance", what: "the rules, for an optimized loop", plan: conformance },
    Step { name: "memcheck", what: "some rules for loops in C, under valgrind", plan: memcheck },
];

/// `cargo` with these arguments, separated by spaces.
pub(super) fn cargo(arguments: &str) -> Command {
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

/// `cargo` of another toolchain, if it is installed.
fn cargo_of(toolchain: &str) -> Option<Command> {
    let which = Command::new("rustup").args(["which", "--toolchain", toolchain, "cargo"]).output();
    which.ok().filter(|which| which.status.success())?;
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "cargo"]);
    Some(command)
}

fn fmt() -> Result<Plan> {
    Ok(Plan::Run(vec![cargo("fmt --all --check")]))
}

fn test() -> Result<Plan> {
    Ok(Plan::Run(vec![cargo("test --workspace")]))
}

fn clippy() -> Result<Plan> {
    Ok(Plan::Run(vec![cargo("clippy --workspace --all-targets --all-features -- -D warnings")]))
}

fn doc() -> Result<Plan> {
    let commands =
        ["doc --workspace --no-deps --all-features", "doc --package calloop-ref --no-deps"];
    let strict = |arguments| {
        let mut command = cargo(arguments);
        command.env("RUSTDOCFLAGS", "-D warnings");
        command
    };
    Ok(Plan::Run(commands.map(strict).into()))
}

fn features() -> Result<Plan> {
    let combinations = 0..1u32 << FEATURES.len();
    let each = combinations.map(|combination| {
        let chosen = FEATURES.iter().enumerate().filter(|(bit, _)| combination >> bit & 1 == 1);
        let chosen: Vec<_> = chosen.map(|(_, feature)| *feature).collect();
        let mut command = cargo("clippy --quiet --package calloop-ref --features");
        command.arg(chosen.join(",")).args(["--", "-D", "warnings"]);
        command
    });
    let mut shim = cargo("check --quiet --all-features --manifest-path");
    shim.arg("calloop-ref/shim/calloop/Cargo.toml").env("CARGO_TARGET_DIR", "target/shim");
    Ok(Plan::Run(each.chain([shim]).collect()))
}

const LOOP_TESTS: &str = "test --package calloop-ref --all-features --lib --tests";

fn loop_tests() -> Result<Plan> {
    let plain = cargo("test --package calloop-ref --test it");
    Ok(Plan::Run(vec![cargo("test --package calloop-ref --all-features"), plain]))
}

fn fallbacks() -> Result<Plan> {
    let flags = "--cfg calloop_ref_no_epoll_pwait2 --cfg calloop_ref_force_pipe";
    let rules = "test --package conformance --no-default-features --test calloop_ref";
    let commands = [LOOP_TESTS, rules];
    Ok(Plan::Run(commands.map(|command| cargo_with_flags(flags, "fallbacks", command)).into()))
}

fn loom() -> Result<Plan> {
    let arguments = "test --release --package calloop-ref --lib wake";
    Ok(Plan::Run(vec![cargo_with_flags("--cfg loom", "loom", arguments)]))
}

fn sanitize() -> Result<Plan> {
    let Some(mut tests) = cargo_of("nightly") else {
        return Ok(Plan::Lacks(Lack {
            tools: "a nightly compiler".to_owned(),
            mend: "`rustup toolchain install nightly` brings that".to_owned(),
            is_installed_by_ci: false,
        }));
    };
    tests
        .args(LOOP_TESTS.split_whitespace())
        // With a target named, build scripts and macros are not instrumented.
        .args(["--target", &host()?])
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("CARGO_TARGET_DIR", "target/sanitize");
    Ok(Plan::Run(vec![tests]))
}

/// The system this runs on, as rustc calls it.
fn host() -> Result<String> {
    let version = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it runs on")?.to_owned())
}

/// The standard library is compiled from its source, because it is not here for these systems.
fn targets() -> Result<Plan> {
    let Some((cargo, rustc)) = compiler_with_source() else {
        return Ok(Plan::Lacks(Lack {
            tools: "a compiler with the source of the standard library".to_owned(),
            mend:
                "`apt-get install rustc-web cargo-web rust-web-src` (Debian) or `rustup component \
                   add rust-src` brings that"
                    .to_owned(),
            is_installed_by_ci: true,
        }));
    };
    let mut check = Command::new(&cargo);
    check
        .args(["check", "--quiet", "--package", "calloop-ref", "--all-features"])
        // Without its features std needs no reader of debug information, for backtraces.
        .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="])
        .env("RUSTC", &rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-D warnings")
        .env("CARGO_TARGET_DIR", "target/targets");
    // At once, because much of a standard library is one crate, for one processor.
    for target in TARGETS {
        check.args(["--target", target]);
    }
    Ok(Plan::Run(vec![check]))
}

/// The first cargo and rustc that have the source of the standard library with them.
fn compiler_with_source() -> Option<(PathBuf, PathBuf)> {
    let candidates = [(env!("CARGO"), "rustc"), ("/usr/bin/cargo", "/usr/bin/rustc")];
    candidates.into_iter().map(|(cargo, rustc)| (cargo.into(), rustc.into())).find(has_source)
}

fn has_source((cargo, rustc): &(PathBuf, PathBuf)) -> bool {
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output();
    let Ok(sysroot) = sysroot else { return false };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    cargo.exists() && sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").exists()
}

/// With that compiler, if it is here; without it, what can be told: the lint that knows since when
/// the standard library has what, and what the dependencies ask for.
fn msrv() -> Result<Plan> {
    check_dependencies()?;
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    let lints = "-D warnings -D clippy::incompatible-msrv";
    let mut commands =
        vec![cargo(&format!("clippy --package calloop-ref --all-features -- {lints}"))];
    match cargo_of(oldest) {
        Some(mut check) => {
            check
                .args(["check", "--package", "calloop-ref", "--all-features"])
                .env("CARGO_TARGET_DIR", "target/msrv");
            commands.push(check);
        }
        None => println!(
            "  Rust {oldest} is missing, so that its syntax is not checked; \
             `rustup toolchain install {oldest}` brings it"
        ),
    }
    Ok(Plan::Run(commands))
}

/// Fails if a package of the lock file asks for a newer compiler than the workspace promises.
fn check_dependencies() -> Result<()> {
    let oldest = version(env!("CARGO_PKG_RUST_VERSION"))?;
    let metadata = Metadata::of_this_workspace()?;
    ensure!(metadata.packages.len() > 50, "cargo metadata lists the dependencies");
    for package in metadata.packages {
        let Some(asked) = &package.rust_version else { continue };
        ensure!(
            version(asked)? <= oldest,
            "{} {} asks for Rust {asked}, newer than what is promised",
            package.name,
            package.version
        );
    }
    Ok(())
}

/// The first two numbers of a version.
fn version(text: &str) -> Result<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), None) => Ok((major, 0)),
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => anyhow::bail!("{text} is no version"),
    }
}

fn api() -> Result<Plan> {
    suite("api")
}

fn downstream() -> Result<Plan> {
    let missing = downstream::missing();
    if missing.is_empty() {
        return Ok(Plan::Run(vec![downstream::prepare()?]));
    }
    Ok(Plan::Lacks(Lack {
        tools: missing.join(", "),
        mend: format!("`apt-get install {}` brings that", missing.join(" ")),
        is_installed_by_ci: true,
    }))
}

/// The example is no member of the workspace: it sees what another crate would see.
fn adoption() -> Result<Plan> {
    let of = "--manifest-path conformance/examples/poll-loop/Cargo.toml";
    let built = "--target-dir target";
    Ok(Plan::Run(vec![
        cargo(&format!("fmt {of} --check")),
        cargo(&format!("clippy {of} {built} --all-targets -- -D warnings")),
        cargo(&format!("test {of} {built}")),
    ]))
}

/// What the machine lacks for a meter is named there.
fn budgets() -> Result<Plan> {
    suite("budgets")
}

/// The tests hold every built-in loop to them.
fn conformance() -> Result<Plan> {
    suite("conformance --loop calloop-ref")
}

/// The loops in C that are here, each process of a rule under valgrind: the adapters hold memory that
/// the loops give back. The rules are about what is dropped and when.
fn memcheck() -> Result<Plan> {
    const IN_C: [&str; 6] = ["libuv", "glib", "libevent", "libev", "sd-event", "libwayland"];
    const RULES: [&str; 4] = ["LOOP-109", "REG-22", "SIG-110", "IDLE-06"];
    let suites = built_in::field();
    let here = suites.iter().filter(|suite| suite.absence().is_none()).map(Suite::name);
    let loops: Vec<&str> = here.filter(|name| IN_C.contains(name)).collect();
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if loops.is_empty() || !has_valgrind {
        return Ok(Plan::Lacks(Lack {
            tools: "valgrind, and a loop in C".to_owned(),
            mend: "`apt-get install valgrind libuv1` brings them".to_owned(),
            is_installed_by_ci: true,
        }));
    }
    let mut command = Command::new("valgrind");
    command.args(["-q", "--error-exitcode=99", "--trace-children=yes"]);
    command.arg(std::env::current_exe().context("where is this program?")?);
    command.args(["conformance", "--exact", "--time-scale", "20"]).args(RULES);
    command.args(loops.iter().flat_map(|name| ["--loop", name]));
    Ok(Plan::Run(vec![command]))
}

/// This program itself.
fn suite(arguments: &str) -> Result<Plan> {
    let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
    command.args(arguments.split_whitespace());
    Ok(Plan::Run(vec![command]))
}
