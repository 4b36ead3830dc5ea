//! What a handle of any type does.

use std::any::Any;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::parts::{
    AnyAsyncFd, AnyPing, AnySend, AnySleep, AnyValue, Cancel, Receiver, Spawner, Transmitter,
};
use super::{Handle, Source};
use crate::adapter::{Adapter, Failure, Interest, Mode, Next, Readiness, SignalEvent, TimerNext};

type OfFd = Box<dyn FnMut(&Handle, BorrowedFd<'_>, Readiness) -> Next>;
type OfTimer = Box<dyn FnMut(&Handle, Option<Instant>) -> TimerNext>;
type OfPing = Box<dyn FnMut(&Handle)>;
type OfIdle = Box<dyn FnOnce(&Handle)>;
type OfSignals = Box<dyn FnMut(&Handle, SignalEvent)>;
type OfExecutor = Box<dyn FnMut(&Handle, AnyValue)>;

/// The operations of an adapter that take a handle; a channel without bound is one without limit.
pub(super) trait Operations {
    fn another(&self) -> Handle;
    fn insert_fd(
        &self,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        callback: OfFd,
    ) -> Result<Source, Failure>;
    fn insert_timer(&self, delay: Duration, callback: OfTimer) -> Result<Source, Failure>;
    fn insert_deadline(&self, deadline: Instant, callback: OfTimer) -> Result<Source, Failure>;
    fn reset_timer(&self, source: &Source, delay: Duration) -> Result<(), Failure>;
    fn remove(&self, source: Source);
    fn disable(&self, source: &Source) -> Result<(), Failure>;
    fn enable(&self, source: &Source) -> Result<(), Failure>;
    fn update_fd(&self, source: &Source, interest: Interest, mode: Mode) -> Result<(), Failure>;
    fn insert_ping(&self, callback: OfPing) -> Result<(AnyPing, Source), Failure>;
    fn insert_channel(
        &self,
        bound: Option<usize>,
        callback: Receiver,
    ) -> Result<(Box<dyn Transmitter>, Source), Failure>;
    fn insert_idle(&self, callback: OfIdle) -> Result<Cancel, Failure>;
    fn insert_signals(&self, signals: &[i32], callback: OfSignals) -> Result<Source, Failure>;
    fn set_signals(&self, source: &Source, signals: &[i32]) -> Result<(), Failure>;
    fn insert_executor(&self, callback: OfExecutor) -> Result<(Box<dyn Spawner>, Source), Failure>;
    fn adapt_io(&self, fd: OwnedFd) -> Result<AnyAsyncFd, Failure>;
    fn sleep(&self, delay: Duration) -> Result<AnySleep, Failure>;
}

/// The name of a source.
pub(super) trait Name: Any {
    fn another(&self) -> Box<dyn Name>;
}

impl<S: Clone + 'static> Name for S {
    fn another(&self) -> Box<dyn Name> {
        Box::new(self.clone())
    }
}

/// The handle of an adapter.
struct HandleOf<A: Adapter>(A::Handle);

impl Handle {
    /// A handle that reaches the same loop.
    pub(super) fn of<A: Adapter>(handle: &A::Handle) -> Self {
        Handle(Box::new(HandleOf::<A>(handle.clone())))
    }
}

const OF_ITS_KIND: &str = "a source is used with a loop of its kind";

impl Source {
    fn of<A: Adapter>(source: A::Source) -> Self {
        Source(Box::new(source))
    }

    fn known<A: Adapter>(&self) -> &A::Source {
        let name: &dyn Any = &*self.0;
        name.downcast_ref().expect(OF_ITS_KIND)
    }

    fn into_known<A: Adapter>(self) -> A::Source {
        let name: Box<dyn Any> = self.0;
        *name.downcast().expect(OF_ITS_KIND)
    }
}

impl<A: Adapter> Operations for HandleOf<A> {
    fn another(&self) -> Handle {
        Handle::of::<A>(&self.0)
    }

