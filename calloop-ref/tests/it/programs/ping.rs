//! A worker thread that only says that something is there to be fetched.

use std::sync::{Arc, Mutex};
use std::thread;

use super::calloop::EventLoop;
use super::calloop::ping::make_ping;

#[test]
fn a_worker_wakes_the_loop_for_what_it_has_left() {
    const WORK: u32 = 100;
    let mut event_loop: EventLoop<Vec<u32>> = EventLoop::try_new().unwrap();
    let (ping, source) = make_ping().unwrap();
    let desk: Arc<Mutex<Vec<u32>>> = Arc::default();

    let shared = desk.clone();
    event_loop
        .handle()
        .insert_source(source, move |(), &mut (), fetched| {
            fetched.append(&mut shared.lock().unwrap());
        })
        .unwrap();
    let worker = thread::spawn(move || {
        for number in 0..WORK {
            desk.lock().unwrap().push(number);
            ping.ping();
        }
    });

    let mut fetched = Vec::new();
    while fetched.len() < WORK as usize {
        event_loop.dispatch(None, &mut fetched).unwrap();
    }
    worker.join().unwrap();
    assert_eq!(fetched, (0..WORK).collect::<Vec<_>>());
}
