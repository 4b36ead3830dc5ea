//! Messages from another thread at a fixed rate, to a loop that has nothing else to do or one whose
//! other channel is full each time.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, ChannelEvent, Failure, Sender as _};
use reports::record::Subject;

use super::{Scenario, Sends, Spec, Stage};
use crate::baselines::{Kernel, Poller};
use crate::raw;

/// How many messages of the neighbour wait at each dispatch. Were they sent again as they come, a
/// loop that empties a channel before it looks at others would never get to them.
const FLOOD: u64 = 1_000;

#[derive(Copy, Clone)]
pub(super) struct Channel {
    /// Messages a second.
    pub(super) rate: u64,
    pub(super) is_flooded: bool,
}

impl Scenario for Channel {
    fn spec(self) -> Spec {
        let neighbour = if self.is_flooded { ",neighbour=flood" } else { "" };
        Spec {
            name: "channel-latency",
            parameters: format!("rate={}k{neighbour}", self.rate / 1_000),
            about: "another thread sends a message; a thousand others may wait in another channel of \
                    the loop at each dispatch",
            period: Duration::from_secs(1) / self.rate as u32,
            sends: Sends::Freely,
            is_loaded: false,
            needs: &[Capability::Channel],
            floor: Subject { name: "std-mpsc+eventfd".to_string(), version: "std".to_string() },
        }
    }

    fn on<A: Adapter>(self, stage: &Stage) -> Result<(), Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let fill = self.is_flooded.then(|| neighbour::<A>(&handle)).transpose()?;
        let watch = stage.watch();
        let (sender, _) = A::insert_channel(&handle, move |_, event| {
            if let ChannelEvent::Message(number) = event {
                watch.saw_number(number);
            }
        })?;
        stage.sent_by(move |number| sender.send(number).map_err(|_| refused()));
        while !stage.is_over() {
            fill.iter().try_for_each(|fill| fill())?;
            event_loop.dispatch(None)?;
        }
        Ok(())
    }

    fn floor(self, stage: &Stage) -> Result<(), Failure> {
        let (sender, receiver) = mpsc::channel();
        let (fill, neighbour) = mpsc::channel();
        let mut poller = Kernel::new()?;
        let eventfd = Arc::new(raw::eventfd(0)?);
        poller.add(&*eventfd, 0)?;
        let written = eventfd.clone();
        stage.sent_by(move |number| {
            sender.send(number).map_err(|_| refused())?;
            raw::raise(&written)
        });
        let watch = stage.watch();
        while !stage.is_over() {
            let is_written = if self.is_flooded {
                (0..FLOOD).try_for_each(|_| fill.send(())).map_err(|_| refused())?;
                neighbour.try_iter().for_each(drop);
                poller.poll()?.count() > 0
            } else {
                poller.wait()?.count() > 0
            };
            if is_written {
                raw::clear(&eventfd)?;
                receiver.try_iter().for_each(|number| watch.saw_number(number));
            }
        }
        Ok(())
    }
}

/// Adds a channel to the loop, and returns what fills it up again.
fn neighbour<A: Adapter>(handle: &A::Handle) -> Result<impl Fn() -> Result<(), Failure>, Failure> {
    let waiting = Rc::new(Cell::new(0));
    let left = waiting.clone();
    let (sender, _) = A::insert_channel(handle, move |_, event| {
        if let ChannelEvent::Message(()) = event {
            left.set(left.get() - 1);
        }
    })?;
    Ok(move || {
        while waiting.get() < FLOOD {
            sender.send(()).map_err(|()| refused())?;
            waiting.set(waiting.get() + 1);
        }
        Ok(())
    })
}

fn refused() -> Failure {
    Failure::Other("the channel refused a message".to_string())
}
