//! Expectation files: the known deviations of a loop, each with its reason.
//!
//! ```toml
//! [[deviation]]
//! rule = "TIMER-06"
//! outcome = "fail"            # or "timeout", or "crash"
//! reason = "the heap of timers has no second key"
//! link = "https://…"          # optional: where that is explained
//! when = { os = "linux" }     # optional: os and arch in Rust's words, the loop's version
//! sometimes = true            # optional: it may pass as well, as a race that is lost now and then
//! ```

mod update;

use std::path::{Path, PathBuf};

use reports::record::{Expectation, Outcome, RuleResult, Verdict};
use semver::{Version, VersionReq};
use serde::Deserialize;
use toml::Spanned;

use super::suite::ExpectationFile;
use super::{Error, Suite};

/// The reason that `--update-expectations` writes, and that explains nothing.
const UNEXPLAINED: &str = "unexplained";

/// What is known of how one loop deviates.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    path: PathBuf,
    text: String,
    /// Of the loop.
    version: String,
    deviations: Vec<Deviation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    deviation: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    rule: Spanned<String>,
    outcome: Kind,
    reason: String,
    link: Option<String>,
    #[serde(default)]
    when: When,
    #[serde(default)]
    sometimes: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Fail,
    Timeout,
    Crash,
}

/// Where an entry applies; everywhere, if it does not say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    os: Option<String>,
    arch: Option<String>,
    /// Of the loop, in the words of a dependency in Cargo.toml.
    version: Option<VersionReq>,
}

impl When {
    fn holds_here(&self, version: &Version) -> bool {
        let holds = |asked: &Option<String>, here| asked.as_deref().is_none_or(|it| it == here);
        holds(&self.os, std::env::consts::OS)
            && holds(&self.arch, std::env::consts::ARCH)
            && self.version.as_ref().is_none_or(|asked| asked.matches(version))
    }
}

/// The numbers that the version of a loop begins with: not every library counts as Cargo does.
fn numbers(version: &str) -> Version {
    let end = version.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(version.len());
    let mut numbers = version[..end].split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    Version::new(next(), next(), next())
}

/// One entry that applies here.
#[derive(Debug)]
struct Deviation {
    rule: String,
    line: usize,
    /// Whether a pass is as good.
    is_occasional: bool,
    expectation: Expectation,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Fail => "fail",
            Kind::Timeout => "timeout",
            Kind::Crash => "crash",
        }
    }

    /// What an outcome is called in an expectation file; none if it is no deviation.
    fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Pass | Outcome::Skipped { .. } => None,
            Outcome::Fail => Some(Kind::Fail),
            Outcome::Timeout { .. } => Some(Kind::Timeout),
            Outcome::Crash { .. } => Some(Kind::Crash),
        }
    }
}

impl Expectations {
    /// The expectations of a suite: those of the file if there is one, else its own.
    pub(super) fn load(suite: &Suite, file: Option<&Path>, is_update: bool) -> Result<Self, Error> {
        let mut own = suite.expectations.clone();
        if let Some(path) = file {
            own = Some(ExpectationFile { path: path.into(), text: read(path, is_update)? });
        } else if is_update {
            let Some(ExpectationFile { path, text }) = &mut own else {
                let name = suite.name;
                let text = format!("{name} has no expectation file: say --expectations FILE");
                return Err(Error::Usage(text));
            };
            *text = read(path, false)?;
        }
        let Some(ExpectationFile { path, text }) = own else { return Ok(Expectations::default()) };
        // An update removes what names no rule.
        let known = |id: &str| is_update || suite.has(id);
        Expectations::parse(path, text, &suite.version, known)
    }

    pub(super) fn parse(
        path: PathBuf,
        text: String,
        version: &str,
        known: impl Fn(&str) -> bool,
    ) -> Result<Self, Error> {
        let file: File = toml::from_str(&text)
            .map_err(|error| Error::Usage(format!("{}: {}", path.display(), error)))?;
        let mut deviations: Vec<Deviation> = Vec::new();
        for Entry { rule, outcome, reason, link, when, sometimes } in file.deviation {
            let line = line_at(&text, rule.span().start);
            let rule = rule.into_inner();
            let refuse = |what: &str| {
                Err(Error::Usage(format!("{}:{line}: {rule}: {what}", path.display())))
            };
            if !known(&rule) {
                return refuse("there is no such rule; remove the entry, or correct its name");
            }
            if reason.trim().is_empty() {
                return refuse("the reason is empty; say why the loop deviates");
            }
            if !when.holds_here(&numbers(version)) {
                continue;
            }
            if let Some(other) = deviations.iter().find(|other| other.rule == rule) {
                return refuse(&format!("line {} is about the same rule; keep one", other.line));
            }
            let outcome = outcome.name().to_string();
            deviations.push(Deviation {
                rule,
                line,
                is_occasional: sometimes,
                expectation: Expectation { outcome, reason, link },
            });
        }
        Ok(Expectations { path, text, version: version.to_string(), deviations })
    }

    fn of(&self, rule: &str) -> Option<&Deviation> {
        self.deviations.iter().find(|deviation| deviation.rule == rule)
    }

    /// The deviation that is known of a rule, in the words of the file.
    pub(super) fn outcome(&self, rule: &str) -> Option<&str> {
        self.of(rule).map(|deviation| deviation.expectation.outcome.as_str())
    }

    /// What is expected of a rule with this outcome. A deviation that nobody has explained yet is
    /// not expected; a pass is held against it all the same, unless it is known to be occasional.
    pub(super) fn expected(&self, rule: &str, outcome: &Outcome) -> Option<Expectation> {
        let Deviation { expectation, is_occasional, .. } = self.of(rule)?;
        if *is_occasional && *outcome == Outcome::Pass {
            return None;
        }
        let is_explained = expectation.reason.trim() != UNEXPLAINED;
        (is_explained || *outcome == Outcome::Pass).then(|| expectation.clone())
    }

    /// What is wrong with the file, seen from a result.
    pub(super) fn complaint(&self, result: &RuleResult) -> Option<String> {
        let deviation = self.of(&result.id)?;
        let Expectation { outcome, reason, .. } = &deviation.expectation;
        let what = match result.verdict() {
            Verdict::KnownDeviation | Verdict::Pass => return None,
            Verdict::UnexpectedPass => format!(
                "it passes now, but `{outcome}` is expected: remove the entry or use \
                 --update-expectations"
            ),
            Verdict::Skipped => "it is skipped: the entry is stale, remove it".to_string(),
            _ if reason.trim() == UNEXPLAINED => {
                format!("the reason is still `{UNEXPLAINED}`: say why the loop deviates")
            }
            _ => format!("`{outcome}` is expected, but something else came of it"),
        };
        Some(format!("{}:{}: {}: {what}", self.path.display(), deviation.line, result.id))
    }
}

fn read(path: &Path, may_be_missing: bool) -> Result<String, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if may_be_missing && error.kind() == std::io::ErrorKind::NotFound => {
            Ok(String::new())
        }
        Err(error) => Err(Error::Usage(format!("could not read {}: {error}", path.display()))),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_by_their_numbers() {
        for (version, numbers_of_it) in [
            ("0.14.5", (0, 14, 5)),
            ("2.1.12-stable", (2, 1, 12)),
            ("252", (252, 0, 0)),
            ("1.21 (wayland)", (1, 21, 0)),
            ("", (0, 0, 0)),
            ("unknown", (0, 0, 0)),
        ] {
            let (major, minor, patch) = numbers_of_it;
            assert_eq!(numbers(version), Version::new(major, minor, patch), "{version}");
        }
    }
}
