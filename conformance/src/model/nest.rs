//! Another loop of the same kind, next to or inside of a dispatch of the one under test.

use std::cell::Cell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use crate::adapter::{Adapter, Capability, Failure, Interest, Mode, Next, Ping, Stop, TimerNext};

/// Makes a loop, has each of its sources called once, and drops it; tells whether that came of it.
///
/// # Errors
///
/// What the loop answers.
pub fn nest<A: Adapter>() -> Result<bool, Failure> {
    let mut event_loop = A::new()?;
    let handle = event_loop.handle();
    let called = Rc::new(Cell::new(0));
    let call = |called: &Cell<usize>| called.set(called.get() + 1);
    let mut expected = 0;
    if A::capabilities().has(Capability::Timers) {
        let of_timer = called.clone();
        A::insert_timer(&handle, Duration::ZERO, move |_, _| {
            call(&of_timer);
            TimerNext::Stop
        })?;
        expected += 1;
    }
    let far = if A::capabilities().has(Capability::Level) {
        let (near, mut far) = UnixStream::pair()?;
        far.write_all(&[0])?;
        let of_fd = called.clone();
        A::insert_fd(&handle, near.into(), Interest::Read, Mode::Level, move |_, _, _| {
            call(&of_fd);
            Next::Continue
        })?;
        expected += 1;
        Some(far)
    } else {
        None
    };
    if A::capabilities().has(Capability::Stop) {
        // It is for a run of this loop, if for any.
        event_loop.stopper()?.stop();
    }
    if A::capabilities().has(Capability::Ping) {
        let of_ping = called.clone();
        let (ping, _) = A::insert_ping(&handle, move |_| call(&of_ping))?;
        ping.ping();
        expected += 1;
        // With the ping still there: its end would be that of its source.
        event_loop.dispatch(Some(Duration::ZERO))?;
    } else {
        event_loop.dispatch(Some(Duration::ZERO))?;
    }
    drop(far);
    Ok(called.get() == expected)
}
