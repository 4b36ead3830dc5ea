//! What can be wrong with the loop, and what is.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// A fault that the loop can be given.
#[derive(Debug)]
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// The file of `faults` that has it.
    pub group: &'static str,
    /// What is wrong, in a sentence.
    pub what: &'static str,
    /// The rules that have to catch it, each with a part of what it then says.
    pub caught: &'static [(&'static str, &'static str)],
    /// Why more rules catch it than should catch a single mistake, if they do.
    pub broad: Option<&'static str>,
    /// Changes with its edits, and not with how they are laid out.
    pub digest: &'static str,
}

/// Names the fault that a process has. Without it, or with [`NONE`], it has none.
pub const VARIABLE: &str = "CALLOOP_FAULT";

/// The name of no fault.
pub const NONE: &str = "none";

/// Names a file to which a process adds the position of each fault whose place it comes to.
///
/// A fault whose place is never come to changes nothing, so that the table of faults and rules need
/// not try them together.
pub const PASSED: &str = "CALLOOP_FAULTS_PASSED";

/// All faults.
pub const ALL: &[Fault] = include!(concat!(env!("OUT_DIR"), "/faults.rs"));

/// The rules, each with what changes with the file that has it, and not with comments or layout.
pub const RULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Whether this process has the fault at a position in [`ALL`].
#[inline]
pub fn is(fault: usize) -> bool {
    static PRESENT: LazyLock<Option<usize>> = LazyLock::new(present);
    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os(PASSED).map(PathBuf::from));
    if let Some(file) = &*FILE {
        note(fault, file);
    }
    *PRESENT == Some(fault)
}

fn present() -> Option<usize> {
    let name = std::env::var(VARIABLE).ok().filter(|name| name != NONE)?;
    let position = ALL.iter().position(|fault| fault.name == name);
    Some(position.unwrap_or_else(|| panic!("{VARIABLE}: no fault is called `{name}`")))
}

/// Adds the place of a fault to those that were passed.
///
/// The file is not kept open: rules count descriptors. One that uses them up is noted the next time.
fn note(fault: usize, file: &Path) {
    static NOTED: [AtomicBool; ALL.len()] = [const { AtomicBool::new(false) }; ALL.len()];
    let append = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        file.write_all(format!("{fault}\n").as_bytes())
    };
    if !NOTED[fault].load(Ordering::Relaxed) && append().is_ok() {
        NOTED[fault].store(true, Ordering::Relaxed);
    }
}
