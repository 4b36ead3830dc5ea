//! Holds the loop to the rules of a callback event loop.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use conformance::adapter::{
    self, Adapter, CancelIdle, Capabilities, Capability, Failure, Interest, Mode, Next, Readiness,
    TimerNext,
};
use poll_loop::{Directions, Id, Ping, PollLoop};

fn main() -> ExitCode {
    conformance::main::<Subject>()
}

/// The loop, in a type of this crate, so that it can have the trait.
struct Subject(PollLoop);

impl Adapter for Subject {
    const NAME: &'static str = "poll-loop";

    type Handle = PollLoop;
    type Source = Id;

    fn version() -> String {
        env!("CARGO_PKG_VERSION").to_string()
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Level,
            Capability::EmptyInterest,
            Capability::NestedLoops,
            Capability::Timers,
            Capability::ImmediateTimers,
            Capability::Deadlines,
            Capability::DeadlineTold,
            Capability::TimerRepeat,
            Capability::DeadlineOrder,
            Capability::EqualDeadlinesFifo,
            Capability::SubMillisecondTimers,
            Capability::TimersAndFdsTogether,
            Capability::Ping,
            Capability::Idle,
            Capability::IdleCancel,
            Capability::IdleOrder,
            Capability::IdleAfterEvents,
            Capability::IdleEveryDispatch,
            Capability::IdlePreventsSleep,
            Capability::OneWaitADispatch,
        ])
    }

    fn new() -> Result<Self, Failure> {
        Ok(Subject(PollLoop::new()?))
    }

    fn handle(&self) -> PollLoop {
        self.0.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        Ok(self.0.dispatch(timeout)?)
    }

    fn insert_fd<F>(
        handle: &PollLoop,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        mut callback: F,
    ) -> Result<Id, Failure>
    where
        F: FnMut(&PollLoop, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        if mode != Mode::Level {
            return Err(Failure::Unsupported);
        }
        let directions = Directions {
            read: matches!(interest, Interest::Read | Interest::Both),
            write: matches!(interest, Interest::Write | Interest::Both),
        };
        Ok(handle.watch(fd, directions, move |handle, fd, ready| {
            let readiness = Readiness { readable: ready.read, writable: ready.write };
            // Without post-actions and fallible callbacks, every answer is to go on.
            let _ = callback(handle, fd, readiness);
        }))
    }

    fn insert_timer<F>(handle: &PollLoop, delay: Duration, callback: F) -> Result<Id, Failure>
    where
        F: FnMut(&PollLoop, Option<Instant>) -> TimerNext + 'static,
    {
        Ok(timer(handle, Instant::now().checked_add(delay), callback))
    }

    fn remove(handle: &PollLoop, source: Id) {
        handle.remove(source);
    }

    fn insert_deadline<F>(handle: &PollLoop, deadline: Instant, callback: F) -> Result<Id, Failure>
    where
        F: FnMut(&PollLoop, Option<Instant>) -> TimerNext + 'static,
    {
        Ok(timer(handle, Some(deadline), callback))
    }

    fn insert_ping<F>(handle: &PollLoop, callback: F) -> Result<(impl adapter::Ping, Id), Failure>
    where
        F: FnMut(&PollLoop) + 'static,
    {
        let (ping, id) = handle.ping(callback);
        Ok((Pinger(ping), id))
    }

    fn insert_idle<F>(handle: &PollLoop, callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&PollLoop) + 'static,
    {
        Ok(Idle(handle.clone(), handle.idle(callback)))
    }
}

fn timer<F>(handle: &PollLoop, deadline: Option<Instant>, mut callback: F) -> Id
where
    F: FnMut(&PollLoop, Option<Instant>) -> TimerNext + 'static,
{
    handle.timer(deadline, move |handle, deadline| match callback(handle, Some(deadline)) {
        TimerNext::Stop => None,
        TimerNext::After(delay) => Instant::now().checked_add(delay),
        TimerNext::At(deadline) => Some(deadline),
    })
}

#[derive(Clone)]
struct Pinger(Ping);

impl adapter::Ping for Pinger {
    fn ping(&self) {
        self.0.ping();
    }
}

struct Idle(PollLoop, Id);

impl CancelIdle for Idle {
    fn cancel(self) {
        self.0.remove(self.1);
    }
}
