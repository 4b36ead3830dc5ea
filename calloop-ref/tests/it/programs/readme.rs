//! The first program: a timer stops the loop.

use std::time::{Duration, Instant};

use super::calloop::timer::{TimeoutAction, Timer};
use super::calloop::{EventLoop, LoopSignal};

#[test]
fn a_timer_stops_the_loop() {
    const DELAY: Duration = Duration::from_millis(50);
    let mut event_loop: EventLoop<LoopSignal> =
        EventLoop::try_new().expect("Failed to initialize the event loop!");
    let handle = event_loop.handle();
    let start = Instant::now();
    let source = Timer::from_duration(DELAY);
    handle
        .insert_source(source, move |event, _metadata, shared_data| {
            assert!(event >= start + DELAY, "the event is the deadline");
            shared_data.stop();
            TimeoutAction::Drop
        })
        .expect("Failed to insert event source!");

    let mut shared_data = event_loop.get_signal();
    let mut between = 0;
    event_loop
        .run(Duration::from_millis(20), &mut shared_data, |_shared_data| between += 1)
        .expect("Error during event loop!");
    assert!(start.elapsed() >= DELAY);
    assert!(between >= 1, "the function is called after each dispatch");
}
