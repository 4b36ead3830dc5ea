//! Pings: waking the loop from anywhere.

use std::sync::Arc;
use std::time::Duration;

use crate::adapter::{Adapter, Failure, Ping};
use crate::rule::Case;

mod calls;
mod close;
mod race;
mod wake;

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(wake::cases::<A>());
    cases.extend(calls::cases::<A>());
    cases.extend(close::cases::<A>());
    cases.extend(race::cases::<A>());
    cases
}

/// A wait that a wake-up has to end, and that is over soon if it does not.
const WAIT: Duration = Duration::from_secs(1);

/// A ping of a type that has a name, so that several fit into one list.
type Pinger = Arc<dyn Fn() + Send + Sync>;

fn insert<A: Adapter>(
    handle: &A::Handle,
    callback: impl FnMut(&A::Handle) + 'static,
) -> Result<(Pinger, A::Source), Failure> {
    let (ping, source) = A::insert_ping(handle, callback)?;
    Ok((Arc::new(move || ping.ping()), source))
}
