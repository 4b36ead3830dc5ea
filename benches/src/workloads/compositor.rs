//! One frame of a compositor: input that puts a timer off, messages, a frame timer, idle work.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use conformance::adapter::{
    Adapter, Capability, ChannelEvent, Failure, Interest, Mode, Next, Sender as _, TimerNext,
};

use super::{WRONG, drain};
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Repeats, Run, Spec, Workload};

/// Input at 1 kHz, frames at 60 Hz.
const INPUTS: u64 = 16;
const CHANNELS: u64 = 4;

/// The events of a frame, in their order: the inputs, a message of each channel, and these.
const FRAME: u64 = INPUTS + CHANNELS;
const IDLE: u64 = FRAME + 1;

/// When a key that is held begins to repeat: every input puts it off. It is never due here, however
/// slow the machine.
const REPEAT: Duration = Duration::from_secs(3600);

#[derive(Copy, Clone)]
pub(super) struct Compositor;

/// What carries the input; a read of what is not there is a mistake, and no reason to wait.
fn input() -> Result<(OwnedFd, OwnedFd), Failure> {
    raw::nonblocking_pipe()
}

impl Workload for Compositor {
    fn spec(self) -> Spec {
        Spec {
            name: "compositor",
            about: "a frame: 16 inputs, each dispatched alone, at which a timer is cancelled and \
                    another inserted; then a message on each of four channels, a timer for the frame \
                    and an idle callback, dispatched together",
            per: "frame",
            units: 1,
            events: IDLE + 1,
            needs: &[Capability::Level, Capability::Channel, Capability::Idle],
            is_extra: true,
            // What is plugged in writes the input.
            uncounted: vec![("write", INPUTS)],
            repeats: Repeats::ButForTheClock,
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let (reader, writer) = input()?;
        let wrong = tally.clone();
        let insert_repeat = move |handle: &A::Handle| {
            let tally = wrong.clone();
            A::insert_timer(handle, REPEAT, move |_, _| {
                tally.saw(WRONG);
                TimerNext::Stop
            })
        };
        let repeat = RefCell::new(insert_repeat(&handle)?);
        let seen = tally.clone();
        A::insert_fd(&handle, reader, Interest::Read, Mode::Level, move |handle, fd, _| {
            let mut number = [0];
            match rustix::io::read(fd, &mut number) {
                Ok(1) => seen.saw_next(number[0].into()),
                _ => seen.saw(WRONG),
            }
            let Ok(anew) = insert_repeat(handle) else {
                return Next::Fail("no timer could be inserted");
            };
            A::remove(handle, repeat.replace(anew));
            Next::Continue
        })?;
        let mut senders = Vec::new();
        for _ in 0..CHANNELS {
            let seen = tally.clone();
            let (sender, _) = A::insert_channel(&handle, move |_, event| {
                if let ChannelEvent::Message(number) = event {
                    seen.saw(number);
                }
            })?;
            senders.push(sender);
        }
        Ok(Run::new(tally.clone(), move || {
            for number in 0..INPUTS {
                rustix::io::write(&writer, &[number as u8])?;
                event_loop.dispatch(Some(Duration::ZERO))?;
            }
            for (sender, number) in senders.iter().zip(INPUTS..) {
                sender
                    .send(number)
                    .map_err(|_| Failure::Other("a channel refused a message".to_string()))?;
            }
            let seen = tally.clone();
            A::insert_timer(&handle, Duration::ZERO, move |_, _| {
                seen.saw(FRAME);
                TimerNext::Stop
            })?;
            let seen = tally.clone();
            let _ = A::insert_idle(&handle, move |_| seen.saw(IDLE))?;
            drain(&mut event_loop, &tally)
        }))
    }

    /// One timer of each kind needs no queue, and messages of the same thread need no wake-up.
    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let (reader, writer) = input()?;
        poller.add(&reader, 0)?;
        let channels: Vec<_> = (0..CHANNELS).map(|_| mpsc::channel()).collect();
        let mut repeat = Instant::now() + REPEAT;
        Ok(Run::new(tally.clone(), move || {
            for number in 0..INPUTS {
                rustix::io::write(&writer, &[number as u8])?;
                for _ in poller.poll()? {
                    let mut number = [0];
                    rustix::io::read(&reader, &mut number)?;
                    tally.saw_next(number[0].into());
                    repeat = Instant::now() + REPEAT;
                }
            }
            for ((sender, _), number) in channels.iter().zip(INPUTS..) {
                let _ = sender.send(number);
            }
            tally.saw_all(poller.poll()?);
            for (_, receiver) in &channels {
                receiver.try_iter().for_each(|number| tally.saw(number));
            }
            if Instant::now() < repeat {
                tally.saw(FRAME);
            }
            tally.saw(IDLE);
            Ok(())
        }))
    }
}
