//! The machine that a record is made on.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::SystemTime;

use crate::record::{Machine, Record, SCHEMA};

impl Record {
    /// A record of a run that begins here and now, by this version of the suite.
    pub fn begin(suite: &str) -> Self {
        Record {
            schema: SCHEMA,
            suite: suite.to_string(),
            started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            machine: Machine::here(),
            ..Record::default()
        }
    }
}

impl Machine {
    /// This machine; what it does not tell is empty.
    pub fn here() -> Self {
        let uname = rustix::system::uname();
        let [system, release] =
            [uname.sysname(), uname.release()].map(|text| text.to_string_lossy());
        Machine {
            system: format!("{system} {release}"),
            processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_string()),
            processors: thread::available_parallelism().map_or(1, usize::from),
            rustc: env!("RUSTC_VERSION").to_string(),
            load: load(),
            stolen: None,
            governor: line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            libc: said_by("getconf", "GNU_LIBC_VERSION"),
            valgrind: said_by("valgrind", "--version"),
        }
    }
}

/// The processors' time, to see how much of it the host gives to others. Virtual machines on a busy
/// host are late for reasons of their own.
#[derive(Debug)]
pub struct ProcessorTime {
    stolen: u64,
    all: u64,
}

impl ProcessorTime {
    /// What it is now, where Linux tells it (proc(5)).
    pub fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Of all processors: user, nice, system, idle, iowait, irq, softirq, steal. What guests have is
    /// in the first two.
    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        let ticks = ticks.ok()?;
        Some(ProcessorTime { stolen: *ticks.get(7)?, all: ticks.iter().take(8).sum() })
    }

    /// The part that was stolen between another reading and this one.
    pub fn stolen_since(&self, earlier: &Self) -> f64 {
        let stolen = self.stolen.saturating_sub(earlier.stolen);
        let all = self.all.saturating_sub(earlier.all);
        if all == 0 { 0.0 } else { stolen as f64 / all as f64 }
    }
}

fn line_of(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_string())
}

fn said_by(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The processor's own name, where Linux tells it.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

/// The load average over a minute, where Linux tells it.
fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_when_and_where_it_began() {
        let record = Record::begin("0.1.0");
        assert_eq!(record.started.len(), "2026-01-31T12:00:00Z".len(), "{}", record.started);
        let machine = record.machine;
        assert!(machine.rustc.starts_with("rustc 1."), "{}", machine.rustc);
        assert!(machine.processors > 0 && !machine.processor.is_empty(), "{machine:?}");
        assert!(machine.system.contains(' '), "{}", machine.system);
        assert_eq!(machine.load.is_some(), cfg!(target_os = "linux"));
    }

    #[test]
    fn stolen_time_is_a_part_of_all() {
        let stat = "cpu  10 0 20 60 0 0 0 10 5 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        let before = ProcessorTime::read(stat).unwrap();
        assert_eq!((before.stolen, before.all), (10, 100));
        let after = ProcessorTime::read("cpu  20 0 30 110 0 0 0 40 9 0\n").unwrap();
        assert_eq!(after.stolen_since(&before), 0.3);
        assert_eq!(before.stolen_since(&before), 0.0);
        assert!(ProcessorTime::read("intr 1 2 3").is_none());
        assert_eq!(ProcessorTime::now().is_some(), cfg!(target_os = "linux"));
    }
}
