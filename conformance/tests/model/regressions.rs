//! Programs that a loop once did not perform as the model permits, and will again be asked to.

use std::path::Path;

use conformance::adapters::CalloopRef;
use conformance::model::{Program, replay};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Regression {
    why: String,
    /// What came of it on calloop 0.14, where that is known.
    calloop_0_14: Option<String>,
    program: Program,
}

fn regressions() -> Vec<(String, Regression)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a file");
        let regression = toml::from_str(&text);
        let regression = regression.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.display().to_string(), regression)
    };
    entries.map(read).collect()
}

#[test]
fn the_reference_loop_performs_the_programs_of_the_past() {
    let regressions = regressions();
    assert!(regressions.len() >= 7, "they are kept");
    for (path, Regression { why, program, .. }) in regressions {
        if let Some(found) = replay::<CalloopRef>(&program) {
            panic!("{path}: {why}\n{found}");
        }
    }
}

/// So that these programs go on to show what they are kept for.
#[test]
#[cfg(feature = "calloop")]
fn calloop_0_14_deviates_where_that_is_known() {
    use conformance::adapters::Calloop014;

    let mut deviations = 0;
    for (path, Regression { calloop_0_14, program, .. }) in regressions() {
        if calloop_0_14.as_deref() == Some("deviates") {
            assert!(replay::<Calloop014>(&program).is_some(), "{path}: it does not");
            deviations += 1;
        }
    }
    assert!(deviations >= 5, "they are kept");
}
