//! Work for other threads, and their results through a channel.
//!
//! `cargo run -p calloop-ref --example channel`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::thread;

use calloop_ref::channel::{Event, sync_channel};
use calloop_ref::{EventLoop, LoopSignal};

struct State {
    primes: Vec<u64>,
    signal: LoopSignal,
}

/// Finds the primes below a thousand on four threads.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut event_loop: EventLoop<'_, State> = EventLoop::try_new()?;

    // With a bound, threads that are faster than the loop wait for it.
    let (sender, receiver) = sync_channel(8);
    event_loop.handle().insert_source(receiver, |event, _, state| match event {
        Event::Msg(prime) => state.primes.push(prime),
        // The last sender is gone.
        Event::Closed => state.signal.stop(),
    })?;

    for first in 2..6 {
        let sender = sender.clone();
        thread::spawn(move || {
            for number in (first..1000).step_by(4).filter(|number| is_prime(*number)) {
                if sender.send(number).is_err() {
                    // Nobody is interested any more.
                    return;
                }
            }
        });
    }
    drop(sender);

    let mut state = State { primes: Vec::new(), signal: event_loop.get_signal() };
    event_loop.run(None, &mut state, |_| {})?;
    state.primes.sort_unstable();
    println!("{} primes below 1000, the last {:?}", state.primes.len(), state.primes.last());
    Ok(())
}

fn is_prime(number: u64) -> bool {
    (2..number).take_while(|factor| factor * factor <= number).all(|factor| number % factor != 0)
}
