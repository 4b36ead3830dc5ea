//! A future that waits for a byte: what reading from a descriptor costs in a future.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, AsyncFd as _, Capability, Failure, Spawn as _};

use super::drain;
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct AsyncRead;

impl Workload for AsyncRead {
    fn spec(self) -> Spec {
        Spec {
            name: "async-read",
            about: "a future spawned that reads from a pipe in which nothing is, then a byte \
                    written, then dispatches until the future has it",
            per: "event",
            units: 1,
            events: 1,
            needs: &[Capability::Executor, Capability::AsyncIo],
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let (reader, writer) = raw::pipe()?;
        // Between the futures, of which each takes it.
        let adapted = Rc::new(RefCell::new(Some(A::adapt_io(&handle, reader)?)));
        let seen = tally.clone();
        let (executor, _) = A::insert_executor(&handle, move |_, byte| seen.saw(byte))?;
        Ok(Run::new(tally.clone(), move || {
            let place = adapted.clone();
            let mut fd = place.take().expect("the last future has put it back");
            let future = async move {
                let mut byte = [0];
                let read = fd.read(&mut byte).await;
                place.replace(Some(fd));
                // A number that none of the events has.
                read.map_or(u64::MAX, |_| byte[0].into())
            };
            if !executor.spawn(future) {
                return Err(Failure::Other("the executor refused a future".to_string()));
            }
            event_loop.dispatch(Some(Duration::ZERO))?;
            rustix::io::write(&writer, &[0])?;
            drain(&mut event_loop, &tally)
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let (reader, writer) = raw::pipe()?;
        poller.add(&reader, 0)?;
        Ok(Run::new(tally.clone(), move || {
            rustix::io::write(&writer, &[0])?;
            tally.saw_all(poller.wait()?);
            rustix::io::read(&reader, &mut [0])?;
            Ok(())
        }))
    }
}
