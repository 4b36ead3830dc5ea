//! The machine that a record is made on.

use std::fs;
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
        }
    }
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
}
