//! How the sources of a program are inserted.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::act::failure;
use super::link::{pair, pipe};
use super::program::{Answer, Id, Kind, When};
use super::slot::Poster;
use super::stage::{Captured, Stage};
use super::state::{Event, instant};
use crate::adapter::{
    Adapter, CancelIdle, Capability, ChannelEvent, Failure, Interest, Mode, Next, Ping, Spawn,
    TimerNext,
};

impl<A: Adapter> Stage<A> {
    pub(super) fn insert(self: &Rc<Self>, handle: &A::Handle, id: Id) -> Result<(), Failure> {
        let captured = Captured { id, stage: self.clone() };
        let stage = self.clone();
        match self.program.sources[id].kind {
            Kind::Fd(interest, mode) => {
                let (near, far) = pair()?;
                let own = near.try_clone()?;
                self.insert_fd(handle, captured, near, interest, mode)?;
                let slot = &mut self.slots.borrow_mut()[id];
                (slot.near, slot.far) = (Some(own), Some(far));
                Ok(())
            }
            Kind::Pipe(mode) => {
                let (near, far) = pipe()?;
                self.insert_fd(handle, captured, near, Interest::Read, mode)?;
                self.slots.borrow_mut()[id].far = Some(far);
                Ok(())
            }
            Kind::Ping => {
                let (ping, source) = A::insert_ping(handle, move |handle| {
                    let _ = &captured;
                    stage.called(handle, id, Event::Pinged, None);
                })?;
                let slot = &mut self.slots.borrow_mut()[id];
                // A clone is as good, and its end is not that of all.
                slot.ping = Some(Arc::new(move || ping.clone().ping()));
                slot.source = Some(source);
                Ok(())
            }
            Kind::Channel { bound } => self.insert_channel(handle, captured, bound),
            Kind::Timer(when) => self.insert_timer(handle, captured, when),
            Kind::Idle => {
                let idle = A::insert_idle(handle, move |handle| {
                    stage.called(handle, id, Event::Idle, None);
                    drop(captured);
                })?;
                let can_cancel = self.has(Capability::IdleCancel);
                if can_cancel {
                    self.slots.borrow_mut()[id].cancel = Some(Box::new(|| idle.cancel()));
                }
                Ok(())
            }
            Kind::Signals(set) => {
                let source = A::insert_signals(handle, &set.numbers(), move |handle, event| {
                    let _ = &captured;
                    stage.called(handle, id, Event::Signal(event), None);
                })?;
                self.slots.borrow_mut()[id].source = Some(source);
                Ok(())
            }
            Kind::Executor => {
                let (spawn, source) = A::insert_executor(handle, move |handle, output: u32| {
                    let _ = &captured;
                    stage.called(handle, id, Event::Output(output), None);
                })?;
                let slot = &mut self.slots.borrow_mut()[id];
                slot.spawn = Some(Rc::new(move |future| spawn.spawn(future)));
                slot.source = Some(source);
                Ok(())
            }
        }
    }

    fn insert_fd(
        self: &Rc<Self>,
        handle: &A::Handle,
        captured: Captured<A>,
        near: OwnedFd,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        let (stage, id) = (self.clone(), captured.id);
        let source = A::insert_fd(handle, near, interest, mode, move |handle, fd, readiness| {
            let _ = &captured;
            match stage.called(handle, id, Event::Ready(readiness), Some(fd)) {
                Answer::Rearm => Next::Rearm,
                Answer::Disable => Next::Disable,
                Answer::Remove => Next::Remove,
                Answer::Fail => Next::Fail(failure(id)),
                Answer::Go | Answer::Again(_) | Answer::Panic => Next::Continue,
            }
        })?;
        self.slots.borrow_mut()[id].source = Some(source);
        Ok(())
    }

    fn insert_channel(
        self: &Rc<Self>,
        handle: &A::Handle,
        captured: Captured<A>,
        bound: Option<usize>,
    ) -> Result<(), Failure> {
        let (stage, id) = (self.clone(), captured.id);
        let callback = move |handle: &A::Handle, event: ChannelEvent<super::slot::Message>| {
            let _ = &captured;
            let event = match event {
                ChannelEvent::Message(message) => Event::Message(message.number),
                ChannelEvent::Closed => Event::Closed,
            };
            stage.called(handle, id, event, None);
        };
        let is_bounded = bound.is_some();
        match bound {
            None => {
                let (sender, source) = A::insert_channel(handle, callback)?;
                let slot = &mut self.slots.borrow_mut()[id];
                slot.sender = Some(Box::new(Poster { sender, is_bounded }));
                slot.source = Some(source);
            }
            Some(bound) => {
                let (sender, source) = A::insert_bounded_channel(handle, bound, callback)?;
                let slot = &mut self.slots.borrow_mut()[id];
                slot.sender = Some(Box::new(Poster { sender, is_bounded }));
                slot.source = Some(source);
            }
        }
        Ok(())
    }

    fn insert_timer(
        self: &Rc<Self>,
        handle: &A::Handle,
        captured: Captured<A>,
        when: When,
    ) -> Result<(), Failure> {
        let (stage, id) = (self.clone(), captured.id);
        let callback = move |handle: &A::Handle, deadline: Option<Instant>| {
            let _ = &captured;
            match stage.called(handle, id, Event::Expired(deadline), None) {
                Answer::Again(when) => match stage.exact(when) {
                    Some(deadline) => TimerNext::At(deadline),
                    None => TimerNext::After(when.delay()),
                },
                _ => TimerNext::Stop,
            }
        };
        let source = match self.exact(when) {
            Some(deadline) => A::insert_deadline(handle, deadline, callback)?,
            None => A::insert_timer(handle, when.delay(), callback)?,
        };
        self.slots.borrow_mut()[id].source = Some(source);
        Ok(())
    }

    /// The instant that stands for it, if the loop can be asked for one.
    fn exact(&self, when: When) -> Option<Instant> {
        instant(when, self.start).filter(|_| self.has(Capability::Deadlines))
    }
}
