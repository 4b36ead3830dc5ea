//! What is measured, a workload a file, each with its floor.

mod async_read;
mod channel;
mod empty;
mod executor;
mod fd_change;
mod fd_churn;
mod idle;
mod loop_life;
mod partner;
mod ping;
mod ping_life;
mod ping_pong;
mod ready;
mod shuffle;
mod signal;
mod timer_churn;
mod timer_fire;
mod timer_repeat;
mod wake_asleep;
mod wake_running;

use std::time::Duration;

use conformance::adapter::{Adapter, Failure};

use self::async_read::AsyncRead;
use self::channel::Channel;
use self::empty::Empty;
use self::executor::Executor;
use self::fd_change::FdChange;
use self::fd_churn::FdChurn;
use self::idle::Idle;
use self::loop_life::LoopLife;
use self::ping::Ping;
use self::ping_life::PingLife;
use self::ping_pong::PingPong;
use self::ready::Ready;
use self::signal::Signal;
use self::timer_churn::TimerChurn;
use self::timer_fire::TimerFire;
use self::timer_repeat::TimerRepeat;
use self::wake_asleep::WakeAsleep;
use self::wake_running::WakeRunning;
use crate::engine::{Bench, Engine};
use crate::tally::Tally;

/// Every workload in every size on one engine, in the order of the reports.
pub fn all<E: Engine>() -> Vec<Bench> {
    vec![
        E::bench(Empty { timeout_us: 0 }),
        E::bench(Empty { timeout_us: 100 }),
        E::bench(Ping { timer_ahead: false }),
        E::bench(Ping { timer_ahead: true }),
        E::bench(PingPong),
        E::bench(WakeAsleep),
        E::bench(WakeRunning),
        E::bench(Ready { ready: 1, registered: 1 }),
        E::bench(Ready { ready: 10, registered: 10 }),
        E::bench(Ready { ready: 100, registered: 100 }),
        E::bench(Ready { ready: 1_000, registered: 1_000 }),
        E::bench(Ready { ready: 1, registered: 4_000 }),
        E::bench(Channel { burst: 8 }),
        E::bench(Channel { burst: 1_000 }),
        E::bench(Idle),
        E::bench(Signal),
        E::bench(FdChurn { live: 1_000 }),
        E::bench(FdChange::Toggle),
        E::bench(FdChange::Update),
        E::bench(PingLife),
        E::bench(LoopLife),
        E::bench(Executor { futures: 1 }),
        E::bench(Executor { futures: 100 }),
        E::bench(AsyncRead),
        E::bench(TimerRepeat),
        E::bench(TimerFire { timers: 1_000 }),
        E::bench(TimerFire { timers: 20_000 }),
        E::bench(TimerChurn { live: 1_000 }),
        E::bench(TimerChurn { live: 20_000 }),
    ]
}

/// Dispatches without waiting until every event has come, or far too many dispatches went by; then
/// the tally tells.
#[inline]
fn drain<A: Adapter>(event_loop: &mut A, tally: &Tally) -> Result<(), Failure> {
    let mut dispatches_left = tally.awaited() + 10;
    while tally.awaited() > 0 && dispatches_left > 0 {
        event_loop.dispatch(Some(Duration::ZERO))?;
        dispatches_left -= 1;
    }
    Ok(())
}
