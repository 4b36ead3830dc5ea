//! A burst of messages from the loop's own thread, then their delivery.

use std::rc::Rc;
use std::sync::mpsc;

use conformance::adapter::{Adapter, Capability, ChannelEvent, Failure, Sender as _};

use super::drain;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload, std_floor};

#[derive(Copy, Clone)]
pub(super) struct Channel {
    pub(super) burst: u64,
}

impl Workload for Channel {
    fn spec(self) -> Spec {
        Spec {
            name: "channel",
            parameters: format!("burst={}", self.burst),
            about: "messages sent one by one, then dispatches until all have come",
            per: "event",
            units: self.burst,
            events: self.burst,
            needs: &[Capability::Channel],
            floor: std_floor("std-mpsc"),
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let seen = tally.clone();
        let (sender, _) = A::insert_channel(&event_loop.handle(), move |_, event| {
            if let ChannelEvent::Message(number) = event {
                seen.saw_next(number);
            }
        })?;
        Ok(Run::new(tally.clone(), move || {
            for number in 0..self.burst {
                sender.send(number).map_err(|_| refused())?;
            }
            drain(&mut event_loop, &tally)
        }))
    }

    fn floor(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let (sender, receiver) = mpsc::channel();
        Ok(Run::new(tally.clone(), move || {
            for number in 0..self.burst {
                sender.send(number).map_err(|_| refused())?;
            }
            while let Ok(number) = receiver.try_recv() {
                tally.saw_next(number);
            }
            Ok(())
        }))
    }
}

fn refused() -> Failure {
    Failure::Other("the channel refused a message".to_string())
}
