//! The results in the README are those of the committed record:
//! `UPDATE_DOCUMENTS=1 cargo test -p scripts --test readme` writes them anew.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use reports::markdown;
use reports::record::Record;

const RECORD: &str = "reports/results/record.json";

/// What is shown, in this order.
const WORKLOADS: [&str; 9] = [
    "empty",
    "ping",
    "ready/ready=1",
    "ready/ready=100",
    "channel/burst=1000",
    "idle",
    "fd-churn/live=1000",
    "timer-churn/live=1000",
    "timer-churn/live=20000",
];

const BEGIN: &str = "<!-- results: made by scripts/tests/readme.rs -->\n";
const END: &str = "<!-- end of results -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_results_in_the_readme_are_those_of_the_record() {
    let record = Record::read(&root().join(RECORD)).expect("the committed record reads");
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("there is a README");
    let (before, rest) = readme.split_once(BEGIN).expect("the README has a place for results");
    let (_, after) = rest.split_once(END).expect("the place has an end");
    let results = markdown::results(&record, &WORKLOADS);
    assert_eq!(results.matches("\n| ").count() - 2, WORKLOADS.len() + record.conformance.len());
    let current = format!("{before}{BEGIN}{results}{END}{after}");
    if env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, &current).expect("the README can be written");
    }
    assert!(
        readme == current || env::var_os("UPDATE_DOCUMENTS").is_some(),
        "the README is not that of {RECORD}: UPDATE_DOCUMENTS=1 cargo test -p scripts --test readme"
    );
}
