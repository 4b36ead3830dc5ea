//! The process that a meter looks at: this program started anew, to do one benchmark.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::str::FromStr;
use std::time::Duration;

use rustix::process::getppid;

use super::allocations::{Allocated, Reading};
use super::{Program, Trouble};
use crate::burden::Burden;
use crate::engine::Bench;
use crate::paired::{self, Turn};
use crate::raw;
use crate::tally::Fault;
use crate::workload::Part;

/// The first argument of such a process.
const FLAG: &str = "--benches-operations";

/// What such a process is to do: its other arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// The workload with its size.
    pub(super) workload: String,
    pub(super) engine: String,
    /// Operations before those that count.
    pub(super) warm_up: u64,
    /// Operations that count.
    pub(super) counted: u64,
    /// The time it is given; then the kernel kills it.
    pub(super) limit: Duration,
    /// What each operation does besides.
    pub(super) burden: Burden,
}

impl Job {
    pub(super) fn of(bench: &Bench, counted: u64, program: &Program) -> Self {
        let (workload, engine) = (bench.spec.id(), bench.engine.name.clone());
        let Program { limit, burden, .. } = *program;
        // More work comes by the hundred.
        let is_more = matches!(burden, Burden::Work { .. });
        let counted = if is_more { counted.max(Burden::HUNDRED) } else { counted };
        Job { workload, engine, warm_up: counted, counted, limit, burden }
    }

    /// The arguments that have [`serve`] do it.
    pub(super) fn arguments(&self) -> [OsString; 7] {
        [
            FLAG.into(),
            self.workload.clone().into(),
            self.engine.clone().into(),
            self.warm_up.to_string().into(),
            self.counted.to_string().into(),
            self.limit.as_secs().to_string().into(),
            self.burden.to_string().into(),
        ]
    }

    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut next = || arguments.next()?.into_string().ok();
        Some(Job {
            workload: next()?,
            engine: next()?,
            warm_up: next()?.parse().ok()?,
            counted: next()?.parse().ok()?,
            limit: Duration::from_secs(next()?.parse().ok()?),
            // Who starts it by hand may leave that out.
            burden: next().map_or(Some(Burden::None), |burden| burden.parse().ok())?,
        })
    }

    /// The process, which says on its standard output that it is ready, then waits for the end of
    /// its standard input. An interruption from the keyboard is not for it.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(self.arguments());
        detached(&mut command);
        command
    }
}

/// Has a command communicate with nobody but this process.
pub(crate) fn detached(command: &mut Command) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
}

/// Waits until the process says that it is ready.
pub(super) fn await_ready(child: &mut Child) -> Result<(), Trouble> {
    let mut line = [0; READY.len()];
    let stdout = child.stdout.as_mut().expect("it is piped");
    match stdout.read_exact(&mut line) {
        Ok(()) if line == *READY => Ok(()),
        _ => Err(Trouble::Failed(last_words(child)?)),
    }
}

/// What the process says as it fails.
pub(super) fn last_words(child: &mut Child) -> io::Result<String> {
    let mut text = String::new();
    child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut text)).transpose()?;
    Ok(match text.trim() {
        "" => "the program does not call `benches::serve`".to_string(),
        text => text.to_string(),
    })
}

/// Has the process do its work, and reads what it says at the end.
pub(crate) fn run<T: FromStr>(mut command: Command) -> Result<T, Trouble> {
    let mut child = command.spawn()?;
    await_ready(&mut child)?;
    drop(child.stdin.take());
    let output = child.wait_with_output()?;
    match (output.status.code(), output.status.signal()) {
        (Some(0), _) => {}
        (_, Some(signal)) => return Err(Trouble::Killed(signal)),
        _ => return Err(Trouble::Failed(String::from_utf8_lossy(&output.stderr).trim().into())),
    }
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| Trouble::Failed(format!("its process said: {said}")))
}

