//! Futures in the loop, and descriptors in futures.

mod async_fd;
mod scheduling;
mod trouble;
mod waking;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::adapter::{Adapter, Failure, Spawn};
use crate::fixture::Fixture;
use crate::rule::Case;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(scheduling::cases::<A>());
    cases.extend(waking::cases::<A>());
    cases.extend(trouble::cases::<A>());
    cases.extend(async_fd::cases::<A>());
    cases
}

/// An executor whose callback marks what the futures resolve to.
fn insert<A: Adapter>(
    t: &Fixture<'_, A>,
) -> Result<(impl Spawn<String> + 'static, A::Source), Failure> {
    let trace = t.trace();
    A::insert_executor(&t.handle, move |_, output: String| trace.mark(output))
}

/// Where a test finds the waker of a future that waits.
type Kept = Rc<RefCell<Option<Waker>>>;

/// A future that leaves its waker the first time it is polled, and is ready the second time.
fn wait_once(kept: Kept) -> impl Future<Output = ()> {
    let mut is_first = true;
    poll_fn(move |context| {
        if std::mem::take(&mut is_first) {
            kept.replace(Some(context.waker().clone()));
            return Poll::Pending;
        }
        Poll::Ready(())
    })
}
