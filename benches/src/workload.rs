//! What a workload is: an operation, done again and again, and how many events it has to bring.

use std::fmt;
use std::rc::Rc;

use conformance::adapter::{Adapter, Capabilities, Capability, Failure};
use reports::record::workload_id;

use crate::baselines::Poller;
use crate::tally::{Fault, Tally};

/// What a workload does, in words and numbers.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// Its name, as `ready`.
    pub name: &'static str,
    /// Its size or sizes, as `ready=100`; empty if it has none.
    pub parameters: String,
    /// What one operation does, in a sentence.
    pub about: &'static str,
    /// What a time is given for, as `event`.
    pub per: &'static str,
    /// How many of that there are in one operation.
    pub units: u64,
    /// How many events the callbacks have to see in one operation.
    pub events: u64,
    /// What a loop has to have.
    pub needs: &'static [Capability],
    /// Of what it has to have one, if there is any.
    pub needs_one_of: &'static [Capability],
    /// What the floor is made of.
    pub floor: MadeOf,
    /// Whether it is left out of a short run by a meter that takes long for it.
    pub is_large: bool,
    /// Whether it is left out of a short run altogether.
    pub is_extra: bool,
    /// Whether every run does the same, so that it can be counted.
    pub repeats: Repeats,
    /// System calls that an operation makes in place of the world outside, with their number or
    /// [`u64::MAX`] for all by that name: they are not counted.
    pub uncounted: Vec<(&'static str, u64)>,
    /// Whether the system calls of the thread that does the operation alone are counted. What the
    /// others do may differ from run to run.
    pub is_one_sided: bool,
    /// Whether it rests on seeing that another thread sleeps.
    pub sees_sleep: bool,
}

/// What a floor is made of.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum MadeOf {
    /// System calls.
    #[default]
    SystemCalls,
    /// Structures of std, as `std-mpsc`.
    Std(&'static str),
}

/// How far every run of a workload does the same.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// To the instruction.
    #[default]
    Wholly,
    /// To the system call and the allocation, and nearly to the instruction: how the nanoseconds of
    /// two deadlines compare depends on when it runs.
    ButForTheClock,
    /// To the system call and the allocation; threads that wait for each other take more or fewer
    /// instructions.
    ButForInstructions,
    /// Threads race, and who is first makes a difference.
    Never,
}

impl Repeats {
    /// Of a workload with so many timers: to fill a loop with them takes minutes where every
    /// instruction is counted.
    pub(crate) fn of_timers(live: u64) -> Self {
        if live < 100_000 { Repeats::ButForTheClock } else { Repeats::ButForInstructions }
    }
}

impl Spec {
    /// The name with the parameters, as `ready/ready=100`.
    pub fn id(&self) -> String {
        workload_id(self.name, &self.parameters)
    }

    /// What a loop that has these lacks.
    pub(crate) fn lacking(&self, has: Capabilities) -> Vec<Capability> {
        let lacks = |need: &Capability| !has.has(*need);
        let one_of = self.needs_one_of.first().filter(|_| self.needs_one_of.iter().all(lacks));
        self.needs.iter().copied().filter(lacks).chain(one_of.copied()).collect()
    }
}

/// Work to be measured, on any loop and by hand.
///
/// What prepares the work is not measured, the operation is. It does nothing but use the loop, and
/// its callbacks nothing but report to the tally.
pub trait Workload: Copy + Send + Sync + 'static {
    /// What it does.
    fn spec(self) -> Spec;

    /// Prepares it on a loop.
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure>;

    /// Prepares the same work by hand, with nothing that it does not need.
    ///
    /// # Errors
    ///
    /// What the operating system answers.
    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure>;
}

/// The part of an operation that is measured.
pub type Part<'p> = &'p mut dyn FnMut() -> Result<(), Fault>;

/// Does a part, once, and measures it.
pub type Measure<'m> = &'m mut dyn FnMut(Part<'_>) -> Result<(), Fault>;

/// Does so many operations.
type Operations = dyn FnMut(u64, Measure<'_>) -> Result<(), Fault>;

/// A workload that was prepared on an engine.
pub struct Run(Box<Operations>);

impl Run {
    /// Joins an operation and the tally of its events, which is settled after each.
    pub fn new<F>(tally: Rc<Tally>, mut operation: F) -> Self
    where
        F: FnMut() -> Result<(), Failure> + 'static,
    {
        Run(Box::new(move |operations, measure| {
            measure(&mut || {
                for _ in 0..operations {
                    operation()?;
                    tally.settle()?;
                }
                Ok(())
            })
        }))
    }

    /// The same for an operation that has a part of it measured.
    pub fn in_part<F>(tally: Rc<Tally>, mut operation: F) -> Self
    where
        F: FnMut(Measure<'_>) -> Result<(), Fault> + 'static,
    {
        Run(Box::new(move |operations, measure| {
            for _ in 0..operations {
                operation(&mut *measure)?;
                tally.settle()?;
            }
            Ok(())
        }))
    }

    /// Does so many operations.
    ///
    /// # Errors
    ///
    /// At the first that did not do what it should.
    pub fn repeat(&mut self, operations: u64) -> Result<(), Fault> {
        self.measure(operations, &mut |part| part())
    }

    /// Does so many operations. What counts of them is handed to `measure`, all in one or operation
    /// by operation.
    ///
    /// # Errors
    ///
    /// At the first that did not do what it should.
    pub fn measure(&mut self, operations: u64, measure: Measure<'_>) -> Result<(), Fault> {
        (self.0)(operations, measure)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}
