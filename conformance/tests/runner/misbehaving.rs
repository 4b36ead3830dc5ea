//! Rules without a loop that misbehave in each way that a loop can.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use conformance::adapter::Capability;
use conformance::ensure;
use conformance::rule::{Case, Check, Deviation, Level, Rule, Trial};
use nix::sys::signal::{SigSet, Signal, raise};

/// Where rules leave the ids of processes, for the tests to look after.
pub(crate) const PIDS: &str = "CONFORMANCE_TEST_PIDS";

macro_rules! rule {
    ($id:literal $(, $field:ident: $value:expr)*) => {
        &Rule {
            $($field: $value,)*
            ..Rule {
                id: $id,
                level: Level::Must,
                sentence: "A test MUST behave.",
                why: "Others run after it.",
                source: "common sense",
                check: "what it does",
                needs: &[],
                alone: false,
            }
        }
    };
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::plain(rule!("GOOD-01"), |_| Ok(())),
        Case::plain(rule!("GOOD-02", alone: true, level: Level::Should), |_| Ok(())),
        Case::plain(rule!("GOOD-03", needs: &[Capability::Idle, Capability::Ping]), |_| Ok(())),
        Case::plain(rule!("GOOD-04"), starts_clean),
        Case::plain(rule!("GOOD-05"), prints_megabytes),
        Case::plain(rule!("GOOD-06"), leaves_a_process),
        Case::plain(rule!("GOOD-07"), leaves_a_daemon),
        Case::plain(rule!("BAD-01"), hangs),
        Case::plain(rule!("BAD-02"), |_| std::process::abort()),
        Case::plain(rule!("BAD-03"), |_| {
            ensure!(overflow(1) == 0, "an overflow", "none");
            Ok(())
        }),
        Case::plain(rule!("BAD-04"), |_| die_by(Signal::SIGUSR1)),
        Case::plain(rule!("BAD-05"), |_| die_by(Signal::SIGKILL)),
        Case::plain(rule!("BAD-06"), |_| panic!("with a message")),
        Case::plain(rule!("BAD-07"), |_| std::process::exit(0)),
        Case::plain(rule!("BAD-08"), |_| std::process::exit(7)),
        Case::plain(rule!("BAD-09"), fails),
        Case::plain(rule!("BAD-10"), |_| die_by(Signal::SIGSTOP)),
        Case::plain(rule!("ODD-01", level: Level::May), fails_with_an_odd_seed),
    ]
}

/// The rules of a loop that behaves where the other does not.
pub(crate) fn behaving() -> Vec<Case> {
    vec![
        Case::plain(rule!("GOOD-01"), |_| Ok(())),
        Case::plain(rule!("BAD-09"), |_| Ok(())),
        Case::plain(rule!("OWN-01"), |_| Ok(())),
    ]
}

fn hangs(t: &Trial) -> Check {
    t.trace.mark("hanging");
    leave("hung", std::process::id());
    loop {
        thread::sleep(Duration::from_secs(60));
    }
}

#[allow(unconditional_recursion, reason = "it is to overflow the stack")]
fn overflow(depth: u64) -> u64 {
    std::hint::black_box(overflow(std::hint::black_box(depth + 1)) + depth)
}

fn die_by(signal: Signal) -> Check {
    raise(signal).map_err(|error| Deviation::new("a signal", error))
}

fn fails(t: &Trial) -> Check {
    t.trace.note("before");
    t.trace.mark("the event");
    writeln!(std::io::stderr(), "printed by the rule").map_err(Deviation::from)?;
    Err(Deviation::new("a good end", "a bad one"))
}

fn fails_with_an_odd_seed(t: &Trial) -> Check {
    ensure!(t.settings.seed % 2 == 0, "an even seed", "{}", t.settings.seed);
    Ok(())
}

fn prints_megabytes(_: &Trial) -> Check {
    let line = [b'x'; 1023];
    for _ in 0..4096 {
        std::io::stdout().write_all(&line)?;
        std::io::stdout().write_all(b"\n")?;
    }
    Ok(())
}

/// Leaves a process that holds the output open.
fn leaves_a_process(_: &Trial) -> Check {
    let child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn()?;
    leave("left", child.id());
    Ok(())
}

/// The same, with a process that left the group. It is for the test to kill.
fn leaves_a_daemon(_: &Trial) -> Check {
    if cfg!(target_os = "linux") {
        let child = Command::new("setsid").args(["sleep", "1000"]).stdin(Stdio::null()).spawn()?;
        leave("daemon", child.id());
        // It has left once it is another program.
        let name = format!("/proc/{}/comm", child.id());
        while std::fs::read_to_string(&name)?.trim() != "sleep" {
            thread::yield_now();
        }
    }
    Ok(())
}

/// Checks that nothing of the runner, nor of whoever started that, is left: signals or descriptors.
fn starts_clean(t: &Trial) -> Check {
    let mask = SigSet::thread_get_mask().map_err(|error| Deviation::new("a mask", error))?;
    let blocked: Vec<Signal> = mask.iter().collect();
    ensure!(blocked.is_empty(), "no signal to be blocked", "blocked: {blocked:?}");
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/dev/fd")? {
        open.push(entry?.path());
    }
    t.trace.note(format_args!("open: {open:?}"));
    // The standard ones, the report, and the directory that is read.
    ensure!(open.len() <= 5, "no descriptor to be inherited", "open: {open:?}");
    if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = u64::from_str_radix(ignored.unwrap_or_default().trim(), 16);
        let ignored = ignored.map_err(|error| Deviation::new("a mask", error))?;
        // Rust's runtime itself ignores SIGPIPE, and the C library its own signals 32 and 33.
        let by_libraries = 1 << (Signal::SIGPIPE as i32 - 1) | 0b11 << (32 - 1);
        ensure!(ignored & !by_libraries == 0, "no signal to be ignored", "ignored: {ignored:x}");
    }
    Ok(())
}

/// Tells the tests of a process.
pub(crate) fn leave(name: &str, pid: u32) {
    if let Some(directory) = std::env::var_os(PIDS) {
        let path = PathBuf::from(directory).join(format!("{name}-{pid}"));
        std::fs::write(path, "").expect("the directory of the test is there");
    }
}
