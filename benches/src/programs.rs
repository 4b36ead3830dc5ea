//! Two programs side by side: the same benchmarks before and after a change.
//!
//! What cannot be linked into one program takes turns as processes, each started anew, so that
//! where the system puts a program in memory is drawn as often as its time is taken. The base takes
//! part twice: how it compares with itself is the noise of the comparison.

use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use reports::record::Ratio;

use crate::burden::Burden;
use crate::engine::Bench;
use crate::meters::child;
use crate::meters::{Program, failure};
use crate::outcome::Faulty;
use crate::paired::{Patience, ratio};
use crate::tally::Fault;
use crate::timing;
use crate::workload::Run;

/// The first argument of a process that takes the time of a benchmark.
pub(crate) const FLAG: &str = "--benches-least";

/// How the processes take turns.
#[derive(Copy, Clone, Debug)]
pub struct Settings {
    /// How many blocks there are at least. In each, both programs and the control have two turns.
    pub blocks: usize,
    /// How long a sample shall take.
    pub sample: Duration,
    /// How many samples a process takes; the least counts.
    pub samples: u32,
    /// When to stop.
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            blocks: 15,
            sample: Duration::from_micros(500),
            samples: 10,
            patience: Patience { noise: 0.025, at_most: Duration::from_secs(20) },
        }
    }
}

/// How many times the time of `base` the program `head` takes for a benchmark that both have.
///
/// # Errors
///
/// If a program does not have it, or does not do what it should.
pub fn compare(
    bench: &Bench,
    base: &Program,
    head: &Program,
    settings: &Settings,
) -> Result<Ratio, Faulty> {
    let start = Instant::now();
    let contenders = [base, head, base];
    let mut minima = contenders.map(|_| Vec::new());
    for number in 0.. {
        for (minima, least) in minima.iter_mut().zip(block(bench, contenders, number, settings)?) {
            minima.push(least);
        }
        if number + 1 < settings.blocks {
            continue;
        }
        let [base, head, control] = &minima;
        let ratio = ratio(head, base, control);
        let Patience { noise, at_most } = settings.patience;
        if ratio.noise <= noise || start.elapsed() >= at_most {
            return Ok(ratio);
        }
    }
    unreachable!("the numbers do not end")
}

/// The least time of each in a block: they take turns, there and back. `number` says who is first.
fn block(
    bench: &Bench,
    contenders: [&Program; 3],
    number: usize,
    settings: &Settings,
) -> Result<[f64; 3], Faulty> {
    let mut least = [f64::INFINITY; 3];
    let order = [0, 1, 2].map(|place| (place + number) % contenders.len());
    for &at in order.iter().chain(order.iter().rev()) {
        least[at] = least[at].min(Job::of(bench, contenders[at], settings).run(contenders[at])?);
    }
    Ok(least)
}

/// What such a process is to do: its other arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// The workload with its size.
    workload: String,
    engine: String,
    sample: Duration,
    samples: u32,
    /// The time it is given; then the kernel kills it.
    limit: Duration,
    burden: Burden,
}

impl Job {
    fn of(bench: &Bench, program: &Program, settings: &Settings) -> Self {
        Job {
            workload: bench.spec.id(),
            engine: bench.engine.name.clone(),
            sample: settings.sample,
            samples: settings.samples,
            limit: program.limit,
            burden: program.burden,
        }
    }

    /// Starts the process; the least nanoseconds a unit.
    fn run(&self, program: &Program) -> Result<f64, Faulty> {
        let mut command = Command::new(&program.path);
        command.args(self.arguments());
        child::detached(&mut command);
        let what = format!("{} on {} by {}", self.workload, self.engine, program.path.display());
        child::run(command)
            .map_err(|trouble| Faulty { bench: what, fault: Fault::Failed(failure(trouble)) })
    }

    fn arguments(&self) -> [OsString; 7] {
        [
            FLAG.into(),
            self.workload.clone().into(),
            self.engine.clone().into(),
            self.sample.as_nanos().to_string().into(),
            self.samples.to_string().into(),
            self.limit.as_secs().to_string().into(),
            self.burden.to_string().into(),
        ]
    }

    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut next = || arguments.next()?.into_string().ok();
        Some(Job {
            workload: next()?,
            engine: next()?,
            sample: Duration::from_nanos(next()?.parse().ok()?),
            samples: next()?.parse().ok()?,
            limit: Duration::from_secs(next()?.parse().ok()?),
            burden: next()?.parse().ok()?,
        })
    }

    /// Does it: the process is this one.
    pub(crate) fn perform(&self, benches: &[Bench]) -> Result<(), String> {
        let bench = child::find(benches, &self.workload, &self.engine)?;
        child::begin(self.limit).map_err(|error| error.to_string())?;
        let least = self.least(bench).map_err(|fault| fault.to_string())?;
        child::say(least).map_err(|error| error.to_string())
    }

    fn least(&self, bench: &Bench) -> Result<f64, Fault> {
        let mut run: Run = bench.prepare()?;
        let mut operations = timing::operations_for(self.sample, &mut run)?;
        if let Burden::Work { .. } = self.burden {
            operations = operations.next_multiple_of(Burden::HUNDRED);
        }
        let mut least = Duration::MAX;
        for _ in 0..self.samples {
            let elapsed = match self.burden {
                Burden::None => timing::sample(&mut run, operations)?,
                burden => {
                    let start = Instant::now();
                    burden.repeat(&mut run, operations)?;
                    start.elapsed()
                }
            };
            least = least.min(elapsed);
        }
        Ok(least.as_nanos() as f64 / (operations * bench.spec.units) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reads_as_it_was_written() {
        let job = Job {
            workload: "ready/ready=10".to_string(),
            engine: "epoll".to_string(),
            sample: Duration::from_micros(500),
            samples: 8,
            limit: Duration::from_secs(60),
            burden: Burden::SystemCall,
        };
        let arguments = job.arguments().into_iter().skip(1);
        assert_eq!(Job::parse(arguments), Some(job));
    }
}
