//! Counting events, so that a time is only ever given for work that was done.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use conformance::adapter::Failure;

/// What the callbacks of a workload have seen in the present operation.
///
/// The events of an operation are numbered from zero. Their count and the sum of their numbers
/// tell whether each came once, at the cost of two additions an event.
#[derive(Debug)]
pub struct Tally {
    expected: u64,
    events: Cell<u64>,
    sum: Cell<u64>,
    is_disordered: Cell<bool>,
}

impl Tally {
    /// For operations that have to bring so many events.
    pub fn expecting(events: u64) -> Self {
        Tally {
            expected: events,
            events: Cell::new(0),
            sum: Cell::new(0),
            is_disordered: Cell::new(false),
        }
    }

    /// How many events are still to come.
    #[inline]
    pub fn awaited(&self) -> u64 {
        self.expected.saturating_sub(self.events.get())
    }

    /// An event came.
    #[inline]
    pub fn saw(&self, number: u64) {
        self.events.set(self.events.get() + 1);
        self.sum.set(self.sum.get().wrapping_add(number));
    }

    /// An event came that is the next in order, or should be.
    #[inline]
    pub fn saw_next(&self, number: u64) {
        if number != self.events.get() {
            self.saw_disorder();
        }
        self.saw(number);
    }

    /// An event came that is not the next in its own order.
    #[inline]
    pub fn saw_disorder(&self) {
        self.is_disordered.set(true);
    }

    /// These events came.
    #[inline]
    pub fn saw_all(&self, numbers: impl Iterator<Item = u64>) {
        let (events, sum) =
            numbers.fold((0, 0u64), |(events, sum), number| (events + 1, sum.wrapping_add(number)));
        self.events.set(self.events.get() + events);
        self.sum.set(self.sum.get().wrapping_add(sum));
    }

    /// Ends the operation and begins the next.
    ///
    /// # Errors
    ///
    /// If other events came than those expected.
    #[inline]
    pub fn settle(&self) -> Result<(), Fault> {
        let expected = self.expected;
        let (events, sum) = (self.events.replace(0), self.sum.replace(0));
        if events != expected {
            return Err(Fault::Miscounted { expected, counted: events });
        }
        if self.is_disordered.get() {
            return Err(Fault::Disordered);
        }
        if sum != expected * expected.saturating_sub(1) / 2 {
            return Err(Fault::Mistaken);
        }
        Ok(())
    }
}

/// Why there is no time for a workload on an engine.
#[derive(Debug)]
pub enum Fault {
    /// An operation of the loop failed.
    Failed(Failure),
    /// Events were lost, or came twice, or too early.
    Miscounted {
        /// How many had to come.
        expected: u64,
        /// How many came.
        counted: u64,
    },
    /// As many came as had to, but some twice and others not at all.
    Mistaken,
    /// They came in another order.
    Disordered,
    /// An event came that was not the next: others were lost, or it came twice.
    Displaced {
        /// Which had to come.
        expected: u64,
        /// Which came.
        came: u64,
    },
    /// An event came that had not been sent: it came twice, or too early.
    Unsent,
    /// An event came so long before it was due.
    Early(Duration),
    /// It did not end.
    Stuck(Duration),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Failed(failure) => failure.fmt(f),
            Fault::Miscounted { expected, counted } => {
                write!(f, "an operation delivered {counted} events instead of {expected}")
            }
            Fault::Mistaken => {
                f.write_str("an operation delivered some events twice, others never")
            }
            Fault::Disordered => f.write_str("an operation delivered its events out of order"),
            Fault::Displaced { expected, came } => {
                write!(f, "event {came} came in the place of event {expected}")
            }
            Fault::Unsent => f.write_str("an event came twice, or before it was sent"),
            Fault::Early(early) => write!(f, "an event came {early:?} before it was due"),
            Fault::Stuck(limit) => write!(f, "it did not end within {limit:?}: an event was lost"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Fault::Failed(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(numbers: &[u64], expected: u64) -> Result<(), Fault> {
        let tally = Tally::expecting(expected);
        numbers.iter().for_each(|number| tally.saw(*number));
        tally.settle()
    }

    #[test]
    fn each_event_has_to_come_once() {
        assert!(settle(&[], 0).is_ok());
        assert!(settle(&[0], 1).is_ok());
        assert!(settle(&[2, 0, 1], 3).is_ok());
        assert!(matches!(settle(&[0, 1], 3), Err(Fault::Miscounted { expected: 3, counted: 2 })));
        assert!(matches!(settle(&[0], 0), Err(Fault::Miscounted { expected: 0, counted: 1 })));
        assert!(matches!(settle(&[0, 0, 1], 3), Err(Fault::Mistaken)));
    }

    #[test]
    fn order_is_checked_where_it_is_asked_for() {
        let tally = Tally::expecting(2);
        [0, 1].iter().for_each(|number| tally.saw_next(*number));
        assert!(tally.settle().is_ok());
        [1, 0].iter().for_each(|number| tally.saw_next(*number));
        assert!(matches!(tally.settle(), Err(Fault::Disordered)));
    }

    #[test]
    fn an_operation_starts_from_nothing() {
        let tally = Tally::expecting(10);
        for _ in 0..2 {
            tally.saw_all(0..10);
            assert!(tally.settle().is_ok());
        }
    }
}
