//! The exact meters: what an operation does, counted, where the wall clock only tells how long it
//! took. Each looks at a process of its own that does one benchmark.

mod allocations;
mod calls;
pub(crate) mod child;
mod instructions;
#[cfg(target_os = "linux")]
mod system_calls;
#[cfg(not(target_os = "linux"))]
#[path = "no_system_calls.rs"]
mod system_calls;

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use conformance::adapter::Failure;
use nix::errno::Errno;
use reports::record::{Measurement, Missing, Part};

use self::allocations::Allocated;
pub use self::allocations::CountingAllocator;
use self::calls::{Calls, Counts};
use self::child::Job;
pub use self::child::{serve, serve_engine};
use crate::burden::Burden;
use crate::engine::Bench;
use crate::outcome::{Faulty, Obstacle, Outcome, Progress};
use crate::tally::Fault;
use crate::workload::Repeats;

/// What can be measured of an operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// How long it takes.
    Wall,
    /// How many instructions it takes, outside of the kernel.
    Instructions,
    /// How many system calls it makes, in all threads.
    SystemCalls,
    /// How often it allocates memory, in all threads.
    Allocations,
    /// How long each of many events takes to come, see [`latency`](crate::latency).
    Latency,
}

impl Meter {
    /// Every meter.
    pub const ALL: [Meter; 5] =
        [Meter::Wall, Meter::Latency, Meter::Instructions, Meter::SystemCalls, Meter::Allocations];

    /// Its name in records and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Meter::Wall => "wall",
            Meter::Instructions => "instructions",
            Meter::SystemCalls => "system-calls",
            Meter::Allocations => "allocations",
            Meter::Latency => "latency",
        }
    }

    /// Whether it is exact and tells the same of a benchmark in every run, or nearly.
    pub fn repeats(self, bench: &Bench) -> bool {
        let repeats = bench.spec.repeats;
        match self {
            Meter::Wall | Meter::Latency => false,
            Meter::Instructions => {
                matches!(repeats, Repeats::Wholly | Repeats::ButForTheClock)
            }
            Meter::SystemCalls => repeats != Repeats::Never,
            // They are counted in all threads, and of one-sided work only one does the same always.
            Meter::Allocations => repeats != Repeats::Never && !bench.spec.is_one_sided,
        }
    }

    /// What it takes to see the work of this engine, if anything.
    fn missing(self, bench: &Bench) -> Option<Missing> {
        let is_unseen = self == Meter::Allocations && bench.allocates_unseen;
        is_unseen.then(|| Missing {
            what: format!("{self} of {}", bench.engine.name),
            why: "a library in C allocates by malloc(3), which is not counted".to_string(),
            mend: "valgrind, which tells those of a whole process".to_string(),
        })
    }
}

impl FromStr for Meter {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let meter = Meter::ALL.into_iter().find(|meter| meter.name() == name);
        meter.ok_or_else(|| format!("there is no meter `{name}`"))
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The program that the meters start anew for each benchmark. It has to call [`serve`].
#[derive(Clone, Debug)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// How long one of its processes is given; then an event counts as lost.
    pub limit: Duration,
    /// What its operations do besides, to see whether a comparison finds it.
    pub burden: Burden,
}

impl Program {
    /// The program with this path.
    pub fn at(path: PathBuf) -> Self {
        Program { path, limit: Duration::from_secs(60), burden: Burden::None }
    }

    /// This program.
    ///
    /// # Errors
    ///
    /// If the operating system does not tell where it is.
    pub fn this() -> io::Result<Self> {
        Ok(Program::at(std::env::current_exe()?))
    }
}

