//! Results as JUnit's XML, for the test tab of a CI service.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use reports::record::{Conformance, Outcome, Record, RuleResult, Verdict};

use super::explain::explain;
use super::progress::in_words;

/// A test suite for each loop, a test case for each rule. A skip and a known deviation are skipped
/// tests there, because neither is a pass.
pub(super) fn xml(record: &Record) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("conformance");
    report.add_test_suites(record.conformance.iter().map(suite));
    report.to_string()
}

fn suite(conformance: &Conformance) -> TestSuite {
    let name = &conformance.subject.name;
    let mut suite = TestSuite::new(name.as_str());
    suite.add_property(("version", conformance.subject.version.as_str()));
    suite.add_test_cases(conformance.results.iter().map(|result| {
        let mut case = TestCase::new(result.id.as_str(), status(result));
        case.set_classname(name.as_str());
        case.set_time(Duration::from_millis(result.elapsed_ms));
        case
    }));
    suite
}

fn status(result: &RuleResult) -> TestCaseStatus {
    let mut status = match (result.verdict(), &result.outcome) {
        (Verdict::Pass, _) => return TestCaseStatus::success(),
        (Verdict::Skipped | Verdict::KnownDeviation, _) => TestCaseStatus::skipped(),
        (_, Outcome::Timeout { .. } | Outcome::Crash { .. }) => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    status.set_message(in_words(result));
    if result.verdict() != Verdict::Skipped {
        status.set_description(explain(result));
    }
    status
}
