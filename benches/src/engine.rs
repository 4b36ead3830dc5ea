//! What runs a workload: a loop through its adapter, or the floor.

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure};
use conformance::adapters::{Calloop013, Calloop014, CalloopRef};
use reports::record::{Missing, Subject};

use crate::outcome::missing_capabilities;
use crate::raw;
use crate::tally::{Fault, Tally};
use crate::workload::{Run, Spec, Workload};
use crate::workloads;

/// Something that workloads run on.
pub trait Engine {
    /// Joins it and a workload.
    fn bench<W: Workload>(workload: W) -> Bench;
}

/// A loop, through its adapter.
#[derive(Debug)]
pub struct Loop<A>(PhantomData<A>);

impl<A: Adapter> Engine for Loop<A> {
    fn bench<W: Workload>(workload: W) -> Bench {
        let spec = workload.spec();
        let capabilities = A::capabilities();
        let lacks = spec.needs.iter().copied().filter(|need| !capabilities.has(*need)).collect();
        let engine = Subject { name: A::NAME.to_string(), version: A::version() };
        let events = spec.events;
        let prepare = move || workload.on::<A>(Rc::new(Tally::expecting(events)));
        Bench { spec, engine, is_floor: false, lacks, prepare: Arc::new(prepare) }
    }
}

/// What each workload names as its floor.
#[derive(Debug)]
pub struct Floor;

impl Engine for Floor {
    fn bench<W: Workload>(workload: W) -> Bench {
        let spec = workload.spec();
        let engine = spec.floor.clone();
        let events = spec.events;
        let prepare = move || workload.floor(Rc::new(Tally::expecting(events)));
        Bench { spec, engine, is_floor: true, lacks: Vec::new(), prepare: Arc::new(prepare) }
    }
}

/// The benchmarks of the loops that come with the suite, and of the floors.
pub fn builtin() -> Vec<Bench> {
    let benches =
        [workloads::all::<Floor>(), of::<CalloopRef>(), of::<Calloop014>(), of::<Calloop013>()];
    benches.into_iter().flatten().collect()
}

/// The benchmarks of one loop.
pub fn of<A: Adapter>() -> Vec<Bench> {
    workloads::all::<Loop<A>>()
}

/// One workload on one engine.
#[derive(Clone)]
pub struct Bench {
    /// The workload.
    pub spec: Spec,
    /// The engine.
    pub engine: Subject,
    /// Whether the engine is the floor that others are divided by.
    pub is_floor: bool,
    /// What the loop would have to have besides; if anything, the benchmark cannot run.
    pub lacks: Vec<Capability>,
    prepare: Arc<dyn Fn() -> Result<Run, Failure> + Send + Sync>,
}

impl Bench {
    /// What it takes to have the benchmark run, if anything.
    pub(crate) fn missing_capability(&self) -> Option<Missing> {
        missing_capabilities(self.to_string(), &self.lacks)
    }

    /// Prepares the workload, which stays on this thread.
    ///
    /// # Errors
    ///
    /// What the loop answers.
    pub fn prepare(&self) -> Result<Run, Fault> {
        raw::raise_fd_limit();
        Ok((self.prepare)()?)
    }

    /// Does a few operations on a thread of their own, so that a loop that waits for ever for an
    /// event it has lost is found out.
    ///
    /// # Errors
    ///
    /// If they did not do what they should, or did not end within `limit`.
    ///
    /// # Panics
    ///
    /// If they panic.
    pub fn check(&self, operations: u64, limit: Duration) -> Result<(), Fault> {
        let (sender, receiver) = mpsc::channel();
        let bench = self.clone();
        let thread = thread::spawn(move || {
            let outcome = bench.prepare().and_then(|mut run| run.repeat(operations));
            // Nobody listens any more if it took too long.
            let _ = sender.send(outcome);
        });
        match receiver.recv_timeout(limit) {
            Ok(outcome) => {
                // Waits for the thread: a process with one thread has the faster system calls.
                thread.join().expect("the thread has sent its outcome");
                outcome
            }
            Err(RecvTimeoutError::Timeout) => Err(Fault::Stuck(limit)),
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Ok(()) => unreachable!("the thread sends before it ends"),
                Err(panic) => std::panic::resume_unwind(panic),
            },
        }
    }
}

impl fmt::Display for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.spec.id(), self.engine.name)
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bench").field(&format_args!("{self}")).finish()
    }
}