/// Measures these benchmarks with one of the exact meters; for the [wall clock](Meter::Wall) there
/// is [`quick`](crate::quick()), for [latencies](Meter::Latency)
/// [`latency::measure`](crate::latency::measure).
///
/// `program` is one that calls [`serve`] with these benchmarks. `progress` is called before each benchmark and can end the run: what
/// was measured until then is the outcome.
///
/// An engine that loses, doubles or swaps events, or whose operation fails, is told of in the outcome.
pub fn exact(
    benches: &[Bench],
    meter: Meter,
    program: &Program,
    mut progress: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let benches: Vec<&Bench> = benches.iter().filter(|bench| meter.repeats(bench)).collect();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    for (number, group) in benches.chunks(processors).enumerate() {
        let what = group[0].to_string();
        let done = number * processors;
        let mut is_over =
            || progress(Progress { what: &what, done, total: benches.len() }).is_break();
        if is_over() {
            outcome.is_interrupted = true;
            break;
        }
        for (bench, measured) in group.iter().zip(together(group, meter, program)) {
            match measured {
                Ok(measurement) => outcome.measurements.push(measurement),
                Err(Obstacle::Missing(missing)) => outcome.miss(missing),
                Err(Obstacle::NotHere(missing)) => {
                    outcome.missing.push(missing);
                    return outcome;
                }
                // An interruption may have been for the process, too.
                Err(Obstacle::Fault(_)) if is_over() => {
                    outcome.is_interrupted = true;
                    return outcome;
                }
                Err(Obstacle::Fault(fault)) => {
                    outcome.faulty.push(Faulty { bench: bench.to_string(), fault });
                }
            }
        }
    }
    outcome
}

/// Measures these side by side: what is counted does not depend on how fast it is done.
fn together(
    benches: &[&Bench],
    meter: Meter,
    program: &Program,
) -> Vec<Result<Measurement, Obstacle>> {
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for &bench in benches {
            threads.push(scope.spawn(
                move || match bench.missing().or_else(|| meter.missing(bench)) {
                    Some(missing) => Err(Obstacle::Missing(missing)),
                    None => measure(bench, meter, program),
                },
            ));
        }
        let outcomes = threads.into_iter().map(|thread| match thread.join() {
            Ok(measured) => measured,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        outcomes.collect()
    })
}

fn measure(bench: &Bench, meter: Meter, program: &Program) -> Result<Measurement, Obstacle> {
    let blank = |unit: &str| Measurement {
        workload: bench.spec.name.to_string(),
        parameters: bench.spec.parameters.clone(),
        engine: bench.engine.clone(),
        is_floor: bench.is_floor(),
        meter: meter.name().to_string(),
        unit: unit.to_string(),
        per: "operation".to_string(),
        ..Measurement::default()
    };
    match meter {
        Meter::Wall | Meter::Latency => unreachable!("the clock is not exact"),
        Meter::Instructions => {
            let count = instructions(bench, program)?;
            Ok(Measurement { samples: vec![count], ..blank("instructions") })
        }
        Meter::SystemCalls => {
            let parts = system_calls(bench, program)?;
            let sum = parts.iter().fold(0.0, |sum, part| sum + part.value);
            Ok(Measurement { samples: vec![sum], parts, ..blank("calls") })
        }
        Meter::Allocations => {
            let (count, parts) = allocations(bench, program)?;
            Ok(Measurement { samples: vec![count], parts, ..blank("allocations") })
        }
    }
}

/// How many operations are enough: where one does a lot, few.
fn operations(bench: &Bench) -> u64 {
    match bench.spec.units {
        1000.. => 2,
        100.. => 4,
        _ => 16,
    }
}

/// The system calls of one operation, by name.
fn system_calls(bench: &Bench, program: &Program) -> Result<Vec<Part>, Obstacle> {
    let job = Job::of(bench, operations(bench), program);
    let counts = system_calls::count(job.command(&program.path));
    let calls = counted(bench, counts.map_err(|trouble| obstacle(bench, program, trouble))?);
    let part = |(name, count): (String, u64)| {
        let own = bench.spec.uncounted.iter().find(|(call, _)| *call == name);
        let own = own.map_or(0, |(_, times)| *times);
        // All of them are the workload's own if their number is not known.
        if own == u64::MAX || OF_THE_ALLOCATOR.contains(&name.as_str()) {
            return None;
        }
        let value = count as f64 / job.counted as f64 - own as f64;
        (value != 0.0).then_some(Part { name, value })
    };
    Ok(calls.into_iter().filter_map(part).collect())
}

