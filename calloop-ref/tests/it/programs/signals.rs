//! A service that reloads on one signal and ends on another.

use nix::sys::signal::{SIGHUP, SIGTERM, raise};

use super::calloop::EventLoop;
use super::calloop::signals::{Signal, Signals};
use crate::own_process::in_own_process;

#[test]
fn a_service_reloads_and_ends() {
    in_own_process(|| {
        let mut event_loop: EventLoop<Vec<Signal>> = EventLoop::try_new().unwrap();
        let signals = Signals::new(&[Signal::SIGHUP, Signal::SIGTERM]).unwrap();
        let stop = event_loop.get_signal();
        event_loop
            .handle()
            .insert_source(signals, move |event, &mut (), seen| {
                assert_eq!(event.pid(), std::process::id());
                seen.push(event.signal());
                if event.signal() == Signal::SIGTERM {
                    stop.stop();
                }
            })
            .unwrap();
        raise(SIGHUP).unwrap();
        let mut seen = Vec::new();
        let mut sent = false;
        let ends = |seen: &mut Vec<Signal>| {
            if !seen.is_empty() && !std::mem::replace(&mut sent, true) {
                raise(SIGTERM).unwrap();
            }
        };
        event_loop.run(None, &mut seen, ends).unwrap();
        assert_eq!(seen, [Signal::SIGHUP, Signal::SIGTERM]);
    });
}
