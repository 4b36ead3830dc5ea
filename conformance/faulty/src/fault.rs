//! What can be wrong with the loop, and what is.

use std::sync::LazyLock;

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
}

/// Names the fault that a process has. Without it, or with [`NONE`], it has none.
pub const VARIABLE: &str = "CALLOOP_FAULT";

/// The name of no fault.
pub const NONE: &str = "none";

/// All faults.
pub const ALL: &[Fault] = include!(concat!(env!("OUT_DIR"), "/faults.rs"));

/// A number that changes with the loop and its faults.
pub const DIGEST: u64 = include!(concat!(env!("OUT_DIR"), "/digest.rs"));

/// Whether this process has the fault at a position in [`ALL`].
#[inline]
pub fn is(fault: usize) -> bool {
    static PRESENT: LazyLock<Option<usize>> = LazyLock::new(present);
    *PRESENT == Some(fault)
}

fn present() -> Option<usize> {
    let name = std::env::var(VARIABLE).ok().filter(|name| name != NONE)?;
    let position = ALL.iter().position(|fault| fault.name == name);
    Some(position.unwrap_or_else(|| panic!("{VARIABLE}: no fault is called `{name}`")))
}
