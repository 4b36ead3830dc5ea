//! No counting of system calls where the system tells of them in another way than Linux.

use std::process::Command;

use reports::record::Missing;

use super::calls::Counts;
use super::{Meter, Trouble};

pub(super) fn count(_: Command) -> Result<Counts, Trouble> {
    Err(Trouble::NotHere(Missing {
        what: Meter::SystemCalls.to_string(),
        why: "they are counted by ptrace(2) as Linux has it".to_string(),
        mend: "Linux".to_string(),
    }))
}
