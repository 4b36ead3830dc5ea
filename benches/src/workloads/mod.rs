//! What is measured, a workload a file, each with its floor.

mod async_read;
mod cascade;
mod channel;
mod channel_streamed;
mod compositor;
mod crew;
mod due;
mod echo;
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
mod ping_storm;
mod ready;
mod shuffle;
mod signal;
mod source_life;
mod timer_change;
mod timer_churn;
mod timer_due;
mod timer_fire;
mod timer_repeat;
mod wake_asleep;
mod wake_running;

use std::time::{Duration, Instant};

use conformance::adapter::{Adapter, Capability, Failure, Mode};

use self::async_read::AsyncRead;
use self::cascade::Cascade;
use self::channel::Channel;
use self::channel_streamed::ChannelStreamed;
use self::compositor::Compositor;
use self::echo::Echo;
use self::empty::Empty;
use self::executor::Executor;
use self::fd_change::FdChange;
use self::fd_churn::FdChurn;
use self::idle::Idle;
use self::loop_life::LoopLife;
use self::ping::Ping;
use self::ping_life::PingLife;
use self::ping_pong::PingPong;
use self::ping_storm::PingStorm;
use self::ready::Ready;
use self::signal::Signal;
use self::source_life::SourceLife;
use self::timer_change::{Change, Place, TimerChange};
use self::timer_churn::TimerChurn;
use self::timer_due::TimerDue;
use self::timer_fire::TimerFire;
use self::timer_repeat::TimerRepeat;
use self::wake_asleep::WakeAsleep;
use self::wake_running::WakeRunning;
use crate::engine::{Bench, Engine};
use crate::outcome::TOO_SLOW;
use crate::tally::Tally;

/// Every workload in every size on one engine, in the order of the reports.
pub fn all<E: Engine>() -> Vec<Bench> {
    let groups = [
        wake_ups::<E>(),
        descriptors::<E>(),
        messages::<E>(),
        others::<E>(),
        timers::<E>(),
        SourceLife::all().map(E::bench).collect(),
    ];
    groups.into_iter().flatten().flatten().collect()
}

fn wake_ups<E: Engine>() -> Vec<Option<Bench>> {
    let mut benches = vec![
        E::bench(Empty { timeout_us: 0 }),
        E::bench(Empty { timeout_us: 100 }),
        E::bench(Ping { timer_ahead: false }),
        E::bench(Ping { timer_ahead: true }),
        E::bench(PingPong),
        E::bench(WakeAsleep),
        E::bench(WakeRunning),
    ];
    benches.extend([1, 2, 4, 8].map(|threads| E::bench(PingStorm { threads })));
    benches
}

fn descriptors<E: Engine>() -> Vec<Option<Bench>> {
    let mut benches = vec![
        E::bench(Ready::of(1, 1)),
        E::bench(Ready::of(10, 10)),
        E::bench(Ready::of(100, 100)),
        E::bench(Ready::of(1_000, 1_000)),
        E::bench(Ready::of(4_096, 4_096)),
        E::bench(Ready::of(1, 4_000)),
        E::bench(Ready::of(1, 10_000)),
        E::bench(Ready::of(100, 10_000)),
        E::bench(Ready::of(4_096, 10_000)),
    ];
    for mode in [Mode::Edge, Mode::OneShot] {
        benches.extend([1, 10, 100, 1_000].map(|ready| E::bench(Ready::all(mode, ready))));
    }
    benches.extend([
        E::bench(Cascade { pipes: 100, active: 1 }),
        E::bench(Cascade { pipes: 100, active: 10 }),
        E::bench(Cascade { pipes: 1_000, active: 100 }),
    ]);
    benches
}

fn messages<E: Engine>() -> Vec<Option<Bench>> {
    let burst = |burst| E::bench(Channel { burst, is_bounded: false });
    let streamed = |producers, bound| E::bench(ChannelStreamed { producers, bound });
    vec![
        burst(1),
        burst(8),
        burst(1_000),
        burst(10_000),
        E::bench(Channel { burst: 64, is_bounded: true }),
        streamed(1, None),
        streamed(4, None),
        streamed(1, Some(64)),
        streamed(4, Some(64)),
    ]
}

fn others<E: Engine>() -> Vec<Option<Bench>> {
    let mut benches = vec![
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
        E::bench(Compositor),
    ];
    benches.extend([1, 100, 1_000].map(|connections| E::bench(Echo { connections })));
    benches
}

fn timers<E: Engine>() -> Vec<Option<Bench>> {
    let mut benches = vec![E::bench(TimerRepeat)];
    benches.extend([1_000, 20_000, 100_000].map(|timers| E::bench(TimerFire { timers })));
    benches.extend([1_000, 10_000, 20_000, 100_000].map(|live| E::bench(TimerChurn { live })));
    for live in [0, 1_000, 100_000, 1_000_000] {
        benches.push(E::bench(TimerDue { live }));
        for change in [Change::Cancel, Change::Rearm] {
            benches.extend(Place::ALL.map(|at| E::bench(TimerChange { change, at, live })));
        }
    }
    benches
}

/// The number of an event that must not come.
const WRONG: u64 = u64::MAX;

/// How descriptors are watched where all is read of them, so that it makes no difference.
pub(crate) fn reading_mode<A: Adapter>() -> Mode {
    match A::capabilities().has(Capability::Level) {
        true => Mode::Level,
        false => Mode::Edge,
    }
}

/// Dispatches until every event has come, or nothing comes; then the tally tells.
///
/// They are there, so that the first dispatch does not wait. One that brings nothing may be of a
/// loop that is told of events by another thread, and the next does.
#[inline]
fn drain<A: Adapter>(event_loop: &mut A, tally: &Tally) -> Result<(), Failure> {
    event_loop.dispatch(Some(Duration::ZERO))?;
    await_all(event_loop, || tally.awaited())
}

/// How long a loop may wait in vain before what it waits for counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits in dispatches until nothing is awaited of other threads any more, or nothing comes.
#[inline]
fn await_all<A: Adapter>(event_loop: &mut A, awaited: impl Fn() -> u64) -> Result<(), Failure> {
    let mut idle_since = None;
    let mut left = awaited();
    while left > 0 {
        event_loop.dispatch(Some(PATIENCE))?;
        let before = std::mem::replace(&mut left, awaited());
        if left != before {
            idle_since = None;
        } else if idle_since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
            break;
        }
    }
    Ok(())
}

/// How long a preparation may take.
const PREPARATION_MAX: Duration = Duration::from_secs(5);

/// A preparation that gives up: where every insertion is dearer than the last, a million would take
/// hours.
struct Preparation(Instant);

impl Preparation {
    fn begin() -> Self {
        Preparation(Instant::now())
    }

    fn is_in_time(&self) -> Result<(), Failure> {
        match self.0.elapsed() > PREPARATION_MAX {
            true => Err(Failure::Other(TOO_SLOW.to_string())),
            false => Ok(()),
        }
    }
}
