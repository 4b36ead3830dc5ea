//! A turn: a process that takes samples of one benchmark.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::Settings;
use crate::burden::Burden;
use crate::engine::Bench;
use crate::meters::child;
use crate::meters::{Program, Trouble};
use crate::tally::Fault;
use crate::timing;
use crate::workload::Run;

/// The first argument of such a process.
pub(crate) const FLAG: &str = "--benches-samples";

/// What such a process is to do: its other arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The workload with its size.
    workload: String,
    engine: String,
    sample: Duration,
    samples: u32,
    /// The time it is given; then the kernel kills it.
    limit: Duration,
    burden: Burden,
}

impl Turn {
    pub(crate) fn of(bench: &Bench, program: &Program, settings: &Settings) -> Self {
        Turn {
            workload: bench.spec.id(),
            engine: bench.engine.name.clone(),
            sample: settings.sample,
            samples: settings.samples,
            limit: program.limit,
            burden: program.burden,
        }
    }

    /// Starts the process: nanoseconds a unit, of each sample.
    pub(super) fn take(&self, program: &Path) -> Result<Vec<f64>, Trouble> {
        let mut command = Command::new(program);
        command.args(self.arguments());
        child::detached(&mut command);
        let Samples(samples) = child::run(command)?;
        Ok(samples)
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
        Some(Turn {
            workload: next()?,
            engine: next()?,
            sample: Duration::from_nanos(next()?.parse().ok()?),
            samples: next()?.parse().ok()?,
            limit: Duration::from_secs(next()?.parse().ok()?),
            burden: next()?.parse().ok()?,
        })
    }

    pub(crate) fn engine(&self) -> &str {
        &self.engine
    }

    /// Does it: the process is this one.
    pub(crate) fn perform(&self, benches: &[Bench]) -> Result<(), String> {
        let bench = child::find(benches, &self.workload, &self.engine)?;
        child::begin(self.limit).map_err(|error| error.to_string())?;
        let samples = self.samples_of(bench).map_err(|fault| fault.to_string())?;
        child::say(samples).map_err(|error| error.to_string())
    }

    fn samples_of(&self, bench: &Bench) -> Result<Samples, Fault> {
        let mut run: Run = bench.prepare()?;
        let mut operations = timing::operations_for(self.sample, &mut run)?;
        if let Burden::Work { .. } = self.burden {
            operations = operations.next_multiple_of(Burden::HUNDRED);
        }
        let units = (operations * bench.spec.units) as f64;
        let samples = (0..self.samples).map(|_| {
            let elapsed = match self.burden {
                Burden::None => timing::sample(&mut run, operations)?,
                burden => {
                    let start = Instant::now();
                    burden.repeat(&mut run, operations)?;
                    start.elapsed()
                }
            };
            Ok(elapsed.as_nanos() as f64 / units)
        });
        samples.collect::<Result<_, _>>().map(Samples)
    }
}

/// What the process says at its end.
#[derive(Clone, Debug, PartialEq)]
struct Samples(Vec<f64>);

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|sample| write!(f, "{sample} "))
    }
}

impl FromStr for Samples {
    type Err = std::num::ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_reads_as_it_was_written() {
        let turn = Turn {
            workload: "ready/ready=10".to_string(),
            engine: "epoll".to_string(),
            sample: Duration::from_micros(500),
            samples: 8,
            limit: Duration::from_secs(60),
            burden: Burden::SystemCall,
        };
        let arguments = turn.arguments().into_iter().skip(1);
        assert_eq!(Turn::parse(arguments), Some(turn));
    }

    #[test]
    fn samples_read_as_they_were_said() {
        let samples = Samples(vec![0.25, 1e-3, 12_345.678_9]);
        assert_eq!(samples.to_string().parse(), Ok(samples));
        assert_eq!("".parse(), Ok(Samples(Vec::new())));
        assert!("1.0 some".parse::<Samples>().is_err());
    }
}
