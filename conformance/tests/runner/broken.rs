//! Loops that hang or die, and the programs made at random that show it.

use std::cell::Cell;
use std::io::Write;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use conformance::adapter::{
    Adapter, Capabilities, Capability, Failure, Interest, Mode, Next, Readiness, TimerNext,
};
use conformance::adapters::CalloopRef as Sound;
use conformance::model::{Action, Program, Step, generate};
use conformance::runner::{self, Suite};
use tempfile::tempdir;

use crate::misbehaving::{PIDS, leave};
use crate::program::{Ended, command, end, is_alive, pids};

thread_local! {
    /// How many timers were inserted into the loop of this thread.
    static TIMERS: Cell<usize> = const { Cell::new(0) };
}

/// A loop of timers that comes to a bad end when it dispatches with two of them.
struct Broken<const HANGS: bool>(Sound);

impl<const HANGS: bool> Adapter for Broken<HANGS> {
    const NAME: &'static str = if HANGS { "hanging" } else { "aborting" };

    type Handle = <Sound as Adapter>::Handle;
    type Source = <Sound as Adapter>::Source;

    fn version() -> String {
        "1.0.0".into()
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[Capability::OneWaitADispatch, Capability::Timers])
    }

    fn new() -> Result<Self, Failure> {
        TIMERS.set(0);
        Sound::new().map(Broken)
    }

    fn handle(&self) -> Self::Handle {
        self.0.handle()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        if TIMERS.get() >= 2 {
            leave("broken", std::process::id());
            if !HANGS {
                std::process::abort();
            }
            loop {
                std::thread::sleep(Duration::from_secs(60));
            }
        }
        self.0.dispatch(timeout)
    }

    fn insert_fd<F>(
        handle: &Self::Handle,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        callback: F,
    ) -> Result<Self::Source, Failure>
    where
        F: FnMut(&Self::Handle, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        Sound::insert_fd(handle, fd, interest, mode, callback)
    }

    fn insert_timer<F>(
        handle: &Self::Handle,
        delay: Duration,
        callback: F,
    ) -> Result<Self::Source, Failure>
    where
        F: FnMut(&Self::Handle, Option<Instant>) -> TimerNext + 'static,
    {
        TIMERS.set(TIMERS.get() + 1);
        Sound::insert_timer(handle, delay, callback)
    }

    fn remove(handle: &Self::Handle, source: Self::Source) {
        Sound::remove(handle, source);
    }
}

/// The program of one of the loops: performs so many programs from a seed, and prints what is found.
pub(crate) fn main() -> ExitCode {
    let suites = [Suite::of::<Broken<true>>(), Suite::of::<Broken<false>>()];
    if let Some(code) = runner::serve(&suites) {
        return code;
    }
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, seed, count] = &arguments[..] else { panic!("{arguments:?}") };
    let suite = suites.iter().find(|suite| suite.name() == name).expect("a loop");
    let (seed, count) = (seed.parse().expect("a seed"), count.parse().expect("a number"));
    // What hangs is waited for a part of the usual time only.
    match runner::perform(suite, seed, count, 0.2) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(found)) => {
            let mut out = std::io::stdout().lock();
            writeln!(out, "seed {}\n{}", found.seed, found.text).expect("somebody reads");
            ExitCode::FAILURE
        }
        Err(error) => error.exit(),
    }
}

/// Performs programs; none of their processes may be left.
fn perform(name: &str, seed: u64, count: u64) -> Ended {
    let directory = tempdir().unwrap();
    let mut command = command("broken", &[name, &seed.to_string(), &count.to_string()]);
    let ended = end(command.env(PIDS, directory.path()));
    let broken = pids(directory.path(), "broken");
    assert!(!broken.is_empty(), "it comes to it: {ended:?}");
    assert!(!broken.iter().any(|pid| is_alive(*pid)), "a process is left: {ended:?}");
    ended
}

/// The loop is found out, with a small program. Returns the seed.
fn is_found(name: &str, seed: u64, count: u64, end: &str) -> u64 {
    let ended = perform(name, seed, count);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let (found, text) = ended.out.split_once('\n').expect("two lines");
    let found: u64 = found.strip_prefix("seed ").expect("a seed").parse().expect("a number");
    assert!((seed..seed + count).contains(&found), "{found}");
    for expected in
        ["a: timer", "b: timer", "expected: the program to come to an end", end, "fn main() {"]
    {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    assert!(!text.contains("c: timer"), "it is made small:\n{text}");
    let either = ["a; insert b", "b; insert a"];
    let is_told = |order| text.contains(&format!("then insert {order}; dispatch\n"));
    assert!(either.into_iter().any(is_told), "{text}");
    found
}

pub(crate) fn a_loop_that_dies_is_found() {
    let end = "actual:   signal 6 killed its process";
    let seed = is_found("aborting", 5, 40, end);
    assert_eq!(is_found("aborting", seed, 1, end), seed, "its seed shows it again");
}

pub(crate) fn a_loop_that_hangs_is_found() {
    // A small one, because each that is tried has to be waited for.
    let is_small = |seed: &u64| {
        let Program { sources, steps, .. } = generate(*seed, Broken::<true>::capabilities());
        let begins = [Step::Do(Action::Insert(0)), Step::Do(Action::Insert(1)), Step::Dispatch];
        sources.len() == 2 && steps.starts_with(&begins) && steps.len() < 8
    };
    let seed = (0..).find(is_small).expect("there are many");
    is_found("hanging", seed, 1, "actual:   it did not within");
}
