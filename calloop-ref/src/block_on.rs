//! Running a loop until a future is ready.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::error::Result;
use crate::event_loop::EventLoop;
use crate::signal::LoopSignal;

impl<Data> EventLoop<'_, Data> {
    /// Dispatches until `future` is ready and returns what it resolved to, or `None` if
    /// [`LoopSignal::stop`] was called first.
    ///
    /// The future is polled at once and then only after its waker was used, from any thread. `cb` is
    /// called after every dispatch.
    ///
    /// # Errors
    ///
    /// Those of [`dispatch`](Self::dispatch), at once; the future is dropped.
    pub fn block_on<R>(
        &mut self,
        future: impl Future<Output = R>,
        data: &mut Data,
        mut cb: impl FnMut(&mut Data),
    ) -> Result<Option<R>> {
        let mut future = pin!(future);
        let wakeup = Arc::new(Wakeup { woken: AtomicBool::new(true), signal: self.get_signal() });
        let waker = Waker::from(wakeup.clone());
        let mut context = Context::from_waker(&waker);

        self.signal().clear_stop();
        while !self.signal().is_stopped() {
            if wakeup.woken.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                    return Ok(Some(value));
                }
            }
            self.dispatch(None, data)?;
            cb(data);
        }
        Ok(None)
    }
}

/// The waker of the future: it ends the loop's wait.
struct Wakeup {
    woken: AtomicBool,
    signal: LoopSignal,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.signal.wakeup();
        }
    }
}
