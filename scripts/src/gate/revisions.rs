//! The suite as it was at another revision.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Where revisions are built.
const DIRECTORY: &str = "target/gate";

/// Builds the suite of a revision, unless that was done before; the path of the program.
///
/// The revision is checked out beside the present one, which stays as it is.
pub(super) fn build(revision: &str) -> Result<PathBuf> {
    let commit = git(&["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")])
        .with_context(|| format!("`{revision}` is no revision of this repository"))?;
    let root = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    let directory = root.join(DIRECTORY);
    let program = directory.join(format!("suite-{commit}"));
    if program.exists() {
        return Ok(program);
    }
    eprintln!("building {revision} ({})", &commit[..commit.len().min(12)]);
    let checkout = Checkout::of(&commit, directory.join("checkout"))?;
    let target = directory.join("build");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--package", "scripts", "--bin", "suite"])
        .current_dir(&checkout.0)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the suite of {revision} cannot be built: {status}");
    // Whole or not at all, so that a program that is there can be used.
    let copy = directory.join("copy");
    std::fs::copy(target.join("release/suite"), &copy)
        .and_then(|_| std::fs::rename(&copy, &program))
        .with_context(|| format!("cannot write {}", program.display()))?;
    Ok(program)
}

/// A revision in a directory of its own, for as long as this lives.
struct Checkout(PathBuf);

impl Checkout {
    fn of(commit: &str, directory: PathBuf) -> Result<Self> {
        let path = directory.to_str().context("the path of the repository is not UTF-8")?;
        // One that was left behind by a run that was killed.
        remove(&directory);
        git(&["worktree", "add", "--quiet", "--force", "--detach", path, commit])?;
        Ok(Checkout(directory))
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// What cannot be removed is found in the way by the next run.
fn remove(directory: &Path) {
    if let Some(path) = directory.to_str().filter(|_| directory.exists()) {
        let _ = git(&["worktree", "remove", "--force", path]);
    }
}

fn git(arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").args(arguments).output().context("cannot run git")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments[0], said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}
