//! Futures that are ready at once: the cost of having one run.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use conformance::adapter::{Adapter, Capability, Failure, Spawn as _};

use super::drain;
use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{MadeOf, Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct Executor {
    pub(super) futures: u64,
}

impl Workload for Executor {
    fn spec(self) -> Spec {
        Spec {
            name: "executor",
            parameters: format!("futures={}", self.futures),
            about: "futures that are ready spawned, then dispatches until all have resolved",
            per: "event",
            units: self.futures,
            events: self.futures,
            needs: &[Capability::Executor],
            floor: MadeOf::Std("boxed-futures"),
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let seen = tally.clone();
        let (executor, _) =
            A::insert_executor(&event_loop.handle(), move |_, number| seen.saw(number))?;
        Ok(Run::new(tally.clone(), move || {
            for number in 0..self.futures {
                if !executor.spawn(async move { number }) {
                    return Err(Failure::Other("the executor refused a future".to_string()));
                }
            }
            drain(&mut event_loop, &tally)
        }))
    }

    /// Boxes the futures, has none wait, and looks for other events once.
    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut poller = P::new()?;
        let mut queue: VecDeque<Pin<Box<dyn Future<Output = u64>>>> = VecDeque::new();
        Ok(Run::new(tally.clone(), move || {
            for number in 0..self.futures {
                queue.push_back(Box::pin(async move { number }));
            }
            tally.saw_all(poller.poll()?);
            let mut context = Context::from_waker(Waker::noop());
            while let Some(mut future) = queue.pop_front() {
                if let Poll::Ready(number) = future.as_mut().poll(&mut context) {
                    tally.saw(number);
                }
            }
            Ok(())
        }))
    }
}
