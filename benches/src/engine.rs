//! What runs a workload: a loop through its adapter, or the same work by hand.

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

use crate::baselines::{self, Kernel, Poller};
use crate::outcome::missing_capabilities;
use crate::raw;
use crate::tally::{Fault, Tally};
use crate::workload::{MadeOf, Run, Spec, Workload};
use crate::workloads;

/// Something that workloads run on.
pub trait Engine {
    /// Joins it and a workload; `None` if the workload is not for it.
    fn bench<W: Workload>(workload: W) -> Option<Bench>;
}

/// A loop, through its adapter.
#[derive(Debug)]
pub struct Loop<A>(PhantomData<A>);

impl<A: Adapter> Engine for Loop<A> {
    fn bench<W: Workload>(workload: W) -> Option<Bench> {
        let spec = workload.spec();
        let lacks = spec.lacking(A::capabilities());
        let engine = Subject { name: A::NAME.to_string(), version: A::version() };
        let events = spec.events;
        let prepare = move || workload.on::<A>(Rc::new(Tally::expecting(events)));
        Some(Bench { lacks, ..Bench::new(spec, engine, Role::Loop, prepare) })
    }
}

/// Each workload's floor.
#[derive(Debug)]
pub struct Floor;

impl Engine for Floor {
    fn bench<W: Workload>(workload: W) -> Option<Bench> {
        Some(by_hand::<Kernel, W>(workload, Role::Floor))
    }
}

/// The floor on another of the kernel's ways to wait, where it is made of system calls.
#[derive(Debug)]
pub struct Baseline<P>(PhantomData<P>);

impl<P: Poller> Engine for Baseline<P> {
    fn bench<W: Workload>(workload: W) -> Option<Bench> {
        let spec = workload.spec();
        let lacks = spec.needs.iter().any(|need| P::LACKS.contains(need))
            || !raw::lacking(spec.needs).is_empty();
        let is_for_it = spec.floor == MadeOf::SystemCalls && !lacks;
        is_for_it.then(|| by_hand::<P, W>(workload, Role::Baseline))
    }
}

fn by_hand<P: Poller, W: Workload>(workload: W, role: Role) -> Bench {
    let spec = workload.spec();
    let engine = match spec.floor {
        MadeOf::SystemCalls => baselines::subject::<P>(),
        MadeOf::Std(name) => Subject { name: name.to_string(), version: "std".to_string() },
    };
    let lacks = raw::lacking(spec.needs);
    let events = spec.events;
    let prepare = move || workload.floor::<P>(Rc::new(Tally::expecting(events)));
    Bench { lacks, ..Bench::new(spec, engine, role, prepare) }
}

/// What there is to measure of a loop.
pub(crate) trait OfLoop {
    /// A piece of it.
    type Item;

    /// All of it, of this loop.
    fn of<A: Adapter>() -> Vec<Self::Item>;
}

/// The same of each of the loops that come with the suite: the one list of them.
pub(crate) fn of_every_loop<O: OfLoop>() -> Vec<O::Item> {
    let loops = [O::of::<CalloopRef>(), O::of::<Calloop014>(), O::of::<Calloop013>()];
    loops.into_iter().flatten().collect()
}

/// The benchmarks of the loops that come with the suite, of the floors and of the other baselines.
pub fn builtin() -> Vec<Bench> {
    /// The benchmarks of a loop.
    struct Benches;

    impl OfLoop for Benches {
        type Item = Bench;

        fn of<A: Adapter>() -> Vec<Bench> {
            of::<A>()
        }
    }

    let floors = workloads::all::<Floor>().into_iter();
    floors.chain(of_every_loop::<Benches>()).chain(baselines()).collect()
}

fn baselines() -> Vec<Bench> {
    #[cfg(target_os = "linux")]
    use crate::baselines::{Edge, Epoll, Pwait2};

    let benches = [
        #[cfg(target_os = "linux")]
        workloads::all::<Baseline<Epoll<Edge>>>(),
        #[cfg(target_os = "linux")]
        workloads::all::<Baseline<Epoll<Pwait2>>>(),
        workloads::all::<Baseline<baselines::Poll>>(),
    ];
    benches.into_iter().flatten().collect()
}

/// The benchmarks of one loop.
pub fn of<A: Adapter>() -> Vec<Bench> {
    workloads::all::<Loop<A>>()
}

/// The benchmarks of a loop that is not on this machine: with each it is told what is missing.
pub fn not_here(name: &str, missing: &Missing) -> Vec<Bench> {
    let mut benches = workloads::all::<Floor>();
    for bench in &mut benches {
        let engine = Subject { name: name.to_string(), version: String::new() };
        let prepare = || Err(Failure::Other("the loop is not here".to_string()));
        *bench = Bench {
            gap: Some(missing.clone()),
            ..Bench::new(bench.spec.clone(), engine, Role::Loop, prepare)
        };
    }
    benches
}

/// One workload on one engine.
#[derive(Clone)]
pub struct Bench {
    /// The workload.
    pub spec: Spec,
    /// The engine.
    pub engine: Subject,
    /// What the engine is in a comparison.
    pub role: Role,
    /// What the loop would have to have besides; if anything, the benchmark cannot run.
    pub lacks: Vec<Capability>,
    /// Why it is not measured, and what it takes, if that is known from the start.
    pub gap: Option<Missing>,
    /// Whether the engine has an allocator that cannot be counted, as a loop in C has.
    pub allocates_unseen: bool,
    prepare: Arc<dyn Fn() -> Result<Run, Failure> + Send + Sync>,
}

/// What an engine is in a comparison.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A loop, which is compared.
    Loop,
    /// A loop of others, which is compared where that is asked for.
    Field,
    /// What others are divided by.
    Floor,
    /// The same work by hand in another way.
    Baseline,
}

impl Bench {
    fn new(
        spec: Spec,
        engine: Subject,
        role: Role,
        prepare: impl Fn() -> Result<Run, Failure> + Send + Sync + 'static,
    ) -> Self {
        let (lacks, gap, prepare) = (Vec::new(), None, Arc::new(prepare));
        Bench { spec, engine, role, lacks, gap, allocates_unseen: false, prepare }
    }

    /// Whether others are divided by it.
    pub fn is_floor(&self) -> bool {
        self.role == Role::Floor
    }

    /// What it takes to have the benchmark run, if anything.
    pub(crate) fn missing(&self) -> Option<Missing> {
        if self.gap.is_some() {
            return self.gap.clone();
        }
        if self.spec.sees_sleep && !raw::SEES_SLEEP {
            return Some(Missing {
                what: self.to_string(),
                why: "the system does not tell whether another thread sleeps".to_string(),
                mend: "Linux".to_string(),
            });
        }
        // In every size.
        let work = format!("{} on {}", self.spec.name, self.engine.name);
        missing_capabilities(work, &self.lacks)
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
