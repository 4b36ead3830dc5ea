//! What loops do not do as a workload asks for it, with the reason: gaps that are known, where a run
//! would end with an error. The test of this package says so when one is closed.

use conformance::adapter::Adapter as _;
use conformance::adapters::foreign::{GLib, Uv, Wayland};
use reports::record::Missing;

/// Work that is not measured on a loop.
#[derive(Copy, Clone, Debug)]
pub struct Limit {
    /// The loop.
    pub engine: &'static str,
    /// The workload or scenario, with its size or for all of them.
    pub work: &'static str,
    /// Whether it is not so every time.
    pub sometimes: bool,
    why: &'static str,
}

/// All that are known.
pub const LIMITS: &[Limit] = &[
    Limit {
        engine: Uv::NAME,
        work: "timer-repeat",
        sometimes: false,
        // https://github.com/libuv/libuv/issues/4245
        why: "a timer that starts itself anew without delay is due in the same walk over the timers",
    },
    Limit {
        engine: Uv::NAME,
        work: "timer-lateness",
        sometimes: true,
        // conformance/findings/LIBUV-TIMER-01.md
        why: "a timer may be early by up to a millisecond",
    },
    Limit { engine: Uv::NAME, work: "ready/ready=4096", sometimes: false, why: MANY_WAITS },
    Limit {
        engine: Uv::NAME,
        work: "ready/ready=4096,registered=10000",
        sometimes: false,
        why: MANY_WAITS,
    },
    Limit { engine: GLib::NAME, work: "signal-latency/rate=5k", sometimes: false, why: NO_SIGURG },
    Limit { engine: Wayland::NAME, work: "ready/ready=100", sometimes: false, why: FEW_AT_ONCE },
    Limit { engine: Wayland::NAME, work: "ready/ready=1000", sometimes: false, why: FEW_AT_ONCE },
    Limit {
        engine: Wayland::NAME,
        work: "ready/ready=100,registered=10000",
        sometimes: false,
        why: FEW_AT_ONCE,
    },
];

/// `uv__io_poll` waits up to 48 times while each wait brings 1024 events.
const MANY_WAITS: &str = "a dispatch waits again while its waits are full, and events come again";

/// `g_unix_signal_source_new` names them.
const NO_SIGURG: &str = "the loop receives HUP, INT, TERM, USR1, USR2 and WINCH only";

/// As many `struct epoll_event` has `wl_event_loop_dispatch`.
const FEW_AT_ONCE: &str = "a dispatch brings 32 events at most, the next some of them again";

impl Limit {
    /// The one of this loop and this work, if there is any.
    pub(crate) fn of(engine: &str, name: &str, id: &str) -> Option<&'static Self> {
        LIMITS
            .iter()
            .find(|limit| limit.engine == engine && (limit.work == name || limit.work == id))
    }

    pub(crate) fn gap(&self) -> Missing {
        let Limit { engine, work, why, .. } = self;
        Missing {
            what: format!("{work} on {engine}"),
            why: (*why).to_string(),
            mend: "another release of the loop".to_string(),
        }
    }
}
