//! Waits that signals interrupt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::kit::raise;
use crate::ensure;
use crate::rule::{Check, Deviation};

/// What came of signals that were sent while something was done.
#[derive(Copy, Clone, Debug)]
struct Signalled {
    /// The longest time without one.
    lull: Duration,
    /// They were sent up to the end.
    to_the_end: bool,
}

/// Has a signal that is handled interrupt this thread each millisecond while it acts, but not for
/// longer than `limit`.
///
/// A wait that begins anew with each signal can end only after a lull as long as itself.
fn amid_signals<R>(limit: Duration, act: impl FnOnce() -> R) -> Result<(R, Signalled), Deviation> {
    const SIGNAL: Signal = Signal::SIGUSR1;
    let arrived = Arc::new(AtomicBool::new(false));
    let handler = signal_hook::flag::register(SIGNAL as i32, arrived.clone())?;
    let (is_over, start) = (AtomicBool::new(false), Instant::now());
    let (outcome, end, sent) = thread::scope(|scope| {
        let storm = scope.spawn(|| {
            // Not here, so that it interrupts who acts.
            let blocked = SigSet::from(SIGNAL).thread_block();
            let mut sent = Vec::new();
            while blocked.is_ok() && !is_over.load(Ordering::Acquire) && start.elapsed() < limit {
                let before = Instant::now();
                raise(SIGNAL);
                sent.push((before, Instant::now()));
                thread::sleep(Duration::from_millis(1));
            }
            sent
        });
        let (outcome, end) = (act(), Instant::now());
        is_over.store(true, Ordering::Release);
        (outcome, end, storm.join())
    });
    signal_hook::low_level::unregister(handler);
    let sent = sent.map_err(|_| Deviation::new("a thread that sends signals", "a panic"))?;
    let is_handled = sent.is_empty() || arrived.load(Ordering::Acquire);
    ensure!(is_handled, "a signal to be handled", "none was");
    // Between the two instants of a signal it may have been sent at any moment.
    let mut since = start;
    let mut lull = Duration::ZERO;
    for (before, after) in sent.into_iter().filter(|(before, _)| *before < end) {
        lull = lull.max(after.saturating_duration_since(since));
        since = before;
    }
    lull = lull.max(end.saturating_duration_since(since));
    Ok((outcome, Signalled { lull, to_the_end: end.duration_since(start) < limit }))
}

/// Tries a wait amid signals until it is clear whether it goes on with the time that is left or
/// begins anew with each: `wait` is how long it is, without signals.
pub(super) fn expect_end_amid_signals(wait: Duration, mut perform: impl FnMut() -> Check) -> Check {
    const TRIES: u32 = 20;
    /// One may be an accident of a busy machine.
    const CLEAR: u32 = 2;
    // Longer than a wait that is late.
    let limit = wait * 4;
    let (mut goes_on, mut begins_anew) = (0, 0);
    for _ in 0..TRIES {
        let (outcome, signalled) = amid_signals(limit, &mut perform)?;
        outcome?;
        goes_on += u32::from(signalled.to_the_end && signalled.lull < wait);
        begins_anew += u32::from(!signalled.to_the_end);
        if goes_on == CLEAR || (goes_on == 0 && begins_anew > 2 * CLEAR) {
            break;
        }
    }
    ensure!(
        goes_on >= begins_anew,
        format_args!("a wait of {wait:?} that ends though signals come each millisecond"),
        "{begins_anew} waits went on for longer than {limit:?}, as if they began anew with each \
         signal, and {goes_on} ended"
    );
    Ok(())
}
