//! Timers and their precision.

use std::fmt;
use std::time::{Duration, Instant};

use crate::adapter::{Adapter, Capability, Failure};
use crate::fixture::Fixture;
use crate::rule::Case;
use crate::rules::kit::{has, insert_once};

mod cancel;
mod change;
mod extremes;
mod interplay;
mod model;
mod order;
mod precision;
mod repeat;
mod resources;
mod sleep;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(precision::cases::<A>());
    cases.extend(order::cases::<A>());
    cases.extend(model::cases::<A>());
    cases.extend(repeat::cases::<A>());
    cases.extend(extremes::cases::<A>());
    cases.extend(cancel::cases::<A>());
    cases.extend(change::cases::<A>());
    cases.extend(interplay::cases::<A>());
    cases.extend(resources::cases::<A>());
    cases.extend(sleep::cases::<A>());
    cases
}

/// Inserts a timer that marks its name, once.
fn mark_after<A: Adapter>(
    t: &Fixture<'_, A>,
    delay: Duration,
    name: impl fmt::Display,
) -> Result<A::Source, Failure> {
    insert_once::<A>(&t.handle, delay, t.marker(name))
}

/// Has timers be due together: inserts them with deadlines a step apart, in the order that is given,
/// and waits without a dispatch until the last is over.
///
/// `insert` gets each position and its delay. If this thread was kept from running meanwhile, the
/// deadlines may have got out of order; then `undo` is called and all begins anew.
pub(super) fn all_due<S>(
    order: &[usize],
    mut insert: impl FnMut(usize, Duration) -> Result<S, Failure>,
    mut undo: impl FnMut(S),
) -> Result<Vec<S>, Failure> {
    loop {
        let start = Instant::now();
        let inserted =
            order.iter().map(|position| insert(*position, STEP * (*position as u32 + 1)));
        let inserted: Vec<S> = inserted.collect::<Result<_, _>>()?;
        if start.elapsed() < STEP / 4 {
            std::thread::sleep(STEP * (order.len() as u32 + 1));
            return Ok(inserted);
        }
        inserted.into_iter().for_each(&mut undo);
    }
}

/// The distance of deadlines whose order even a loop that counts in milliseconds can tell.
const STEP: Duration = Duration::from_millis(2);

/// What a deadline may be rounded by, for a loop whose clock counts microseconds.
const RESOLUTION: Duration = Duration::from_micros(1);

/// How far from its deadline a loop may legitimately take a timer to be: a delay and the time that it
/// is counted from may both be rounded.
fn granularity<A: Adapter>() -> Duration {
    if has::<A>(Capability::SubMillisecondTimers) {
        2 * RESOLUTION
    } else {
        Duration::from_millis(2)
    }
}
