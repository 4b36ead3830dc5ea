//! Rules without a test: what a loop has to do, and why no test can tell whether it does.

use crate::rule::Level;

/// A rule without a test.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Untestable {
    /// Its name for ever, as that of any rule.
    pub id: &'static str,
    /// How binding it is.
    pub level: Level,
    /// The rule itself, one sentence.
    pub sentence: &'static str,
    /// Why it is not tested.
    pub obstacle: &'static str,
}

impl Untestable {
    /// The group: the part of the id before the dash.
    pub fn group(&self) -> &'static str {
        self.id.split_once('-').map_or(self.id, |(group, _)| group)
    }
}

/// Every such rule. Their numbers begin at 201.
pub const UNTESTABLE: &[Untestable] = &[
    Untestable {
        id: "LOOP-201",
        level: Level::Must,
        sentence: "A loop that a process inherits by fork(2) MUST NOT change what its parent's \
                   loop waits for, not even when it is dropped.",
        obstacle: "both share one kernel object, so that the only loop that can keep this does \
                   nothing at all in the child, and which process it is in a test cannot ask of \
                   an adapter; POSIX leaves a child of a process with threads no way to run Rust",
    },
    Untestable {
        id: "LOOP-202",
        level: Level::Should,
        sentence: "A loop SHOULD go on where a sandbox or an older kernel refuses a system call \
                   for which there is a lesser one.",
        obstacle: "which calls these are differs from loop to loop and from kernel to kernel; a \
                   loop has to force its own fallbacks, as calloop-ref does by `--cfg`",
    },
    Untestable {
        id: "LOOP-203",
        level: Level::Must,
        sentence: "A report of readiness that the kernel takes back, as for a datagram whose \
                   checksum is wrong, MUST NOT make a loop block.",
        obstacle: "it takes a network that damages datagrams, and privileges to make one",
    },
    Untestable {
        id: "REG-201",
        level: Level::Must,
        sentence: "The name of a source MUST NOT come again in the life of a process, however many \
                   sources there were.",
        obstacle: "a counter of 32 bits takes hours to come around, one of 64 bits centuries; \
                   REG-52 tries the 65 536 that calloop's releases have",
    },
    Untestable {
        id: "TIMER-201",
        level: Level::Must,
        sentence: "A timer MUST NOT be early or late because the clock on the wall was set.",
        obstacle: "setting it takes privileges and disturbs the whole machine, and no namespace has \
                   a wall clock of its own: a time namespace has only the monotonic clocks",
    },
    Untestable {
        id: "TIMER-202",
        level: Level::Should,
        sentence: "Whether the time that a machine sleeps counts for its timers SHOULD be one \
                   answer for all of them, and documented.",
        obstacle: "the machine would have to be suspended",
    },
    Untestable {
        id: "PING-201",
        level: Level::Must,
        sentence: "A wake-up MUST NOT be lost, in whatever order the steps of sender and loop \
                   interleave.",
        obstacle: "a test shows that one was lost, never that none is; a loop has to have its \
                   protocol checked by a model, as calloop-ref has by loom",
    },
    Untestable {
        id: "PING-202",
        level: Level::Must,
        sentence: "A ping from within its own callback MUST NOT wait for that callback, on any \
                   system that the loop runs on.",
        obstacle: "rules run on Unix; it is on Windows that calloop 0.14 holds a lock there which \
                   `Ping::ping` takes",
    },
    Untestable {
        id: "EXEC-201",
        level: Level::Must,
        sentence: "A task that another thread wakes while its executor is dropped MUST be dropped, \
                   too.",
        obstacle: "the window is a few instructions wide, and no test can hold it open from \
                   outside",
    },
    Untestable {
        id: "RES-201",
        level: Level::Must,
        sentence: "A loop for which there is no memory MUST fail or abort, and MUST NOT go on with \
                   a registration that is half made.",
        obstacle: "Rust aborts when an allocation fails, and a kernel that grants more than it has \
                   kills some process later; a lack of descriptors, which is told, is tested",
    },
    Untestable {
        id: "RES-202",
        level: Level::Should,
        sentence: "A loop that waits SHOULD leave the processor asleep, and let the kernel join \
                   timers of several processes.",
        obstacle: "what a processor does is the machine's; that the loop itself uses no time when \
                   nothing happens is tested",
    },
];
