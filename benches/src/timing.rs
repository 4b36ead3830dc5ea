//! The clock: the one place that reads it for a measurement.

use std::time::{Duration, Instant};

use crate::tally::Fault;
use crate::workload::Run;

/// Does so many operations and returns how long that took.
///
/// The clock is read twice for all of them: a sample of a few milliseconds makes that, and the
/// clock's resolution, negligible. Where a part of each is measured, it is read twice for each.
///
/// # Errors
///
/// If an operation did not do what it should.
pub fn sample(run: &mut Run, operations: u64) -> Result<Duration, Fault> {
    let mut elapsed = Duration::ZERO;
    run.measure(operations, &mut |part| {
        let start = Instant::now();
        let outcome = part();
        elapsed += start.elapsed();
        outcome
    })?;
    Ok(elapsed)
}

/// How many operations take about as long as `aim`, one at least. Finding out warms up, too.
///
/// # Errors
///
/// If an operation did not do what it should.
pub fn operations_for(aim: Duration, run: &mut Run) -> Result<u64, Fault> {
    let mut operations = 1;
    loop {
        let elapsed = sample(run, operations)?;
        if elapsed >= aim / 2 {
            let fitting = operations as f64 * aim.as_secs_f64() / elapsed.as_secs_f64();
            return Ok((fitting as u64).max(1));
        }
        operations *= 2;
    }
}
