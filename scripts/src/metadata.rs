//! What cargo knows of packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The part of `cargo metadata` that is used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
    pub(crate) workspace_root: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) rust_version: Option<String>,
}

impl Metadata {
    /// Of this workspace and what its lock file names.
    pub(crate) fn of_this_workspace() -> Result<Self> {
        Self::read(Command::new(env!("CARGO")).arg("metadata"))
    }

    /// Of another package or workspace.
    pub(crate) fn of(manifest: &Path) -> Result<Self> {
        Self::read(Command::new(env!("CARGO")).args(["metadata", "--manifest-path"]).arg(manifest))
    }

    fn read(command: &mut Command) -> Result<Self> {
        let output = command
            .args(["--format-version", "1"])
            .stderr(std::process::Stdio::inherit())
            .output()
            .context("cannot run cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata failed, see above");
        serde_json::from_slice(&output.stdout).context("cannot read cargo metadata")
    }
}
