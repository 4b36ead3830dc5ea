//! What is kept of a run: the schema of the JSON records.
//!
//! A record is versioned by [`SCHEMA`]. Within a version fields are only added, with a default, so
//! that an old record still reads; anything else is a new version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kill_table::KillTable;

/// The version of the schema that this crate writes.
pub const SCHEMA: u32 = 1;

/// A run of the suite, or a part of one.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Record {
    /// The version of the schema, [`SCHEMA`] in a new record.
    pub schema: u32,
    /// The version of the suite that wrote it.
    pub suite: String,
    /// When the run began, as RFC 3339 in UTC.
    pub started: String,
    /// Which part of a run it is, if that was split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// What it ran on.
    pub machine: Machine,
    /// The conformance of each loop.
    #[serde(default)]
    pub conformance: Vec<Conformance>,
    /// What was measured.
    #[serde(default)]
    pub measurements: Vec<Measurement>,
    /// How long events took to come, one by one.
    #[serde(default)]
    pub latencies: Vec<Latency>,
    /// Which rules catch which faulty loops, where that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_table: Option<KillTable>,
    /// What could not be measured or run here, and what it takes.
    #[serde(default)]
    pub missing: Vec<Missing>,
}

/// One of the parts of a run that was split: the rules of each loop are dealt to them in turn.
#[derive(Copy, Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Shard {
    /// Which, from 1 on.
    pub part: usize,
    /// Of how many.
    pub parts: usize,
}

/// The machine and its tools.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Machine {
    /// The operating system and its kernel's version.
    pub system: String,
    /// The processor's own name.
    pub processor: String,
    /// How many processors the run could use.
    pub processors: usize,
    /// The compiler that built the suite.
    pub rustc: String,
    /// The load average over a minute when the run began.
    #[serde(default)]
    pub load: Option<f64>,
    /// The part of the processors' time that the host gave to others while the run measured.
    #[serde(default)]
    pub stolen: Option<f64>,
    /// How the processors' frequency is governed.
    #[serde(default)]
    pub governor: Option<String>,
    /// The C library.
    #[serde(default)]
    pub libc: Option<String>,
    /// What counts instructions.
    #[serde(default)]
    pub valgrind: Option<String>,
}

/// A loop or another thing under test.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
pub struct Subject {
    /// Its name, as `calloop-ref`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How one loop kept the rules.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Conformance {
    /// The loop.
    pub subject: Subject,
    /// The capabilities it declares, by name.
    pub capabilities: Vec<String>,
    /// What came of each rule, in the order of the specification.
    pub results: Vec<RuleResult>,
}

/// What came of one rule.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct RuleResult {
    /// The rule.
    pub id: String,
    /// MUST, SHOULD or MAY.
    pub level: String,
    /// What it says.
    pub sentence: String,
    /// Why a user of the loop needs it.
    #[serde(default)]
    pub why: String,
    /// What to look at first when a loop fails it.
    #[serde(default)]
    pub check: String,
    /// What the test answered.
    pub outcome: Outcome,
    /// What was expected to come of it, where that is not a pass.
    #[serde(default)]
    pub expected: Option<Expectation>,
    /// What it was measured against and what happened, where it did not pass.
    #[serde(default)]
    pub detail: Option<Detail>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// The command that repeats it.
    pub repeat: String,
}

/// What the test of a rule answered.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Outcome {
    /// The loop keeps the rule.
    Pass,
    /// It does not.
    Fail,
    /// The loop lacks what the rule is about.
    Skipped {
        /// The capabilities that it lacks.
        missing: Vec<String>,
    },
    /// The test did not end in its time.
    Timeout {
        /// The time it was given, in milliseconds.
        limit_ms: u64,
    },
    /// The test's process was killed by a signal.
    Crash {
        /// The signal's name.
        signal: String,
    },
}

/// What is known of a rule and a loop, from an expectation file.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Expectation {
    /// The outcome that is expected: `fail`, `timeout` or `crash`.
    pub outcome: String,
    /// Why, in a sentence.
    pub reason: String,
    /// Where that is explained.
    #[serde(default)]
    pub link: Option<String>,
}

/// How a rule was not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Detail {
    /// What the rule asks for.
    pub expected: String,
    /// What happened.
    pub actual: String,
    /// The trace of the test.
    #[serde(default)]
    pub trace: Vec<TraceEvent>,
    /// What the test printed.
    #[serde(default)]
    pub output: String,
}

/// An entry of a trace.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct TraceEvent {
    /// When, in microseconds from the start of the test.
    pub at_us: u64,
    /// What happened.
    pub what: String,
    /// Whether the rule is about it; else it only helps to read the trace.
    pub is_mark: bool,
}

/// The verdict on a rule: its outcome seen against what was expected.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Verdict {
    Pass,
    Fail,
    Skipped,
    Timeout,
    Crash,
    /// It failed as an expectation file says.
    KnownDeviation,
    /// It passed although an expectation file says otherwise.
    UnexpectedPass,
}

