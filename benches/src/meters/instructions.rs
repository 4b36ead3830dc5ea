//! Counting instructions by valgrind's callgrind: in the program itself and in its libraries, not in
//! the kernel.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use super::Trouble;
use super::allocations::Allocated;
use super::child::{self, Job};

/// Counts from the beginning of the operations that count to their end.
pub(super) fn count(program: &Path, job: &Job) -> Result<u64, Trouble> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*meters::child::counted*")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(job.arguments());
    child::detached(&mut command);
    match child::run::<Allocated>(command) {
        Err(Trouble::Io(error)) if error.kind() == ErrorKind::NotFound => {
            return Err(Trouble::NoValgrind);
        }
        done => done?,
    };
    total(&fs::read_to_string(file)?)
        .ok_or_else(|| Trouble::Failed("callgrind found no operation to count".to_string()))
}

/// The total that callgrind has written.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    line.trim().parse().ok().filter(|total| *total > 0)
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_total_is_read_and_none_is_no_total() {
        assert_eq!(total("events: Ir\nfn=(1) main\n1 20\ntotals: 20\n"), Some(20));
        assert_eq!(total("events: Ir\ntotals: 0\n"), None);
        assert_eq!(total(""), None);
    }
}