/// Does one of these benchmarks if this process was started for that, and says what to exit with.
///
/// The meters look at processes of their own, which are the program started anew. So a program that
/// has [`quick`](crate::quick()) or [`exact`](super::exact()) called has to call this first of all,
/// with every benchmark that it may want to measure.
pub fn serve(benches: &[Bench]) -> Option<ExitCode> {
    serve_engine(|_| benches.to_vec())
}

/// The same with the benchmarks of the engine that is asked for only: for a program with engines
/// that take long to list, because libraries have to be opened.
pub fn serve_engine(benches_of: impl FnOnce(&str) -> Vec<Bench>) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let flag = arguments.next()?;
    let outcome = if flag == FLAG {
        Job::parse(arguments).map(|job| perform(&benches_of(&job.engine), &job))
    } else if flag == paired::FLAG {
        Turn::parse(arguments).map(|turn| turn.perform(&benches_of(turn.engine())))
    } else {
        return None;
    };
    let outcome = outcome.unwrap_or_else(|| Err("its arguments are not understood".to_string()));
    match outcome {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(text) => {
            // Nobody else can be told.
            let _ = writeln!(io::stderr(), "{text}");
            Some(ExitCode::FAILURE)
        }
    }
}

fn perform(benches: &[Bench], job: &Job) -> Result<(), String> {
    let bench = find(benches, &job.workload, &job.engine)?;
    begin(job.limit).map_err(|error| error.to_string())?;
    let mut run = bench.prepare().map_err(|fault| fault.to_string())?;
    job.burden.repeat(&mut run, job.warm_up).map_err(|fault| fault.to_string())?;
    let mut allocated = Allocated::default();
    let mut measure = |part: Part<'_>| {
        let reading = Reading::begin();
        // Between two of these the meter of system calls counts.
        let _mark = getppid();
        let outcome = counted(part);
        let _mark = getppid();
        allocated.add(reading.end());
        outcome
    };
    let outcome = match job.burden {
        Burden::None => run.measure(job.counted, &mut measure),
        // It is borne besides the operations, whichever part of them counts.
        burden => measure(&mut || burden.repeat(&mut run, job.counted)),
    };
    outcome.map_err(|fault| fault.to_string())?;
    drop(run);
    say(allocated).map_err(|error| error.to_string())
}

/// Tells the meter what came of it.
pub(crate) fn say(result: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{result}")
}

/// The benchmark by its workload with the size, and its engine.
pub(crate) fn find<'b>(
    benches: &'b [Bench],
    workload: &str,
    engine: &str,
) -> Result<&'b Bench, String> {
    let is_meant = |bench: &&Bench| bench.spec.id() == workload && bench.engine.name == engine;
    let bench = benches.iter().find(is_meant);
    bench.ok_or_else(|| "the program does not have this benchmark".to_string())
}

/// Waits until the meter is attached.
pub(crate) fn begin(limit: Duration) -> io::Result<()> {
    // Dies with the meter.
    raw::die_with_parent()?;
    io::stdout().write_all(READY)?;
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    // An event that is lost would be waited for without end.
    nix::unistd::alarm::set(limit.as_secs().try_into().unwrap_or(u32::MAX));
    Ok(())
}

/// What the process says before it waits.
const READY: &[u8] = b"ready\n";

/// What counts. Meters find it by its name, which no other function of the program
/// may have.
#[inline(never)]
fn counted(part: Part<'_>) -> Result<(), Fault> {
    std::hint::black_box(part)()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reads_as_it_was_written() {
        let job = Job {
            workload: "ready/ready=10".to_string(),
            engine: "epoll".to_string(),
            warm_up: 3,
            counted: 6,
            limit: Duration::from_secs(60),
            burden: Burden::Work { percent: 5 },
        };
        let arguments = job.arguments().into_iter().skip(1);
        assert_eq!(Job::parse(arguments), Some(job));
    }
}
