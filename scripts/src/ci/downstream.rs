//! Packages that depend on calloop, with calloop-ref in its place: they have to compile, and to pass
//! their own tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use crate::metadata::{Metadata, Package};

/// A package that depends on calloop.
struct Dependent {
    name: &'static str,
    version: &'static str,
    /// What only some of its examples need, and takes longer to compile than all the rest: left
    /// out, with those examples.
    without: &'static [&'static str],
}

const DEPENDENTS: [Dependent; 2] = [
    Dependent { name: "calloop-wayland-source", version: "0.4.1", without: &[] },
    Dependent {
        name: "smithay-client-toolkit",
        version: "0.20.0",
        without: &["font-kit", "image", "raqote", "wgpu"],
    },
];

/// The libraries they link to: as pkg-config calls them, and the package that brings them.
const LIBRARIES: [(&str, &str); 2] =
    [("wayland-client", "libwayland-dev"), ("xkbcommon", "libxkbcommon-dev")];

/// The packages that bring what is missing here.
pub(crate) fn missing() -> Vec<&'static str> {
    let has = |arguments: &[&str]| {
        Command::new("pkg-config").args(arguments).output().is_ok_and(|out| out.status.success())
    };
    if !has(&["--version"]) {
        return ["pkg-config"].into_iter().chain(LIBRARIES.map(|(_, package)| package)).collect();
    }
    let missing = LIBRARIES.iter().filter(|(library, _)| !has(&["--exists", library]));
    missing.map(|(_, package)| *package).collect()
}

/// Copies the packages to where calloop is calloop-ref; returns the command that tests them there.
pub(crate) fn prepare() -> Result<Command> {
    let this = Metadata::of_this_workspace()?;
    let shim = this.workspace_root.join("calloop-ref/shim/calloop");
    let directory = this.target_directory.join("downstream");
    let fetched = fetch(&directory.join("fetch"))?;
    for dependent in &DEPENDENTS {
        let package = fetched.packages.iter().find(|package| dependent.is(package));
        let package = package.with_context(|| format!("cargo fetched no {}", dependent.name))?;
        let from = package.manifest_path.parent().expect("a manifest is in a folder");
        dependent.copy(from, &directory.join(dependent.name))?;
    }
    let manifest = directory.join("Cargo.toml");
    write(&manifest, workspace(&shim).to_string())?;
    check_patched(&manifest, &shim)?;
    let mut command = super::steps::cargo("test --workspace --manifest-path");
    command.arg(manifest);
    Ok(command)
}

/// Has cargo download the packages, by depending on them.
fn fetch(directory: &Path) -> Result<Metadata> {
    let dependencies = DEPENDENTS.iter().map(|dependent| {
        (dependent.name.to_owned(), Value::from(format!("={}", dependent.version)))
    });
    let package = [("name", "fetch"), ("version", "0.0.0"), ("edition", "2024")];
    let package = package.map(|(key, value)| (key.to_owned(), Value::from(value)));
    let manifest = table([
        ("package", package.into_iter().collect()),
        ("workspace", Table::new()),
        ("dependencies", dependencies.collect()),
    ]);
    write(&directory.join("src/lib.rs"), "")?;
    let path = directory.join("Cargo.toml");
    write(&path, manifest.to_string())?;
    Metadata::of(&path)
}

/// The workspace of the copies, with the patch that this is about.
fn workspace(shim: &Path) -> Table {
    let names: Vec<Value> = DEPENDENTS.iter().map(|dependent| dependent.name.into()).collect();
    let path = |path: &Path| table([("path", Value::from(path.to_string_lossy().into_owned()))]);
    // The one dependent uses the other; both have to be what is tested.
    let copies = DEPENDENTS.iter().map(|dependent| (dependent.name, Path::new(dependent.name)));
    let patches = copies.chain([("calloop", shim)]).map(|(name, at)| (name.to_owned(), path(at)));
    let patches: Table = patches.map(|(name, patch)| (name, Value::from(patch))).collect();
    table([
        ("workspace", table([("members", Value::from(names)), ("resolver", Value::from("2"))])),
        ("patch", table([("crates-io", patches)])),
    ])
}

/// Fails unless the calloop that will be compiled is the shim, and no other.
fn check_patched(manifest: &Path, shim: &Path) -> Result<()> {
    let resolved = Metadata::of(manifest)?;
    let found: Vec<&PathBuf> = resolved
        .packages
        .iter()
        .filter(|package| package.name == "calloop")
        .map(|package| &package.manifest_path)
        .collect();
    let expected = shim.join("Cargo.toml");
    ensure!(found == [&expected], "calloop is {found:?} and not {}", expected.display());
    println!("  calloop is {}", expected.display());
    Ok(())
}

impl Dependent {
    fn is(&self, package: &Package) -> bool {
        package.name == self.name && package.version == self.version
    }

    /// Copies the package, without what is left out.
    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        copy_folder(from, to)?;
        // The copies share a lock file; the normalized manifest is all that counts.
        let manifest = fs::read_to_string(from.join("Cargo.toml"))?;
        let mut manifest: Table = manifest.parse().context("the manifest of a package")?;
        if let Some(Value::Table(dependencies)) = manifest.get_mut("dev-dependencies") {
            dependencies.retain(|name, _| !self.without.contains(&name));
        }
        if let Some(Value::Array(examples)) = manifest.get_mut("example") {
            examples.retain(|example| self.keeps(example, from));
        }
        // What the compiler has to say of them is no news here.
        let lints = table([("rust", table([("warnings", Value::from("allow"))]))]);
        manifest.insert("lints".to_owned(), lints.into());
        write(&to.join("Cargo.toml"), manifest.to_string())
    }

    /// Whether an example does without what is left out.
    fn keeps(&self, example: &Value, from: &Path) -> bool {
        let path = example.get("path").and_then(Value::as_str).map(|path| from.join(path));
        let text = path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let uses = |name: &&str| text.contains(&format!("{}::", name.replace('-', "_")));
        !self.without.iter().any(uses)
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else if entry.file_name() != "Cargo.toml" {
            write(&to, &fs::read(&from)?)?;
        }
    }
    Ok(())
}

/// Writes a file unless it is as it should be: cargo compiles what is newer than its last build.
fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == contents.as_ref()) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().expect("a file is in a folder"))?;
    fs::write(path, contents).with_context(|| path.display().to_string())
}

fn table<V: Into<Value>, const N: usize>(entries: [(&str, V); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}
