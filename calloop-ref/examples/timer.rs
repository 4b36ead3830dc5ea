//! A beat that does not drift, and a deadline that every beat puts off.
//!
//! `cargo run -p calloop-ref --example timer`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::{Duration, Instant};

use calloop_ref::timer::{TimeoutAction, Timer};
use calloop_ref::{Dispatcher, EventLoop, LoopHandle, LoopSignal};

const PERIOD: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_millis(50);

struct State {
    handle: LoopHandle<'static, State>,
    signal: LoopSignal,
    beats: u32,
}

/// Beats five times, then notices the silence.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut event_loop = EventLoop::try_new()?;
    let handle: LoopHandle<'static, State> = event_loop.handle();

    // A dispatcher keeps a timer in reach while it is in the loop.
    let silence = Dispatcher::new(Timer::from_duration(PATIENCE), |_, _, state: &mut State| {
        println!("no beat for {PATIENCE:?}");
        state.signal.stop();
        TimeoutAction::Drop
    });
    let token = handle.register_dispatcher(silence.clone())?;

    handle.insert_source(Timer::from_duration(PERIOD), move |deadline, _, state| {
        state.beats += 1;
        println!("beat {}, {:?} late", state.beats, deadline.elapsed());
        silence.as_source_mut().set_deadline(Instant::now() + PATIENCE);
        state.handle.update(&token).expect("it is in the loop");
        if state.beats == 5 {
            return TimeoutAction::Drop;
        }
        // Counted from the deadline: a beat that was late does not make the next one late, too.
        TimeoutAction::ToInstant(deadline + PERIOD)
    })?;

    let mut state = State { handle, signal: event_loop.get_signal(), beats: 0 };
    event_loop.run(None, &mut state, |_| {})?;
    Ok(())
}
