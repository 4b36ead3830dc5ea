//! A window and a worker that talk over two channels, until one of them ends.

use std::thread;

use super::calloop::channel::{self, Event, Sender};
use super::calloop::{EventLoop, LoopSignal};

enum Request {
    Square(u64),
    Quit,
}

struct Window {
    requests: Option<Sender<Request>>,
    answers: Vec<u64>,
    signal: LoopSignal,
}

#[test]
fn two_loops_talk_over_channels() {
    let (request_sender, requests) = channel::channel();
    let (answer_sender, answers) = channel::sync_channel(1);
    let worker = thread::spawn(move || {
        // Everything but the channels stays on this thread.
        let mut event_loop: EventLoop<LoopSignal> = EventLoop::try_new().unwrap();
        event_loop
            .handle()
            .insert_source(requests, move |event, &mut (), signal: &mut LoopSignal| match event {
                Event::Msg(Request::Square(number)) => answer_sender.send(number * number).unwrap(),
                Event::Msg(Request::Quit) | Event::Closed => signal.stop(),
            })
            .unwrap();
        let mut signal = event_loop.get_signal();
        event_loop.run(None, &mut signal, |_| {}).unwrap();
    });

    let mut event_loop: EventLoop<Window> = EventLoop::try_new().unwrap();
    event_loop
        .handle()
        .insert_source(answers, |event, _, window: &mut Window| match event {
            Event::Msg(answer) => {
                window.answers.push(answer);
                let next = match window.answers.len() {
                    3 => Request::Quit,
                    count => Request::Square(count as u64 + 1),
                };
                let requests = window.requests.as_ref().expect("it is kept to the end");
                requests.send(next).unwrap();
            }
            Event::Closed => window.signal.stop(),
        })
        .unwrap();
    request_sender.send(Request::Square(1)).unwrap();
    let signal = event_loop.get_signal();
    let mut window = Window { requests: Some(request_sender), answers: Vec::new(), signal };
    event_loop.run(None, &mut window, |_| {}).unwrap();
    assert_eq!(window.answers, [1, 4, 9]);
    assert!(window.requests.unwrap().send(Request::Quit).is_err(), "the worker is gone");
    worker.join().unwrap();
}
