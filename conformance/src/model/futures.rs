//! The futures of a program.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use rustix::fs::fcntl_getfl;
use rustix::io::ioctl_fionbio;

use super::link::{drain, fill, pair, transfer, write};
use super::program::{Future, Id, SLEEP};
use super::slot::Gate;
use super::spec::Outcome;
use super::stage::Stage;
use crate::adapter::{Adapter, Failure};

/// What a future awaits.
type Wait = Pin<Box<dyn std::future::Future<Output = ()>>>;

impl<A: Adapter> Stage<A> {
    pub(super) fn spawn(self: &Rc<Self>, handle: &A::Handle, id: Id, future: Future) -> Outcome {
        let Some(spawn) = self.slots.borrow()[id].spawn.clone() else { return Outcome::Failed };
        let begun = Instant::now();
        let Ok(mut wait) = self.wait_of(handle, id, future) else { return Outcome::Failed };
        let gate = Arc::new(Gate::new(future != Future::Gated));
        let task = self.slots.borrow()[id].gates.len() as u32;
        self.slots.borrow_mut()[id].gates.push(gate.clone());
        let (stage, alive) = (self.clone(), self.alive.clone());
        let boxed = poll_fn(move |context: &mut Context<'_>| {
            let _ = &alive;
            stage.polled(id, task, future);
            let is_over = match &mut wait {
                Some(wait) => wait.as_mut().poll(context),
                None => gate.poll(context),
            };
            is_over.map(|()| task)
        });
        if !spawn(Box::pin(boxed)) {
            self.slots.borrow_mut()[id].gates.pop();
            return Outcome::Closed;
        }
        self.model.borrow_mut().spawned(id, future, begun);
        Outcome::Done
    }

    /// What a future awaits of the loop.
    fn wait_of(
        self: &Rc<Self>,
        handle: &A::Handle,
        id: Id,
        future: Future,
    ) -> Result<Option<Wait>, Failure> {
        if future == Future::Sleeps {
            return Ok(Some(Box::pin(A::sleep(handle, SLEEP)?)));
        }
        if !matches!(future, Future::Reads | Future::Writes) {
            return Ok(None);
        }
        let (near, far) = pair()?;
        let is_writing = future == Future::Writes;
        if is_writing {
            fill(&near);
        } else {
            // Then it has to be, and be as it was in the end.
            ioctl_fionbio(&near, false)?;
        }
        let flags = fcntl_getfl(&near)?;
        let io = A::adapt_io(handle, near)?;
        self.slots.borrow_mut()[id].feeds.push_back((far, future));
        let stage = self.clone();
        Ok(Some(Box::pin(async move {
            let near = transfer(io, is_writing).await;
            let left = fcntl_getfl(&near);
            if left != Ok(flags) {
                let expected = format!("a descriptor to come back as it was: {flags:?}");
                stage.model.borrow_mut().deviate(expected, format!("{left:?}"));
            }
        })))
    }

    pub(super) fn feed_future(&self, id: Id) -> Outcome {
        let fed = self.slots.borrow_mut()[id].feeds.pop_front();
        let Some((far, future)) = fed else { return Outcome::Failed };
        match future {
            Future::Writes => drain(&far),
            // If it was dropped meanwhile nobody reads it.
            _ => drop(write(&far, 1)),
        }
        self.slots.borrow_mut()[id].fed.push(far);
        Outcome::Done
    }

    /// The oldest future of an executor that waits to be opened.
    pub(super) fn next_gate(&self, id: Id) -> Option<u32> {
        let slots = self.slots.borrow();
        let gate = slots[id].gates.iter().position(|gate| !gate.is_open())?;
        Some(gate as u32)
    }

    pub(super) fn open(&self, id: Id) -> Outcome {
        let Some(task) = self.next_gate(id) else { return Outcome::Failed };
        let gate = self.slots.borrow()[id].gates[task as usize].clone();
        self.model.borrow_mut().opened(id, task);
        gate.open();
        Outcome::Done
    }
}
