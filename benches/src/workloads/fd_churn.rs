//! Descriptors that come and go among many that stay: the cost of a registration.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use conformance::adapter::{Adapter, Capability, Failure, Interest, Mode, Next};

use super::{WRONG, drain};
use crate::baselines::Poller;
use crate::raw;
use crate::tally::Tally;
use crate::workload::{Run, Spec, Workload};

/// How many come and go before a dispatch shows that they are gone.
const PAIRS: u64 = 100;

#[derive(Copy, Clone)]
pub(super) struct FdChurn {
    pub(super) live: u64,
}

impl FdChurn {
    /// Those that stay; only the first is ready.
    fn descriptors(self) -> Result<Vec<OwnedFd>, Failure> {
        (0..self.live).map(|number| raw::eventfd(u32::from(number == 0))).collect()
    }
}

impl Workload for FdChurn {
    fn spec(self) -> Spec {
        Spec {
            name: "fd-churn",
            parameters: format!("live={}", self.live),
            about: "a ready descriptor duplicated, inserted, removed and closed, 100 times, then \
                    a dispatch that finds another",
            per: "pair",
            units: PAIRS,
            events: 1,
            needs: &[Capability::Level],
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        // Where a dispatch is several waits, what stays ready comes several times.
        let is_read = !A::capabilities().has(Capability::OneWaitADispatch);
        let seen = tally.clone();
        let insert = move |fd, number| {
            let tally = seen.clone();
            A::insert_fd(&handle, fd, Interest::Read, Mode::Level, move |_, fd, _| {
                tally.saw(number);
                match is_read.then(|| raw::clear(fd)) {
                    Some(Err(_)) => Next::Fail("an eventfd could not be read"),
                    _ => Next::Continue,
                }
            })
        };
        let descriptors = self.descriptors()?;
        let first = raw::duplicate(&descriptors[0])?;
        for (fd, number) in descriptors.into_iter().zip(0..) {
            insert(fd, number)?;
        }
        let handle = event_loop.handle();
        let original = raw::eventfd(1)?;
        Ok(Run::new(tally.clone(), move || {
            for _ in 0..PAIRS {
                let source = insert(raw::duplicate(&original)?, WRONG)?;
                A::remove(&handle, source);
            }
            if is_read {
                raw::raise(&first)?;
            }
            drain(&mut event_loop, &tally)
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let descriptors = self.descriptors()?;
        for (fd, number) in descriptors.iter().zip(0..) {
            poller.add(fd, number)?;
        }
        let original = raw::eventfd(1)?;
        Ok(Run::new(tally.clone(), move || {
            // They have to stay open.
            let _ = &descriptors;
            for _ in 0..PAIRS {
                let fd = raw::duplicate(&original)?;
                poller.add(&fd, WRONG)?;
                poller.remove(&fd)?;
            }
            tally.saw_all(poller.poll()?);
            Ok(())
        }))
    }
}
