//! `suite api`: what calloop offers and calloop-ref does not, or offers differently.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::FEATURES;
use crate::metadata::Metadata;

/// The release of calloop whose interface calloop-ref has.
const CALLOOP: &str = "0.14.5";

/// The differences that are meant, each with its reason.
const EXPLAINED: &str = include_str!("../api-differences.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differences {
    difference: Vec<Difference>,
}

/// A difference that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// The items of calloop that calloop-ref has not, as they read in calloop.
    #[serde(default)]
    without: Vec<String>,
    /// The items of calloop-ref that calloop has not, as they read in calloop-ref.
    #[serde(default)]
    with: Vec<String>,
    /// Why.
    reason: String,
}

/// Compares the public interfaces, prints the differences, and fails if one is not explained.
pub(crate) fn run() -> Result<()> {
    let (theirs, ours) = (their_items()?, our_items()?);
    let differences: Differences =
        toml::from_str(EXPLAINED).context("scripts/api-differences.toml")?;
    let missing = explain(&theirs, &ours, &differences, |difference| &difference.without);
    let added = explain(&ours, &theirs, &differences, |difference| &difference.with);

    println!("{} items in calloop {CALLOOP}, {} in calloop-ref", theirs.len(), ours.len());
    print("in calloop, not so in calloop-ref", &missing);
    print("in calloop-ref, not so in calloop", &added);
    let unexplained = missing.iter().chain(&added).filter(|(_, reason)| reason.is_none()).count();
    ensure!(
        unexplained == 0,
        "{unexplained} differences are not explained: mend them, or give the reason in \
         scripts/api-differences.toml"
    );
    let stale: Vec<_> = differences
        .difference
        .iter()
        .flat_map(|difference| difference.without.iter().chain(&difference.with))
        .filter(|item| !missing.contains_key(*item) && !added.contains_key(*item))
        .collect();
    ensure!(stale.is_empty(), "scripts/api-differences.toml explains what is not so: {stale:#?}");
    Ok(())
}

/// The items of one side that the other has not, each with the reason if there is one.
fn explain<'a>(
    of: &'a BTreeSet<String>,
    other: &'a BTreeSet<String>,
    differences: &'a Differences,
    items: impl Fn(&Difference) -> &Vec<String>,
) -> BTreeMap<&'a String, Option<&'a str>> {
    let reason = |item: &String| {
        let by = differences.difference.iter().find(|difference| items(difference).contains(item));
        by.map(|difference| difference.reason.as_str())
    };
    of.difference(other).map(|item| (item, reason(item))).collect()
}

fn print(title: &str, items: &BTreeMap<&String, Option<&str>>) {
    println!("\n{title}: {}", items.len());
    for (item, reason) in items {
        println!("  {item}\n      {}", reason.unwrap_or("NOT EXPLAINED"));
    }
}

/// The public items of calloop-ref.
fn our_items() -> Result<BTreeSet<String>> {
    let mut rustdoc = rustdoc();
    rustdoc.args(["--package", "calloop-ref", "--all-features"]);
    items(rustdoc, &Metadata::of_this_workspace()?.target_directory, "calloop_ref")
}

/// The public items of calloop.
///
/// Features of a package outside of the workspace cannot be chosen, so that a project is made that
/// depends on calloop with all of them.
fn their_items() -> Result<BTreeSet<String>> {
    let directory = Metadata::of_this_workspace()?.target_directory.join("api");
    fs::create_dir_all(directory.join("src"))?;
    fs::write(directory.join("src/lib.rs"), "")?;
    // The first resolver gives a dependency its features also where it is documented by itself.
    let manifest = format!(
        "[package]\nname = \"api\"\nversion = \"0.0.0\"\nedition = \"2024\"\nresolver = \"1\"\n\n\
         [workspace]\n\n[dependencies.calloop]\nversion = \"={CALLOOP}\"\nfeatures = {FEATURES:?}\n"
    );
    fs::write(directory.join("Cargo.toml"), manifest)?;
    let target = directory.join("target");
    let mut rustdoc = rustdoc();
    rustdoc
        .args(["--package", "calloop", "--manifest-path"])
        .arg(directory.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    items(rustdoc, &target, "calloop")
}

/// `cargo rustdoc`, to be told of which package.
fn rustdoc() -> Command {
    let mut rustdoc = Command::new(env!("CARGO"));
    // rustdoc's JSON is not stable; for reading an interface that is good enough, and it saves the
    // need for a second toolchain.
    rustdoc.env("RUSTC_BOOTSTRAP", "1").args(["rustdoc", "--quiet", "--lib"]);
    rustdoc
}

/// Runs it and reads what it wrote: each public item as text.
fn items(mut rustdoc: Command, target: &Path, name: &str) -> Result<BTreeSet<String>> {
    rustdoc.args(["--", "-Zunstable-options", "--output-format", "json", "--cap-lints", "allow"]);
    let status = rustdoc.status().context("cannot run cargo rustdoc")?;
    ensure!(status.success(), "cargo rustdoc of {name} failed, see above");
    let json = target.join("doc").join(format!("{name}.json"));
    let api = public_api::Builder::from_rustdoc_json(&json)
        .omit_auto_trait_impls(true)
        .omit_blanket_impls(true)
        .build()
        .with_context(|| format!("cannot read {}", json.display()))?;
    Ok(api.items().map(|item| normalized(&item.to_string(), name)).collect())
}

/// The text of an item with the crate called `calloop`, and types by the path users write.
fn normalized(item: &str, name: &str) -> String {
    item.replace(&format!("{name}::"), "calloop::").replace(&format!("mod {name}"), "mod calloop")
}
