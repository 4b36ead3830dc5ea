//! Signals as events: SIGHUP counts, SIGTERM and SIGINT end the program.
//!
//! `cargo run -p calloop-ref --features signals --example signals` sends itself both;
//! with `-- --wait` it waits for yours.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

/// Reports signals until one says to end.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn main() -> Result<(), Box<dyn Error>> {
    use calloop_ref::EventLoop;
    use calloop_ref::signals::{Signal, Signals};
    use nix::sys::signal::{SIGHUP, SIGTERM, raise};

    // First of all: threads that are started later inherit the mask.
    let signals = Signals::new(&[Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM])?;

    let mut event_loop: EventLoop<'_, u32> = EventLoop::try_new()?;
    let stop = event_loop.get_signal();
    event_loop.handle().insert_source(signals, move |event, _, reloads| match event.signal() {
        Signal::SIGHUP => {
            *reloads += 1;
            println!("reload {reloads}, for process {}", event.pid());
        }
        other => {
            println!("{other:?}: the end");
            stop.stop();
        }
    })?;

    if std::env::args().any(|argument| argument == "--wait") {
        println!("kill -HUP {0}; kill {0}", std::process::id());
    } else {
        raise(SIGHUP)?;
        raise(SIGTERM)?;
    }
    event_loop.run(None, &mut 0, |_| {})?;
    Ok(())
}

/// Elsewhere signals are no source.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn main() -> Result<(), Box<dyn Error>> {
    Err("signals are a source on Linux and Android only".into())
}
