//! Timers that are due at once.

use std::time::{Duration, Instant};

use conformance::adapter::{Adapter, Capability, Failure, TimerNext};

/// How a loop has such a timer.
#[derive(Copy, Clone)]
pub(super) enum Due {
    /// It has no delay.
    Now,
    /// Its deadline is over. A loop that rounds delays up to its tick is late with those of nothing.
    Since(Instant),
}

/// What it takes.
pub(super) const NEEDS_ONE_OF: &[Capability] =
    &[Capability::ImmediateTimers, Capability::Deadlines];

impl Due {
    pub(super) fn on<A: Adapter>() -> Self {
        // More than a tick of the coarsest.
        const OVER: Duration = Duration::from_millis(2);
        match A::capabilities().has(Capability::ImmediateTimers) {
            true => Due::Now,
            false => Due::Since(Instant::now() - OVER),
        }
    }

    #[inline]
    pub(super) fn insert<A: Adapter, F>(
        self,
        handle: &A::Handle,
        callback: F,
    ) -> Result<A::Source, Failure>
    where
        F: FnMut(&A::Handle, Option<Instant>) -> TimerNext + 'static,
    {
        match self {
            Due::Now => A::insert_timer(handle, Duration::ZERO, callback),
            Due::Since(deadline) => A::insert_deadline(handle, deadline, callback),
        }
    }
}
