//! Stopping and waking a loop from anywhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::wake::WakeNode;

/// A handle to stop or wake up a loop, from any thread.
///
/// ```
/// use calloop_ref::EventLoop;
/// use calloop_ref::timer::{TimeoutAction, Timer};
/// use std::thread;
///
/// let mut event_loop: EventLoop<'_, ()> = EventLoop::try_new()?;
/// let signal = event_loop.get_signal();
/// event_loop.handle().insert_source(Timer::immediate(), move |_, _, ()| {
///     let signal = signal.clone();
///     thread::spawn(move || {
///         signal.stop();
///         signal.wakeup();
///     });
///     TimeoutAction::Drop
/// })?;
/// event_loop.run(None, &mut (), |()| {})?;
/// # Ok::<(), calloop_ref::Error>(())
/// ```
#[derive(Clone)]
pub struct LoopSignal {
    stop: Arc<AtomicBool>,
    wakeup: WakeNode,
}

impl LoopSignal {
    pub(crate) fn new(wakeup: WakeNode) -> Self {
        LoopSignal { stop: Arc::default(), wakeup }
    }

    /// Has [`EventLoop::run`](crate::EventLoop::run), or `block_on`, return once the present
    /// dispatch is over.
    ///
    /// It does not wake the loop: a loop that sleeps notices when something else wakes it, for
    /// instance [`wakeup`](Self::wakeup). A stop before `run` or `block_on` began is forgotten.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Makes the present wait of the loop return at once, or else the next one. No callback is
    /// called for it, and several before the same wait are as one.
    pub fn wakeup(&self) {
        self.wakeup.wake();
    }

    pub(crate) fn clear_stop(&self) {
        self.stop.store(false, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

impl fmt::Debug for LoopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopSignal").field("stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}
