//! Messages that other threads send while the loop receives: the cost of a message in a stream.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;

use conformance::adapter::{Adapter, Capability, ChannelEvent, Failure, Sender};

use super::await_all;
use super::crew::Crew;
use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{MadeOf, Repeats, Run, Spec, Workload};

/// How many messages all producers together send in an operation.
const MESSAGES: u64 = 10_000;

#[derive(Copy, Clone)]
pub(super) struct ChannelStreamed {
    pub(super) producers: u64,
    /// How many messages the channel has room for: the producers wait for the loop.
    pub(super) bound: Option<usize>,
}

/// A message: who sent it, and which of theirs it is.
type Message = (u32, u32);

impl ChannelStreamed {
    fn each(self) -> u64 {
        MESSAGES / self.producers
    }

    /// What tells the tally of messages, which are in order by producer.
    fn counted(self, tally: Rc<Tally>) -> impl Fn(Message) {
        let next: Vec<Cell<u32>> = (0..self.producers).map(|_| Cell::new(0)).collect();
        let each = self.each() as u32;
        move |(producer, number)| {
            let next = &next[producer as usize];
            if number != next.get() {
                tally.saw_disorder();
            }
            next.set(if number + 1 == each { 0 } else { number + 1 });
            tally.saw(u64::from(producer) * u64::from(each) + u64::from(number));
        }
    }

    /// The producers, each with its own sender.
    fn producers<S>(
        self,
        sender: &S,
        send: impl Fn(&S, Message) -> bool + Copy + Send + 'static,
    ) -> Crew
    where
        S: Clone + Send + 'static,
    {
        Crew::of((0..self.producers as u32).map(|producer| {
            let sender = sender.clone();
            move || {
                // What is refused is missed by the tally.
                let _ = (0..self.each() as u32).all(|number| send(&sender, (producer, number)));
            }
        }))
    }

    fn run<A: Adapter>(
        self,
        mut event_loop: A,
        sender: &impl Sender<Message>,
        tally: Rc<Tally>,
    ) -> Run {
        let crew = self.producers(sender, |sender, message| sender.send(message).is_ok());
        // The channel is not to close.
        let sender = sender.clone();
        Run::new(tally.clone(), move || {
            let _ = &sender;
            crew.begin();
            await_all(&mut event_loop, || tally.awaited())?;
            crew.await_end()
        })
    }
}

impl Workload for ChannelStreamed {
    fn spec(self) -> Spec {
        let ChannelStreamed { producers, bound } = self;
        let parameters = format!("producers={producers}");
        Spec {
            name: "channel-streamed",
            parameters: match bound {
                None => parameters,
                Some(bound) => format!("{parameters},bound={bound}"),
            },
            about: "10 000 messages sent by other threads, while the loop is dispatched until all \
                    have come",
            per: "event",
            units: self.each() * producers,
            events: self.each() * producers,
            needs: match bound {
                None => &[Capability::Channel],
                Some(_) => &[Capability::BoundedChannel],
            },
            floor: MadeOf::Std("std-mpsc"),
            is_extra: producers > 1 || bound.is_some(),
            repeats: Repeats::Never,
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let event_loop = A::new()?;
        let handle = event_loop.handle();
        let saw = self.counted(tally.clone());
        let callback = move |_: &A::Handle, event| {
            if let ChannelEvent::Message(message) = event {
                saw(message);
            }
        };
        if let Some(bound) = self.bound {
            let (sender, _) = A::insert_bounded_channel(&handle, bound, callback)?;
            Ok(self.run(event_loop, &sender, tally))
        } else {
            let (sender, _) = A::insert_channel(&handle, callback)?;
            Ok(self.run(event_loop, &sender, tally))
        }
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let saw = self.counted(tally.clone());
        let (crew, receiver) = if let Some(bound) = self.bound {
            let (sender, receiver) = mpsc::sync_channel(bound);
            (self.producers(&sender, |sender, message| sender.send(message).is_ok()), receiver)
        } else {
            let (sender, receiver) = mpsc::channel();
            (self.producers(&sender, |sender, message| sender.send(message).is_ok()), receiver)
        };
        Ok(Run::new(tally.clone(), move || {
            crew.begin();
            while tally.awaited() > 0 {
                let message = receiver.recv();
                saw(message.map_err(|_| Failure::Other("the producers are gone".to_string()))?);
            }
            crew.await_end()
        }))
    }
}
