//! Where threads cannot be told where to run, the scheduler decides.

/// Keeps nothing where it is.
#[derive(Debug)]
pub struct Pin(());

/// Processors, of which none is known.
#[derive(Clone, Debug)]
pub(crate) enum Processors {}

impl Pin {
    /// Leaves the thread where it is.
    pub fn here() -> Self {
        Pin(())
    }

    pub(crate) fn elsewhere(&self) -> Option<Processors> {
        None
    }
}

pub(crate) fn stay_on(processors: &Processors) {
    match *processors {}
}
