//! Work that is added to a benchmark on purpose, to see whether a comparison finds it.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

use rustix::process::getuid;

use crate::tally::Fault;
use crate::workload::Run;

/// What an operation does besides its own work.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Burden {
    /// Nothing.
    #[default]
    None,
    /// So many operations more after each hundred, which do not count: that much more work, of
    /// the very kind that is measured.
    Work {
        /// How many.
        percent: u8,
    },
    /// One system call an operation.
    SystemCall,
    /// One allocation an operation.
    Allocation,
}

impl Burden {
    /// The operations between two helpings of more work.
    pub(crate) const HUNDRED: u64 = 100;

    /// Does so many operations with what they bear.
    #[inline]
    pub(crate) fn repeat(self, run: &mut Run, operations: u64) -> Result<(), Fault> {
        match self {
            Burden::None => run.repeat(operations),
            Burden::Work { percent } => {
                let mut left = operations;
                while left > 0 {
                    let some = left.min(Self::HUNDRED);
                    run.repeat(some)?;
                    run.repeat(some * u64::from(percent) / Self::HUNDRED)?;
                    left -= some;
                }
                Ok(())
            }
            Burden::SystemCall => one_by_one(run, operations, || {
                black_box(getuid());
            }),
            Burden::Allocation => one_by_one(run, operations, || drop(black_box(Box::new(0u8)))),
        }
    }
}

fn one_by_one(run: &mut Run, operations: u64, besides: impl Fn()) -> Result<(), Fault> {
    for _ in 0..operations {
        run.repeat(1)?;
        besides();
    }
    Ok(())
}

impl fmt::Display for Burden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Burden::None => f.write_str("none"),
            Burden::Work { percent } => write!(f, "work={percent}"),
            Burden::SystemCall => f.write_str("system-call"),
            Burden::Allocation => f.write_str("allocation"),
        }
    }
}

impl FromStr for Burden {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("work=").map(str::parse)) {
            ("none", _) => Ok(Burden::None),
            ("system-call", _) => Ok(Burden::SystemCall),
            ("allocation", _) => Ok(Burden::Allocation),
            (_, Some(Ok(percent))) => Ok(Burden::Work { percent }),
            _ => Err(format!("there is no burden `{text}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::tally::Tally;

    #[test]
    fn the_burden_is_as_great_as_it_says() {
        for (burden, operations, done) in [
            (Burden::None, 250, 250),
            (Burden::SystemCall, 250, 250),
            (Burden::Allocation, 250, 250),
            (Burden::Work { percent: 0 }, 250, 250),
            (Burden::Work { percent: 2 }, 250, 255),
            (Burden::Work { percent: 10 }, 100, 110),
        ] {
            let count = Rc::new(Cell::new(0));
            let counter = count.clone();
            let mut run = Run::new(Rc::new(Tally::expecting(0)), move || {
                counter.set(counter.get() + 1);
                Ok(())
            });
            burden.repeat(&mut run, operations).expect("it does nothing");
            assert_eq!(count.get(), done, "{burden}");
            assert_eq!(burden.to_string().parse(), Ok(burden));
        }
        assert!("work=many".parse::<Burden>().is_err());
    }
}
