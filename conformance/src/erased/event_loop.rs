//! What makes loops, and a loop, of any type.

use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::Handle;
use super::parts::AnyStop;
use crate::adapter::{Adapter, Capabilities, Failure};

/// What an adapter knows without a loop.
pub(super) trait Facility: Send + Sync {
    fn version(&self) -> String;
    fn capabilities(&self) -> Capabilities;
    fn make(&self) -> Result<Box<dyn Loop>, Failure>;
}

/// The facility of an adapter.
pub(super) struct Of<A>(PhantomData<fn() -> A>);

impl<A: Adapter> Of<A> {
    pub(super) const FACILITY: Self = Of(PhantomData);
}

impl<A: Adapter> Facility for Of<A> {
    fn version(&self) -> String {
        A::version()
    }

    fn capabilities(&self) -> Capabilities {
        A::capabilities()
    }

    fn make(&self) -> Result<Box<dyn Loop>, Failure> {
        Ok(Box::new(LoopOf(A::new()?)))
    }
}

/// A loop.
pub(super) trait Loop {
    fn handle(&self) -> Handle;
    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure>;
    fn stopper(&self) -> Result<AnyStop, Failure>;
    fn run(
        &mut self,
        timeout: Option<Duration>,
        each: &mut dyn FnMut(&Handle),
    ) -> Result<(), Failure>;
    fn as_fd(&self) -> Result<BorrowedFd<'_>, Failure>;
}

/// The loop of an adapter.
struct LoopOf<A>(A);

impl<A: Adapter> Loop for LoopOf<A> {
    fn handle(&self) -> Handle {
        Handle::of::<A>(&self.0.handle())
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        self.0.dispatch(timeout)
    }

    fn stopper(&self) -> Result<AnyStop, Failure> {
        self.0.stopper().map(AnyStop::new)
    }

    fn run(
        &mut self,
        timeout: Option<Duration>,
        each: &mut dyn FnMut(&Handle),
    ) -> Result<(), Failure> {
        self.0.run(timeout, |handle| each(&Handle::of::<A>(handle)))
    }

    fn as_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        self.0.as_fd()
    }
}
