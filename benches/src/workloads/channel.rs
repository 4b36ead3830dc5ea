//! A burst of messages from the loop's own thread, then their delivery.

use std::rc::Rc;
use std::sync::mpsc::{self, TrySendError};

use conformance::adapter::{Adapter, Capability, ChannelEvent, Failure, Refusal, Sender};

use super::{WRONG, drain};
use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{MadeOf, Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct Channel {
    pub(super) burst: u64,
    /// The channel has room for as many, and one more is refused.
    pub(super) is_bounded: bool,
}

impl Channel {
    fn run<A: Adapter>(self, mut event_loop: A, sender: impl Sender<u64>, tally: Rc<Tally>) -> Run {
        Run::new(tally.clone(), move || {
            for number in 0..self.burst {
                sender.send(number).map_err(|_| refused())?;
            }
            if self.is_bounded && sender.try_send(WRONG) != Err(Refusal::Full(WRONG)) {
                return Err(taken());
            }
            drain(&mut event_loop, &tally)
        })
    }
}

impl Workload for Channel {
    fn spec(self) -> Spec {
        let Channel { burst, is_bounded } = self;
        let spec = Spec {
            name: "channel",
            parameters: format!("burst={burst}"),
            about: "messages sent one by one, then dispatches until all have come",
            per: "event",
            units: burst,
            events: burst,
            needs: &[Capability::Channel],
            floor: MadeOf::Std("std-mpsc"),
            is_extra: is_bounded || ![8, 1_000].contains(&burst),
            ..Spec::default()
        };
        match is_bounded {
            false => spec,
            true => Spec {
                parameters: format!("burst={burst},bound={burst}"),
                about: "a bounded channel filled and full, then dispatches until all have come",
                needs: &[Capability::BoundedChannel],
                ..spec
            },
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let event_loop = A::new()?;
        let handle = event_loop.handle();
        let seen = tally.clone();
        let callback = move |_: &A::Handle, event| {
            if let ChannelEvent::Message(number) = event {
                seen.saw_next(number);
            }
        };
        if self.is_bounded {
            let bound = self.burst as usize;
            let (sender, _) = A::insert_bounded_channel(&handle, bound, callback)?;
            Ok(self.run(event_loop, sender, tally))
        } else {
            let (sender, _) = A::insert_channel(&handle, callback)?;
            Ok(self.run(event_loop, sender, tally))
        }
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        if self.is_bounded {
            let (sender, receiver) = mpsc::sync_channel(self.burst as usize);
            return Ok(Run::new(tally.clone(), move || {
                for number in 0..self.burst {
                    sender.send(number).map_err(|_| refused())?;
                }
                if sender.try_send(WRONG) != Err(TrySendError::Full(WRONG)) {
                    return Err(taken());
                }
                while let Ok(number) = receiver.try_recv() {
                    tally.saw_next(number);
                }
                Ok(())
            }));
        }
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

fn taken() -> Failure {
    Failure::Other("the channel was full and took a message".to_string())
}