    fn insert_fd(
        &self,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        mut callback: OfFd,
    ) -> Result<Source, Failure> {
        let callback = move |handle: &A::Handle, fd: BorrowedFd<'_>, ready| {
            callback(&Handle::of::<A>(handle), fd, ready)
        };
        A::insert_fd(&self.0, fd, interest, mode, callback).map(Source::of::<A>)
    }

    fn insert_timer(&self, delay: Duration, callback: OfTimer) -> Result<Source, Failure> {
        A::insert_timer(&self.0, delay, of_timer::<A>(callback)).map(Source::of::<A>)
    }

    fn insert_deadline(&self, deadline: Instant, callback: OfTimer) -> Result<Source, Failure> {
        A::insert_deadline(&self.0, deadline, of_timer::<A>(callback)).map(Source::of::<A>)
    }

    fn reset_timer(&self, source: &Source, delay: Duration) -> Result<(), Failure> {
        A::reset_timer(&self.0, source.known::<A>(), delay)
    }

    fn remove(&self, source: Source) {
        A::remove(&self.0, source.into_known::<A>());
    }

    fn disable(&self, source: &Source) -> Result<(), Failure> {
        A::disable(&self.0, source.known::<A>())
    }

    fn enable(&self, source: &Source) -> Result<(), Failure> {
        A::enable(&self.0, source.known::<A>())
    }

    fn update_fd(&self, source: &Source, interest: Interest, mode: Mode) -> Result<(), Failure> {
        A::update_fd(&self.0, source.known::<A>(), interest, mode)
    }

    fn insert_ping(&self, mut callback: OfPing) -> Result<(AnyPing, Source), Failure> {
        let callback = move |handle: &A::Handle| callback(&Handle::of::<A>(handle));
        let (ping, source) = A::insert_ping(&self.0, callback)?;
        Ok((AnyPing::new(ping), Source::of::<A>(source)))
    }

    fn insert_channel(
        &self,
        bound: Option<usize>,
        mut callback: Receiver,
    ) -> Result<(Box<dyn Transmitter>, Source), Failure> {
        let callback = move |handle: &A::Handle, event| callback(&Handle::of::<A>(handle), event);
        match bound {
            None => {
                let (sender, source) = A::insert_channel(&self.0, callback)?;
                Ok((Box::new(AnySend(sender)), Source::of::<A>(source)))
            }
            Some(bound) => {
                let (sender, source) = A::insert_bounded_channel(&self.0, bound, callback)?;
                Ok((Box::new(AnySend(sender)), Source::of::<A>(source)))
            }
        }
    }

    fn insert_idle(&self, callback: OfIdle) -> Result<Cancel, Failure> {
        let callback = move |handle: &A::Handle| callback(&Handle::of::<A>(handle));
        A::insert_idle(&self.0, callback).map(Cancel::new)
    }

    fn insert_signals(&self, signals: &[i32], mut callback: OfSignals) -> Result<Source, Failure> {
        let callback = move |handle: &A::Handle, event| callback(&Handle::of::<A>(handle), event);
        A::insert_signals(&self.0, signals, callback).map(Source::of::<A>)
    }

    fn set_signals(&self, source: &Source, signals: &[i32]) -> Result<(), Failure> {
        A::set_signals(&self.0, source.known::<A>(), signals)
    }

    fn insert_executor(
        &self,
        mut callback: OfExecutor,
    ) -> Result<(Box<dyn Spawner>, Source), Failure> {
        let callback = move |handle: &A::Handle, value| callback(&Handle::of::<A>(handle), value);
        let (spawner, source) = A::insert_executor(&self.0, callback)?;
        Ok((Box::new(spawner), Source::of::<A>(source)))
    }

    fn adapt_io(&self, fd: OwnedFd) -> Result<AnyAsyncFd, Failure> {
        A::adapt_io(&self.0, fd).map(AnyAsyncFd::new)
    }

    fn sleep(&self, delay: Duration) -> Result<AnySleep, Failure> {
        Ok(Box::pin(A::sleep(&self.0, delay)?))
    }
}

fn of_timer<A: Adapter>(
    mut callback: OfTimer,
) -> impl FnMut(&A::Handle, Option<Instant>) -> TimerNext {
    move |handle, deadline| callback(&Handle::of::<A>(handle), deadline)
}