impl RuleResult {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        let expected = self.expected.as_ref().map(|expectation| expectation.outcome.as_str());
        match (&self.outcome, expected) {
            (Outcome::Skipped { .. }, _) => Verdict::Skipped,
            (Outcome::Pass, None) => Verdict::Pass,
            (Outcome::Pass, Some(_)) => Verdict::UnexpectedPass,
            (Outcome::Fail, Some("fail"))
            | (Outcome::Timeout { .. }, Some("timeout"))
            | (Outcome::Crash { .. }, Some("crash")) => Verdict::KnownDeviation,
            (Outcome::Fail, _) => Verdict::Fail,
            (Outcome::Timeout { .. }, _) => Verdict::Timeout,
            (Outcome::Crash { .. }, _) => Verdict::Crash,
        }
    }
}

impl Verdict {
    /// Whether a run with this verdict is as it should be.
    pub fn is_as_expected(self) -> bool {
        matches!(self, Verdict::Pass | Verdict::Skipped | Verdict::KnownDeviation)
    }
}

/// One workload on one engine with one meter.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Measurement {
    /// The workload, as `ping`.
    pub workload: String,
    /// Its size or sizes, as `ready=100`; empty if it has none.
    pub parameters: String,
    /// The engine: a loop, or a baseline.
    pub engine: Subject,
    /// Whether the engine is the floor that others are divided by.
    pub is_floor: bool,
    /// What was measured: `wall`, `instructions`, `system-calls` or `allocations`.
    pub meter: String,
    /// The unit of the samples, as `ns`.
    pub unit: String,
    /// What one sample is divided by, as `event`.
    pub per: String,
    /// The samples, each for one `per`, in the order they were taken; one where it is exact.
    pub samples: Vec<f64>,
    /// What an exact sample consists of, or what else the meter saw: each system call by name, or
    /// the bytes of allocations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// How it compares with the floor of its row, where both were measured in turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
}

/// A part of what was measured, or something beside it.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Part {
    /// What, as `epoll_wait`.
    pub name: String,
    /// How much of it, for one `per`.
    pub value: f64,
}

/// A ratio of two things that were measured in turns.
#[derive(Copy, Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Ratio {
    /// The ratio.
    pub value: f64,
    /// The lower end of its confidence interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The noise: how far from 1 the ratio of a thing to itself may be in the same run. An effect
    /// below this was not seen.
    pub noise: f64,
}

/// A workload with its size, as the command line has it: `ready/ready=100`, or `ping`.
pub fn workload_id(workload: &str, parameters: &str) -> String {
    match parameters {
        "" => workload.to_string(),
        parameters => format!("{workload}/{parameters}"),
    }
}

impl Measurement {
    /// The workload with its size.
    pub fn id(&self) -> String {
        workload_id(&self.workload, &self.parameters)
    }

    /// The median of the samples.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            length if length % 2 == 1 => Some(sorted[middle]),
            _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
        }
    }

    /// The least of the samples.
    pub fn minimum(&self) -> Option<f64> {
        self.samples.iter().copied().min_by(f64::total_cmp)
    }
}

/// How long each event of a workload took on one engine, as a histogram.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Latency {
    /// The workload, as `timer-lateness`.
    pub workload: String,
    /// Its size or sizes, as `delay=1ms`; empty if it has none.
    pub parameters: String,
    /// The engine: a loop, or a baseline.
    pub engine: Subject,
    /// Whether the engine is the floor that others are compared with.
    pub is_floor: bool,
    /// Events that were due and did not come in time to be counted.
    #[serde(default)]
    pub missed: u64,
    /// How many events took how long, by ascending time.
    pub buckets: Vec<Bucket>,
}

/// The events of a [`Latency`] that took about the same time.
#[derive(Copy, Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Bucket {
    /// The longest of them, in nanoseconds.
    pub ns: u64,
    /// How many they are.
    pub count: u64,
}

impl Latency {
    /// How many events were counted.
    pub fn samples(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.count).sum()
    }

    /// The time, in nanoseconds, within which this part of the events came, from 0 to 1.
    pub fn quantile(&self, part: f64) -> Option<u64> {
        let wanted = ((self.samples() as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        let reached = |bucket: &&Bucket| {
            seen += bucket.count;
            seen >= wanted
        };
        self.buckets.iter().find(reached).map(|bucket| bucket.ns)
    }
}

/// Something that was not run or measured.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Missing {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// What it takes.
    pub mend: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_the_sorted_samples() {
        let buckets = [(10, 50), (20, 40), (30, 9), (1000, 1)];
        let buckets = buckets.map(|(ns, count)| Bucket { ns, count }).to_vec();
        let samples: Vec<u64> = buckets
            .iter()
            .flat_map(|bucket| std::iter::repeat_n(bucket.ns, bucket.count as usize))
            .collect();
        let latency = Latency {
            workload: "wake".into(),
            parameters: String::new(),
            engine: Subject::default(),
            is_floor: false,
            missed: 0,
            buckets,
        };
        assert_eq!(latency.samples(), 100);
        for percent in 1..=100 {
            let expected = samples[percent - 1];
            assert_eq!(latency.quantile(percent as f64 / 100.0), Some(expected), "{percent} %");
        }
        assert_eq!(latency.quantile(0.0), Some(10));
        assert_eq!(Latency { buckets: Vec::new(), ..latency }.quantile(0.5), None);
    }
}
