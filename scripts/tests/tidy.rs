//! What the compiler does not check: that dependencies point one way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Which members of the workspace each member may use, outside of its tests.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("calloop-ref", &[]),
    ("reports", &[]),
    ("conformance", &["calloop-ref", "reports"]),
    // It has calloop-ref's source, not calloop-ref.
    ("faulty-calloop", &["conformance", "reports"]),
    ("benches", &["calloop-ref", "conformance", "reports"]),
    ("benches-field", &["benches", "conformance", "reports"]),
    ("scripts", &["calloop-ref", "conformance", "benches", "benches-field", "reports"]),
];

#[test]
fn members_depend_in_one_direction() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("it is JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let name = |package: &serde_json::Value| package["name"].as_str().expect("a name").to_owned();
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    let listed: BTreeSet<String> = MAY_USE.iter().map(|(member, _)| member.to_string()).collect();
    assert_eq!(members, listed, "every member of the workspace is listed here");
    for package in packages {
        let member = name(package);
        let may_use = MAY_USE.iter().find(|(other, _)| *other == member).expect("listed").1;
        for dependency in package["dependencies"].as_array().expect("a list of dependencies") {
            let dependency = name(dependency);
            assert!(
                !members.contains(&dependency) || may_use.contains(&dependency.as_str()),
                "{member} must not depend on {dependency}"
            );
            assert!(
                member != "calloop-ref" || !["polling", "calloop", "mio"].contains(&&*dependency),
                "calloop-ref is an event loop of its own and must not depend on {dependency}"
            );
        }
    }
}

/// The modules of calloop-ref in the order of `lib.rs`, each with the modules that it names in its
/// imports.
fn imports() -> Vec<(String, BTreeSet<String>)> {
    let source = root().join("calloop-ref/src");
    let library = fs::read_to_string(source.join("lib.rs")).expect("lib.rs is there");
    let modules = library.lines().filter_map(|line| {
        let declared = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?;
        Some(declared.trim_end_matches(';').to_owned())
    });
    let imports = modules.map(|module| {
        let mut names = BTreeSet::new();
        let file = source.join(format!("{module}.rs"));
        let files = if file.exists() { vec![file] } else { rust_files(&source.join(&module)) };
        for file in files {
            let text = fs::read_to_string(&file).expect("a source file can be read");
            for line in text.lines() {
                let path = line
                    .strip_prefix("use crate::")
                    .or_else(|| line.strip_prefix("pub use crate::"));
                let name = path.and_then(|path| path.split([':', ';', ' ']).next());
                names.extend(name.map(str::to_owned));
            }
        }
        (module, names)
    });
    imports.collect()
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn modules_of_the_loop_use_only_what_stands_above_them() {
    let imports = imports();
    let position: BTreeMap<&str, usize> =
        imports.iter().enumerate().map(|(at, (module, _))| (module.as_str(), at)).collect();
    assert!(position.len() > 20, "lib.rs declares the modules: {position:?}");
    for (module, names) in &imports {
        for name in names {
            if let Some(at) = position.get(name.as_str()) {
                assert!(
                    *at <= position[module.as_str()],
                    "`{module}` uses `{name}`, which stands below it in calloop-ref/src/lib.rs"
                );
            }
        }
    }
}
