//! System calls that were counted.

use std::collections::BTreeMap;

/// How often each system call was made, by name.
pub(super) type Calls = BTreeMap<String, u64>;

/// The system calls of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Of its first thread.
    pub(super) first_thread: Calls,
    /// Of its other threads and of its children.
    pub(super) others: Calls,
}
