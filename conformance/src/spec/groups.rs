//! The groups of rules.

/// A group of rules.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name, the first part of the ids.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
}

const fn group(name: &'static str, title: &'static str) -> Group {
    Group { name, title }
}

/// Every group, in the order of the specification.
pub const GROUPS: &[Group] = &[
    group("LOOP", "The loop: what a dispatch is, in which order it calls, how a run ends."),
    group("ORD", "Order within one dispatch, and changes while it goes on."),
    group("EMBED", "The loop inside another poller."),
    group("REG", "Registration: sources that come, go and change, also while callbacks run."),
    group("MODE", "Readiness of descriptors: level-triggered, edge-triggered, reported once."),
    group("POST", "What a callback asks for about its own source."),
    group("TIMER", "Timers and their precision."),
    group("PING", "Pings: waking the loop from anywhere."),
    group("CHAN", "Channels: messages into the loop, and their end."),
    group("SIG", "Signals."),
    group("IDLE", "Idle callbacks."),
    group("HOOK", "Hooks before and after the wait."),
    group("EXEC", "Futures in the loop."),
    group("STREAM", "Streams in the loop."),
    group("IO", "Descriptors in futures."),
    group("TRANS", "Parts of a source that come and go: TransientSource."),
    group("DISP", "Sources that are shared with their loop: Dispatcher."),
    group("GEN", "Descriptors as sources: Generic."),
    group("ERR", "Errors and panics."),
    group("FAIR", "Fairness: nobody keeps others from their turn."),
    group("CAP", "Capabilities: what a loop says that it has, and what it has."),
    group("RES", "Resources: descriptors, memory, time of a processor."),
    group("MODEL", "All of it at once: programs made at random, judged by a model of the rules."),
];

/// Where a group stands; one that nobody has entered stands last.
pub(super) fn position(name: &str) -> usize {
    GROUPS.iter().position(|group| group.name == name).unwrap_or(GROUPS.len())
}

/// What the group at a position is about.
pub(super) fn title(position: usize) -> &'static str {
    GROUPS.get(position).map_or("", |group| group.title)
}
