//! The published schema is that of the types, and what was written once still reads.

use std::fs;
use std::path::{Path, PathBuf};

use reports::record::{Outcome, Record, SCHEMA};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_published_schema_is_current() {
    let path = file("record.schema.json");
    let schema = schemars::schema_for!(Record);
    let mut current = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    current.push('\n');
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, &current).expect("the schema can be written");
    }
    let published = fs::read_to_string(&path).expect("the schema is there");
    assert!(
        published == current,
        "record.schema.json is not that of the types: \
         `UPDATE_DOCUMENTS=1 cargo test -p reports --test schema` makes it anew"
    );
}

/// One file a version of the schema, as the suite wrote it then. They are never changed.
#[test]
fn records_of_every_version_still_read() {
    for version in 1..=SCHEMA {
        let path = file(&format!("tests/records/{version}.json"));
        let record = Record::read(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(record.schema, version);
        let results = &record.conformance[0].results;
        assert_eq!(results[0].outcome, Outcome::Pass);
        assert!(matches!(&results[1].outcome, Outcome::Crash { signal } if signal == "SIGUSR1"));
        let ping = &record.measurements[0];
        assert_eq!((ping.workload.as_str(), ping.median()), ("ping", Some(500.0)));
    }
}