/// By these the allocator gets and gives back memory: when, depends on where the kernel has put it.
const OF_THE_ALLOCATOR: [&str; 5] = ["brk", "madvise", "mmap", "mprotect", "munmap"];

/// Those calls that are counted for this benchmark.
fn counted(bench: &Bench, counts: Counts) -> Calls {
    let mut calls = counts.first_thread;
    if !bench.spec.is_one_sided {
        for (name, count) in counts.others {
            *calls.entry(name).or_default() += count;
        }
    }
    calls
}

/// The allocations of one operation, their bytes, and what is left in memory and open.
fn allocations(bench: &Bench, program: &Program) -> Result<(f64, Vec<Part>), Obstacle> {
    let job = Job::of(bench, operations(bench), program);
    let allocated = child::run(job.command(&program.path));
    let allocated: Allocated = allocated.map_err(|trouble| obstacle(bench, program, trouble))?;
    if !allocated.is_counted {
        return Err(Obstacle::NotHere(Missing {
            what: Meter::Allocations.to_string(),
            why: "the program has another allocator".to_string(),
            mend: "`benches::CountingAllocator` as its global allocator".to_string(),
        }));
    }
    let each = |number: u64| number as f64 / job.counted as f64;
    let part = |name: &str, value| Part { name: name.to_string(), value };
    let mut parts = vec![
        part("bytes", each(allocated.bytes)),
        // Of all operations: what one left behind is still there in the next.
        part("peak bytes", allocated.peak as f64),
    ];
    let left = [("kept bytes", allocated.kept), ("descriptors", allocated.descriptors)];
    let left = left.into_iter().filter(|(_, number)| *number != 0);
    parts.extend(left.map(|(name, number)| part(name, number as f64 / job.counted as f64)));
    Ok((each(allocated.count), parts))
}

/// The instructions of one operation.
fn instructions(bench: &Bench, program: &Program) -> Result<f64, Obstacle> {
    let limit = SLOWER * program.limit;
    let job = Job::of(bench, operations(bench), &Program { limit, ..program.clone() });
    let count = instructions::count(&program.path, &job);
    let count = count.map_err(|trouble| obstacle(bench, program, trouble))?;
    Ok(count as f64 / job.counted as f64)
}

/// How many times longer a process may take under valgrind.
const SLOWER: u32 = 5;

/// Why the process of a benchmark told nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The system does not let this process look at another.
    NotHere(Missing),
    /// There is no valgrind.
    NoValgrind,
    /// The process could not be started or watched.
    Io(io::Error),
    /// It failed, and said this.
    Failed(String),
    /// It was killed by a signal.
    Killed(i32),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Io(error)
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Trouble::Io(error.into())
    }
}

pub(crate) fn obstacle(bench: &Bench, program: &Program, trouble: Trouble) -> Obstacle {
    let failure = match trouble {
        Trouble::NotHere(missing) => return Obstacle::NotHere(missing),
        Trouble::NoValgrind => {
            return Obstacle::NotHere(Missing {
                what: Meter::Instructions.to_string(),
                why: "there is no valgrind".to_string(),
                mend: "`apt-get install valgrind`, or its like".to_string(),
            });
        }
        Trouble::Killed(libc::SIGALRM) => return Obstacle::Fault(Fault::Stuck(program.limit)),
        other => failure(other),
    };
    Obstacle::of(bench, Fault::Failed(failure))
}

/// What the process of a benchmark failed with.
fn failure(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Killed(signal) => Failure::Other(format!("signal {signal} killed its process")),
        Trouble::Io(error) => Failure::Io(error),
        Trouble::Failed(text) => Failure::Other(text),
        Trouble::NotHere(missing) => Failure::Other(missing.why),
        Trouble::NoValgrind => Failure::Other("there is no valgrind".to_string()),
    }
}
