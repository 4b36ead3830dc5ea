//! Copies calloop-ref and makes the edits of every fault, each behind its switch.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

use fnv::FnvHasher;
use serde::Deserialize;

/// A file of faults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    fault: Vec<Fault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    name: String,
    what: String,
    /// The rules that have to catch it, each with a part of what it then says.
    caught: BTreeMap<String, String>,
    /// Why many more rules catch it, if they do.
    broad: Option<String>,
    edit: Vec<Edit>,
}

/// Replaces a text of a file, which has it once. In the new text `FAULT` stands for the
/// switch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: String,
    find: String,
    replace: String,
}

fn main() {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let (original, faults) = (package.join("../../calloop-ref/src"), package.join("faults"));
    let conformance = package.join("../src");
    for directory in [&original, &faults, &conformance] {
        println!("cargo::rerun-if-changed={}", directory.display());
    }

    let mut sources = BTreeMap::new();
    read_sources(&original, &original, &mut sources);
    let mut table = Vec::new();
    let mut names = BTreeSet::new();
    for (group, faults) in groups(&faults) {
        for fault in faults {
            assert!(names.insert(fault.name.clone()), "two faults are called {}", fault.name);
            assert!(!fault.caught.is_empty(), "no rule has to catch {}", fault.name);
            make(&fault, table.len(), &mut sources);
            table.push(entry(&group, &fault));
        }
    }
    fs::write(out.join("faults.rs"), format!("&[{}]", table.concat())).expect("it can be written");
    let rules = format!("&{:?}", rules(&conformance));
    fs::write(out.join("rules.rs"), rules).expect("it can be written");
    write_sources(&out.join("loop"), &sources);
}

/// The files of faults, by name.
fn groups(directory: &Path) -> BTreeMap<String, Vec<Fault>> {
    let mut groups = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("the faults are there") {
        let path = entry.expect("they can be listed").path();
        let text = fs::read_to_string(&path).expect("they can be read");
        let group: Group =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        groups.insert(name, group.fault);
    }
    groups
}

/// Reads a directory into a map by the path from `root`.
fn read_sources(root: &Path, directory: &Path, sources: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(directory).expect("the sources are there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            read_sources(root, &path, sources);
        } else {
            let name = path.strip_prefix(root).expect("it was listed under it").to_path_buf();
            let text = fs::read_to_string(&path).expect("it can be read");
            // The tests are calloop-ref's, and use what this package does not have.
            sources.insert(name, text.replace("#[cfg(test)]", "#[cfg(any())]"));
        }
    }
}

/// Makes the edits of a fault, whose switch has this number.
fn make(fault: &Fault, number: usize, sources: &mut BTreeMap<PathBuf, String>) {
    let name = &fault.name;
    let is_switched = fault.edit.iter().any(|edit| edit.replace.contains("FAULT"));
    assert!(is_switched, "fault {name}: no edit has its switch, FAULT");
    let switch = format!("crate::fault::is({number} /* {name} */)");
    for Edit { file, find, replace } in &fault.edit {
        let text = sources
            .get_mut(Path::new(file))
            .unwrap_or_else(|| panic!("fault {name}: calloop-ref has no file {file}"));
        let (find, replace) = (find.trim(), replace.trim());
        let count = text.matches(find).count();
        assert!(count == 1, "fault {name}: {file} has this {count} times, not once:\n{find}");
        *text = text.replace(find, &replace.replace("FAULT", &switch));
    }
}

/// The rules, each with a digest of the file that has it.
///
/// What several files share is not in it: that seldom changes which faults a rule catches.
fn rules(conformance: &Path) -> Vec<(String, String)> {
    let mut rules = Vec::new();
    for directory in ["rules", "profile/cases", "profile/since_0_14"] {
        let mut files = BTreeMap::new();
        let directory = conformance.join(directory);
        read_sources(&directory, &directory, &mut files);
        for (name, text) in files {
            let mut texts = vec![text.as_str()];
            let mut model = BTreeMap::new();
            if name == Path::new("model.rs") {
                // The one rule whose test is a module of its own.
                let directory = conformance.join("model");
                read_sources(&directory, &directory, &mut model);
                texts.extend(model.values().map(String::as_str));
            }
            let digest = digest(&texts);
            let ids = text.lines().filter_map(|line| line.trim().strip_prefix("id: \""));
            let ids = ids.filter_map(|rest| rest.strip_suffix("\","));
            rules.extend(ids.map(|id| (id.to_string(), digest.clone())));
        }
    }
    rules.sort();
    rules
}

/// What changes with the words of texts, and not with their comments or layout. It is the same for
/// every compiler.
fn digest(texts: &[&str]) -> String {
    let mut hasher = FnvHasher::default();
    for text in texts {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        for word in lines.flat_map(str::split_whitespace) {
            hasher.write(word.as_bytes());
            hasher.write(b" ");
        }
        hasher.write(b"\n");
    }
    format!("{:016x}", hasher.finish())
}

/// The fault as an element of `fault::ALL`.
fn entry(group: &str, fault: &Fault) -> String {
    let caught: Vec<_> = fault.caught.iter().collect();
    let Fault { name, what, broad, edit, .. } = fault;
    let edits: Vec<&str> =
        edit.iter().flat_map(|edit| [&*edit.file, &*edit.find, &*edit.replace]).collect();
    let digest = digest(&edits);
    format!(
        "Fault {{ name: {name:?}, group: {group:?}, what: {what:?}, caught: &{caught:?}, \
         broad: {broad:?}, digest: {digest:?} }},\n"
    )
}

fn write_sources(directory: &Path, sources: &BTreeMap<PathBuf, String>) {
    for (name, text) in sources {
        let path = directory.join(name);
        let text = match name.to_str() {
            Some("lib.rs") => crate_root(text),
            Some("macros.rs") => unexported(text),
            _ => text.clone(),
        };
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }
}

/// The root of calloop-ref as a part of another, which has its own documentation and lints.
fn crate_root(text: &str) -> String {
    let is_inner = |line: &&str| line.starts_with("//!") || line.starts_with("#![");
    let lines: Vec<&str> = text.lines().filter(|line| !is_inner(line)).collect();
    format!("{}\npub(crate) use macros::*;\n", lines.join("\n"))
}

/// The macros for the crate itself: one that is exported and comes out of an `include!` cannot be
/// named by its path.
fn unexported(text: &str) -> String {
    let names =
        text.lines().filter_map(|line| line.strip_prefix("macro_rules! ")?.strip_suffix(" {"));
    let imports: Vec<String> = names.map(|name| format!("pub(crate) use {name};\n")).collect();
    format!("{}{}", text.replace("#[macro_export]\n", ""), imports.concat())
}
