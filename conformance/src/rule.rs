//! A rule: a sentence that a loop keeps or not, and the test that tells.

use std::fmt;
use std::time::Duration;

use crate::adapter::{Adapter, Capability, Failure};
use crate::fixture::Fixture;
use crate::trace::Trace;

/// How binding a rule is, in the words of RFC 2119.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "RFC 2119 says it")]
pub enum Level {
    Must,
    Should,
    May,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::May => "MAY",
        })
    }
}

/// What a rule says, and why.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name for ever: a group and a number that is never given to another rule.
    pub id: &'static str,
    /// How binding it is.
    pub level: Level,
    /// The rule itself, one sentence.
    pub sentence: &'static str,
    /// Why a user of the loop needs it.
    pub why: &'static str,
    /// What it rests on: a manual page, documentation, an issue, another suite.
    pub source: &'static str,
    /// What to look at first when a loop fails it.
    pub check: &'static str,
    /// What a loop has to have for the rule to mean something.
    pub needs: &'static [Capability],
    /// Whether the test has to have the machine to itself, because it compares times or loads it.
    pub alone: bool,
}

impl Rule {
    /// The group: the part of the id before the dash.
    pub fn group(&self) -> &'static str {
        self.id.split_once('-').map_or(self.id, |(group, _)| group)
    }

    /// Its number in the group; 0 if the id is not well-formed.
    pub fn number(&self) -> u32 {
        self.id.split_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
    }
}

/// How a rule was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// What the rule asks for.
    pub expected: String,
    /// What happened.
    pub actual: String,
}

impl Deviation {
    /// Joins both.
    pub fn new(expected: impl fmt::Display, actual: impl fmt::Display) -> Self {
        Deviation { expected: expected.to_string(), actual: actual.to_string() }
    }
}

impl From<Failure> for Deviation {
    fn from(failure: Failure) -> Self {
        Deviation::new("the operation to succeed", failure)
    }
}

impl From<std::io::Error> for Deviation {
    fn from(error: std::io::Error) -> Self {
        Deviation::new("the test's own system call to succeed", error)
    }
}

impl From<rustix::io::Errno> for Deviation {
    fn from(error: rustix::io::Errno) -> Self {
        std::io::Error::from(error).into()
    }
}

/// The answer of a test.
pub type Check = Result<(), Deviation>;

/// Fails the test unless the condition holds: `ensure!(condition, expected, actual)`, both parts in
/// words, the second formatted.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $expected:expr, $($actual:tt)+) => {
        if !$condition {
            return Err($crate::rule::Deviation::new($expected, format_args!($($actual)+)));
        }
    };
}

/// Fails the test unless both are equal: `ensure_eq!(actual, expected, what)`.
#[macro_export]
macro_rules! ensure_eq {
    ($actual:expr, $expected:expr, $($what:tt)+) => {
        match (&$actual, &$expected) {
            (actual, expected) => {
                if *actual != *expected {
                    let what = format!($($what)+);
                    return Err($crate::rule::Deviation::new(
                        format_args!("{what}: {expected:?}"),
                        format_args!("{what}: {actual:?}"),
                    ));
                }
            }
        }
    };
}

/// What a test may depend on besides the loop.
#[derive(Copy, Clone, Debug)]
pub struct Settings {
    /// Multiplies every time limit, for slow machines.
    pub time_scale: f64,
    /// Where a test draws at random, from what.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { time_scale: 1.0, seed: 0x0005_eed0_f7e5_7000 }
    }
}

/// One run of one test.
#[derive(Debug)]
pub struct Trial {
    /// What the test may depend on.
    pub settings: Settings,
    /// What happened.
    pub trace: Trace,
}

impl Trial {
    /// A trial that starts now.
    pub fn new(settings: Settings) -> Self {
        Trial { settings, trace: Trace::new() }
    }

    /// A limit for something that has to happen, scaled for slow machines.
    pub fn limit(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.settings.time_scale)
    }

    /// What a time that was measured is compared with: scaled up for slow machines, and never down,
    /// because no scale makes a loop quicker.
    pub fn tolerance(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.settings.time_scale.max(1.0))
    }
}

/// A rule together with its test, for one loop.
pub struct Case {
    /// What it says.
    pub rule: &'static Rule,
    /// Whether any loop can be held to it, and not only one of a certain interface.
    pub is_generic: bool,
    test: Box<dyn Fn(&Trial) -> Check>,
}

impl Case {
    /// A test that is generic over the adapter.
    pub fn new<A: Adapter>(rule: &'static Rule, test: fn(&mut Fixture<'_, A>) -> Check) -> Self {
        let test = move |trial: &Trial| test(&mut Fixture::new(trial)?);
        Case { rule, is_generic: true, test: Box::new(test) }
    }

    /// A test that is written for one loop's own interface.
    pub fn plain(rule: &'static Rule, test: fn(&Trial) -> Check) -> Self {
        Case { rule, is_generic: false, test: Box::new(test) }
    }

    /// The same test, with something done before it.
    pub(crate) fn after(self, before: fn()) -> Self {
        let test = move |trial: &Trial| {
            before();
            (self.test)(trial)
        };
        Case { test: Box::new(test), ..self }
    }

    /// Runs the test here and now. A panic is the caller's.
    pub fn run(&self, trial: &Trial) -> Check {
        (self.test)(trial)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("rule", &self.rule.id).finish_non_exhaustive()
    }
}
