//! Bytes that go from pipe to pipe along a ring: events that cause the next.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use conformance::adapter::{Adapter, Capability, Failure, Interest, Next};

use super::{WRONG, drain, reading_mode};
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct Cascade {
    /// A multiple of the others.
    pub(super) pipes: u64,
    /// How many bytes are on their way at once, each on a part of the ring.
    pub(super) active: u64,
}

/// Readers and writers.
type Pipes = (Vec<OwnedFd>, Vec<OwnedFd>);

impl Cascade {
    fn pipes(self) -> Result<Pipes, Failure> {
        // A read of what is not there is a mistake, and no reason to wait.
        let pipes: Result<Vec<_>, _> = (0..self.pipes).map(|_| raw::nonblocking_pipe()).collect();
        Ok(pipes?.into_iter().unzip())
    }

    fn steps(self) -> u64 {
        self.pipes / self.active
    }

    /// Where the byte goes from this pipe, unless it has come to the end of its part.
    fn next(self, number: u64) -> Option<usize> {
        let next = number + 1;
        (next % self.steps() != 0).then_some(next as usize)
    }

    /// Puts a byte at the beginning of each part.
    fn start(self, writers: &[OwnedFd]) -> Result<(), Failure> {
        writers.iter().step_by(self.steps() as usize).try_for_each(|writer| {
            rustix::io::write(writer, &[0])?;
            Ok(())
        })
    }
}

impl Workload for Cascade {
    fn spec(self) -> Spec {
        let Cascade { pipes, active } = self;
        Spec {
            name: "cascade",
            parameters: format!("pipes={pipes},active={active}"),
            about: "bytes written into some pipes of a ring, each of which is read and written into \
                    the next pipe, until every pipe had one",
            per: "event",
            units: pipes,
            events: pipes,
            needs: &[Capability::Descriptors],
            is_extra: true,
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let (readers, writers) = self.pipes()?;
        let writers = Rc::new(writers);
        let mode = reading_mode::<A>();
        for (reader, number) in readers.into_iter().zip(0..) {
            let (tally, writers) = (tally.clone(), writers.clone());
            A::insert_fd(&handle, reader, Interest::Read, mode, move |_, fd, _| {
                let read = rustix::io::read(fd, &mut [0]);
                tally.saw(if read == Ok(1) { number } else { WRONG });
                match self.next(number).map(|next| rustix::io::write(&writers[next], &[0])) {
                    Some(Err(_)) => Next::Fail("a pipe could not be written"),
                    _ => Next::Continue,
                }
            })?;
        }
        Ok(Run::new(tally.clone(), move || {
            self.start(&writers)?;
            drain(&mut event_loop, &tally)
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let (readers, writers) = self.pipes()?;
        for (reader, number) in readers.iter().zip(0..) {
            poller.add(reader, number)?;
        }
        Ok(Run::new(tally.clone(), move || {
            self.start(&writers)?;
            while tally.awaited() > 0 {
                for number in poller.wait()? {
                    rustix::io::read(&readers[number as usize], &mut [0])?;
                    tally.saw(number);
                    if let Some(next) = self.next(number) {
                        rustix::io::write(&writers[next], &[0])?;
                    }
                }
            }
            Ok(())
        }))
    }
}
