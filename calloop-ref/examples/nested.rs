//! A loop inside another poller: here poll(2), in a program a toolkit's or a game's main loop.
//!
//! `cargo run -p calloop-ref --example nested`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use calloop_ref::EventLoop;
use calloop_ref::ping::make_ping;
use calloop_ref::timer::{TimeoutAction, Timer};
use rustix::event::{PollFd, PollFlags, poll};

/// Waits in the outer poller until the inner loop and the outer descriptor have had their say.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut inner: EventLoop<'_, Vec<&str>> = EventLoop::try_new()?;
    let (ping, source) = make_ping()?;
    inner.handle().insert_source(source, |(), _, seen| seen.push("a ping"))?;
    let timer = Timer::from_duration(Duration::from_millis(5));
    inner.handle().insert_source(timer, |_, _, seen| {
        seen.push("a timer");
        TimeoutAction::Drop
    })?;

    let (mut outer, far) = UnixStream::pair()?;
    thread::spawn(move || {
        ping.ping();
        // Closed: the outer end is readable.
        drop(far);
    });

    let mut seen = Vec::new();
    while seen.len() < 3 {
        // The loop's descriptor is readable when a dispatch would find something to do.
        let mut watched = [PollFd::new(&inner, PollFlags::IN), PollFd::new(&outer, PollFlags::IN)];
        poll(&mut watched, None)?;
        let [is_inner, is_outer] = watched.map(|fd| !fd.revents().is_empty());
        if is_inner {
            inner.dispatch(Duration::ZERO, &mut seen)?;
        }
        if is_outer && !seen.contains(&"the outer end") {
            assert_eq!(outer.read(&mut [0])?, 0);
            seen.push("the outer end");
        }
    }
    println!("saw {seen:?}");
    Ok(())
}
