//! The clock that timers are set by, and instants.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// In microseconds, rounded up, because neither a timer nor a dispatch must end early.
pub(super) fn microseconds(time: Duration) -> u64 {
    time.as_nanos().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}

/// One moment, as an instant and on `CLOCK_MONOTONIC`, to turn each into the other. The clock is read
/// after the instant, so that no timer is early, and soon after it, so that none is late.
fn moment() -> (Instant, Duration) {
    static MOMENT: OnceLock<(Instant, Duration)> = OnceLock::new();
    let read = |_| {
        let instant = Instant::now();
        let mut clock = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: it writes to what it is given. Where there is an `Instant`, there is this clock.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut clock) };
        let clock = Duration::new(clock.tv_sec.unsigned_abs(), clock.tv_nsec as u32);
        (instant.elapsed(), (instant, clock))
    };
    *MOMENT.get_or_init(|| (0..20).map(read).min().map_or_else(|| read(0).1, |(_, moment)| moment))
}

/// An instant on the loop's clock. One that is not representable never comes.
pub(super) fn to_clock(deadline: Option<Instant>) -> u64 {
    let (instant, clock) = moment();
    let Some(deadline) = deadline else { return u64::MAX };
    let time = match deadline.checked_duration_since(instant) {
        Some(after) => clock.checked_add(after),
        None => Some(clock.saturating_sub(instant - deadline)),
    };
    time.map_or(u64::MAX, microseconds)
}

pub(super) fn from_clock(time: u64) -> Option<Instant> {
    let ((instant, clock), time) = (moment(), Duration::from_micros(time));
    match time.checked_sub(clock) {
        Some(after) => instant.checked_add(after),
        None => instant.checked_sub(clock - time),
    }
}
