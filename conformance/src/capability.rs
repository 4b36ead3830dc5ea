//! What loops may have or lack, and the ways in which they may legitimately differ.

use std::fmt;

macro_rules! capabilities {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)*) => {
        /// Something that a loop may have or not.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Capability {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Capability {
            /// Every capability.
            pub const ALL: &[Capability] = &[$(Capability::$name,)*];

            /// Its name in reports and in expectation files.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Capability::$name => $text,)*
                }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Capability::$name => concat!($($doc),+),)*
                }
            }
        }
    };
}

capabilities! {
    /// File descriptors can be watched: implied by each of the three modes.
    Descriptors = "descriptors",
    /// File descriptors can be watched level-triggered.
    Level = "level",
    /// File descriptors can be watched edge-triggered.
    Edge = "edge",
    /// File descriptors can be watched for one report.
    OneShot = "one-shot",
    /// A descriptor can be watched without asking for anything.
    EmptyInterest = "empty-interest",
    /// The callback of a descriptor can ask for its removal, silence or renewal.
    PostActions = "post-actions",
    /// A callback can fail, and the dispatch then tells its caller.
    FallibleCallbacks = "fallible-callbacks",
    /// A source can be silenced and brought back.
    Disable = "disable",
    /// The interest and mode of a watched descriptor can be changed.
    Update = "update",
    /// A panic of a callback unwinds out of the dispatch and leaves the loop usable.
    Panics = "panics",
    /// A callback can make another loop and dispatch it.
    NestedLoops = "nested-loops",
    /// There are timers.
    Timers = "timers",
    /// Timers are kept to with less than a millisecond of error on an idle machine.
    SubMillisecondTimers = "sub-millisecond-timers",
    /// A timer without delay is due at once.
    ImmediateTimers = "immediate-timers",
    /// Timers can be set to an instant, and repeat at one.
    Deadlines = "deadlines",
    /// The callback of a timer is told its deadline.
    DeadlineTold = "deadline-told",
    /// A timer can repeat, counted from the return of its callback.
    TimerRepeat = "timer-repeat",
    /// A timer can be programmed anew.
    TimerReset = "timer-reset",
    /// Timers that are due together fire in the order of their deadlines.
    DeadlineOrder = "deadline-order",
    /// Timers of one deadline fire in the order of their insertion.
    EqualDeadlinesFifo = "equal-deadlines-fifo",
    /// Timers that are due do not keep descriptors from being polled in the same dispatch.
    TimersAndFdsTogether = "timers-and-fds-together",
    /// There are pings.
    Ping = "ping",
    /// A ping whose handles are gone removes itself.
    PingCloses = "ping-closes",
    /// There are channels.
    Channel = "channel",
    /// There are bounded channels.
    BoundedChannel = "bounded-channel",
    /// A bounded channel can have room for no message.
    Rendezvous = "rendezvous",
    /// A wait can be ended from another thread.
    Wakeup = "wakeup",
    /// The loop can run until it is stopped.
    Stop = "stop",
    /// A stop before the run is remembered by it.
    StopIsKept = "stop-is-kept",
    /// There are idle callbacks.
    Idle = "idle",
    /// An idle callback can be cancelled.
    IdleCancel = "idle-cancel",
    /// Idle callbacks are called in the order of their insertion.
    IdleOrder = "idle-order",
    /// Idle callbacks run after the events of their dispatch.
    IdleAfterEvents = "idle-after-events",
    /// Idle callbacks run in every dispatch, also in one that brought events.
    IdleEveryDispatch = "idle-every-dispatch",
    /// A pending idle callback keeps the loop from sleeping.
    IdlePreventsSleep = "idle-prevents-sleep",
    /// Signals can be received.
    Signals = "signals",
    /// A signal tells who sent it.
    SignalInfo = "signal-info",
    /// Several sources can watch one signal.
    SignalSharing = "signal-sharing",
    /// Every source of a signal is told of it, not only one.
    SignalFanOut = "signal-fan-out",
    /// The signals of a source can be changed.
    SignalSet = "signal-set",
    /// Signals are received by blocking them, so that the thread's mask matters.
    SignalMask = "signal-mask",
    /// Futures can be run.
    Executor = "executor",
    /// The readiness of a descriptor can be awaited.
    AsyncIo = "async-io",
    /// A descriptor that was awaitable has the flags again that it had before.
    FlagsRestored = "flags-restored",
    /// A delay can be awaited.
    Sleep = "sleep",
    /// The loop can be watched through a descriptor of its own.
    Embed = "embed",
    /// A dispatch is one wait and what it brought: not several waits, nor a part.
    OneWaitADispatch = "one-wait-a-dispatch",
    /// Descriptors are reported in the order in which they became ready.
    ReadyOrder = "ready-order",
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of capabilities.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// None of them.
    pub const NONE: Capabilities = Capabilities(0);

    /// Exactly these.
    pub const fn of(capabilities: &[Capability]) -> Self {
        let mut set = 0;
        let mut position = 0;
        while position < capabilities.len() {
            set |= 1 << capabilities[position] as u64;
            position += 1;
        }
        Capabilities(set)
    }

    /// Whether this one is in the set, or implied by one that is.
    pub const fn has(self, capability: Capability) -> bool {
        const MODES: Capabilities =
            Capabilities::of(&[Capability::Level, Capability::Edge, Capability::OneShot]);
        match capability {
            Capability::Descriptors => self.0 & MODES.0 != 0,
            _ => self.0 & (1 << capability as u64) != 0,
        }
    }

    /// These, too.
    #[must_use]
    pub const fn with(self, capabilities: &[Capability]) -> Self {
        Capabilities(self.0 | Capabilities::of(capabilities).0)
    }

    /// All but these.
    #[must_use]
    pub const fn without(self, capabilities: &[Capability]) -> Self {
        Capabilities(self.0 & !Capabilities::of(capabilities).0)
    }

    /// Those in the set or implied, in the order of their definition.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |capability| self.has(*capability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_they_were_made_of() {
        assert!(Capability::ALL.len() <= 64, "a set has 64 places");
        let set = Capabilities::of(&[Capability::Ping, Capability::Embed])
            .with(&[Capability::Level])
            .without(&[Capability::Ping]);
        let expected = [Capability::Descriptors, Capability::Level, Capability::Embed];
        assert!(set.iter().eq(expected), "a mode implies descriptors");
        assert!(!set.without(&[Capability::Level]).has(Capability::Descriptors));
    }
}
