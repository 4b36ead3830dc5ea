//! The lives of sources on a loop.

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{
    Adapter, CancelIdle as _, ChannelEvent, Failure, Interest, Next, Ping, Sender, Spawn, TimerNext,
};

use super::{FAR, Kind, SourceLife, refused};
use crate::raw;
use crate::tally::{Fault, Tally};
use crate::workload::{Measure, Run};
use crate::workloads::due::Due;
use crate::workloads::signal::SIGNAL;
use crate::workloads::{drain, reading_mode};

pub(super) fn prepare<A: Adapter>(life: SourceLife, tally: Rc<Tally>) -> Result<Run, Failure> {
    let mut lives = Lives { life, event_loop: A::new()?, tally: tally.clone() };
    Ok(Run::in_part(tally, move |measure| match life.kind {
        Kind::Fd => lives.fd(measure),
        Kind::Timer => lives.timer(measure),
        Kind::Ping => lives.ping(measure),
        Kind::Channel => lives.channel(measure),
        Kind::Idle => lives.idle(measure),
        Kind::Executor => lives.executor(measure),
        Kind::Signal => lives.signal(measure),
    }))
}

struct Lives<A> {
    life: SourceLife,
    event_loop: A,
    tally: Rc<Tally>,
}

impl<A: Adapter> Lives<A> {
    /// How each is inserted, prompted to be called, and removed.
    fn live<T>(
        &mut self,
        measure: Measure<'_>,
        create: impl FnMut(u64) -> Result<T, Failure>,
        prompt: impl Fn(&T, u64) -> Result<(), Failure>,
        remove: impl Fn(T),
    ) -> Result<(), Fault> {
        let event_loop = std::cell::RefCell::new(&mut self.event_loop);
        let invoke = |living: &mut Vec<T>| {
            living.iter().zip(0..).try_for_each(|(source, number)| prompt(source, number))?;
            drain(&mut **event_loop.borrow_mut(), &self.tally)
        };
        let destroy = |source| {
            remove(source);
            Ok(())
        };
        let look = || event_loop.borrow_mut().dispatch(Some(Duration::ZERO));
        self.life.live(measure, create, invoke, destroy, look)
    }

    fn fd(&mut self, measure: Measure<'_>) -> Result<(), Fault> {
        let (handle, seen) = (&self.event_loop.handle(), self.tally.clone());
        let mode = reading_mode::<A>();
        let create = |number| {
            let (fd, tally) = (raw::eventfd(1)?, seen.clone());
            A::insert_fd(handle, fd, Interest::Read, mode, move |_, fd, _| {
                tally.saw(number);
                match raw::clear(fd) {
                    Ok(()) => Next::Continue,
                    Err(_) => Next::Fail("an eventfd could not be read"),
                }
            })
        };
        self.live(measure, create, |_, _| Ok(()), |source| A::remove(handle, source))
    }

    fn timer(&mut self, measure: Measure<'_>) -> Result<(), Fault> {
        let (handle, seen) = (&self.event_loop.handle(), self.tally.clone());
        let due = Due::on::<A>();
        let create = |number| {
            let tally = seen.clone();
            due.insert::<A, _>(handle, move |_, _| {
                tally.saw(number);
                TimerNext::After(FAR)
            })
        };
        self.live(measure, create, |_, _| Ok(()), |source| A::remove(handle, source))
    }

    fn ping(&mut self, measure: Measure<'_>) -> Result<(), Fault> {
        let (handle, seen) = (&self.event_loop.handle(), self.tally.clone());
        let create = |number| {
            let tally = seen.clone();
            A::insert_ping(handle, move |_| tally.saw(number))
        };
        self.live(measure, create, ping, |(_ping, source)| A::remove(handle, source))
    }

    fn channel(&mut self, measure: Measure<'_>) -> Result<(), Fault> {
        let (handle, seen) = (&self.event_loop.handle(), self.tally.clone());
        let create = |_| {
            let tally = seen.clone();
            A::insert_channel(handle, move |_, event| {
                if let ChannelEvent::Message(number) = event {
                    tally.saw(number);
                }
            })
        };
        self.live(measure, create, send, |(_sender, source)| A::remove(handle, source))
    }

    fn idle(&mut self, measure: Measure<'_>) -> Result<(), Fault> {
        let (handle, seen) = (&self.event_loop.handle(), self.tally.clone());
        let create = |number| {
            let tally = seen.clone();
            A::insert_idle(handle, move |_| tally.saw(number))
        };
        self.live(measure, create, |_, _| Ok(()), |idle| idle.cancel())
    }

    fn executor(&mut self, measure: Measure<'_>) -> Result<(), Fault> {
        let (handle, seen) = (&self.event_loop.handle(), self.tally.clone());
        let create = |_| {
            let tally = seen.clone();
            A::insert_executor(handle, move |_, number| tally.saw(number))
        };
        self.live(measure, create, spawn, |(_executor, source)| A::remove(handle, source))
    }

    fn signal(&mut self, measure: Measure<'_>) -> Result<(), Fault> {
        let (handle, seen) = (&self.event_loop.handle(), self.tally.clone());
        let create = |number| {
            let tally = seen.clone();
            A::insert_signals(handle, &[SIGNAL as i32], move |_, _| tally.saw(number))
        };
        let prompt = |_: &_, _| raw::signal_this_thread(SIGNAL as i32);
        self.live(measure, create, prompt, |source| A::remove(handle, source))
    }
}

fn ping<S>((ping, _): &(impl Ping, S), _: u64) -> Result<(), Failure> {
    ping.ping();
    Ok(())
}

fn send<S>((sender, _): &(impl Sender<u64>, S), number: u64) -> Result<(), Failure> {
    sender.send(number).map_err(|_| refused("a message"))
}

fn spawn<S>((executor, _): &(impl Spawn<u64>, S), number: u64) -> Result<(), Failure> {
    match executor.spawn(async move { number }) {
        true => Ok(()),
        false => Err(refused("a future")),
    }
}
