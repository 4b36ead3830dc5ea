//! The defects of calloop that exist on Linux, each with the rule that shows it.

/// A defect of calloop.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The rule that calloop 0.14 does not keep because of it.
    pub rule: &'static str,
    /// What happens.
    pub what: &'static str,
}

const fn defect(rule: &'static str, what: &'static str) -> Defect {
    Defect { rule, what }
}

/// Every known defect, in the order of the specification.
pub const DEFECTS: &[Defect] = &[
    defect(
        "LOOP-16",
        "A source that disables itself and then fails has the next source called disabled in its \
         place.",
    ),
    defect(
        "LOOP-57",
        "A source that disables itself and then fails stays enabled, and fails again with its next \
         event.",
    ),
    defect(
        "LOOP-17",
        "`disable` of a source that the caller has borrowed answers `Ok` and disables whatever \
         source is called next.",
    ),
    defect(
        "LOOP-13",
        "An error of one source loses the timers that are due in the same dispatch, for ever.",
    ),
    defect(
        "LOOP-14",
        "A panic in one callback loses the timers that are due in the same dispatch.",
    ),
    defect(
        "LOOP-29",
        "The loop's descriptor does not become readable for a timer, so that an embedded loop \
         sleeps on it.",
    ),
    defect("EMBED-103", "The loop's descriptor does not become readable for an idle callback."),
    defect("REG-03", "After a source with hooks failed to register, the next dispatch panics."),
    defect(
        "REG-10",
        "A descriptor that an update no longer watches for something is reported for it.",
    ),
    defect("REG-17", "A timer that is enabled when it is enabled fires once more a deadline."),
    defect("REG-23", "`remove` panics if what it drops uses the handle of the loop."),
    defect("REG-24", "After a source with hooks failed to unregister, the next dispatch panics."),
    defect(
        "REG-20",
        "Removing a source that is long gone removes a stranger, once its slot was used 65 536 times.",
    ),
    defect(
        "REG-52",
        "After 65 536 reuses of its slot a token is valid again, and removes a stranger.",
    ),
    defect("REG-55", "`update` of a timer that is disabled brings it back."),
    defect(
        "MODE-07",
        "A descriptor that waits for nothing keeps the loop awake once its peer is gone.",
    ),
    defect("TIMER-06", "Timers of one deadline fire in no order."),
    defect(
        "TIMER-12",
        "A timer that is due and set anew by another's callback fires at once, whatever it was set \
         to.",
    ),
    defect(
        "TIMER-15",
        "A timer within another source that was dropped fires again when its parent is updated.",
    ),
    defect("TIMER-19", "The timer of a future that was dropped stays in the loop and ends a wait."),
    defect("CHAN-10", "A send to a channel without room may wait for ever, and the loop with it."),
    defect(
        "CHAN-11",
        "Two channels within one source wake each other for ever: the processor never rests.",
    ),
    defect(
        "SIG-05",
        "`set_signals` lets a signal that is pending kill the process, though it is in both sets.",
    ),
    defect(
        "SIG-06",
        "`set_signals` lets a signal that leaves the set while pending kill the process.",
    ),
    defect("SIG-07", "A source of signals that is dropped unblocks what others had blocked."),
    defect(
        "SIG-109",
        "A source of signals that is removed lets those that are pending kill the process.",
    ),
    defect(
        "SIG-110",
        "One of two sources of a signal that is removed lets the next one kill the process.",
    ),
    defect("SIG-52", "`remove_signals` of a signal that is pending lets it kill the process."),
    defect("IDLE-06", "An idle callback that cancels itself panics."),
    defect("IDLE-107", "When an idle callback panics, those behind it are lost."),
    defect("HOOK-05", "Each update of a source has its hooks called once more a wait."),
    defect(
        "HOOK-06",
        "When one source's `before_sleep` fails, others get no `before_handle_events` for theirs.",
    ),
    defect(
        "HOOK-10",
        "What a hook asked for in a dispatch that failed is delivered twice in the next one.",
    ),
    defect("EXEC-09", "After a future has panicked, those scheduled beside it do not run."),
    defect(
        "EXEC-10",
        "`remove` of an executor that holds an adapter of the loop aborts the process.",
    ),
    defect(
        "EXEC-11",
        "Two executors within one source wake each other for ever: the processor never rests.",
    ),
    defect(
        "STREAM-02",
        "A stream that always has an item is drained without end, and nothing else is called.",
    ),
    defect(
        "IO-04",
        "The halves of a split adapter take each other's waker: one of them never goes on.",
    ),
    defect(
        "IO-06",
        "`adapt_io` that fails leaves the descriptor non-blocking, also for whoever shares it.",
    ),
    defect(
        "TRANS-06",
        "Once a child is disabled, an update of its parent fails, and a dispatch with it.",
    ),
    defect(
        "TRANS-08",
        "`TransientSource::default()` does not exist for channels, pings and timers.",
    ),
    defect("GEN-09", "`Readiness::error` is always false, also where the system reports an error."),
    defect(
        "ERR-101",
        "An error of one source loses the events of edge-triggered and one-shot descriptors.",
    ),
    defect(
        "ERR-102",
        "A panic in one callback loses the events of edge-triggered and one-shot descriptors.",
    ),
    defect(
        "ERR-109",
        "When the callback of a channel panics, the messages behind stay until somebody sends.",
    ),
    defect(
        "FAIR-109",
        "A signal that is raised again in its callback keeps the dispatch for ever.",
    ),
];
