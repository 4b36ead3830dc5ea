//! A watchdog and a metronome: timers that are pushed back, that repeat, and that end themselves.

use std::time::{Duration, Instant};

use super::calloop::timer::{TimeoutAction, Timer};
use super::calloop::{EventLoop, LoopHandle, LoopSignal, RegistrationToken};

struct App {
    handle: LoopHandle<'static, App>,
    signal: LoopSignal,
    watchdog: Option<RegistrationToken>,
    beats: Vec<Instant>,
    barked: bool,
}

impl App {
    /// Replaces the timer that would end the program, as programs without a dispatcher do.
    fn feed(&mut self) {
        if let Some(token) = self.watchdog.take() {
            self.handle.remove(token);
        }
        let timer = Timer::from_duration(Duration::from_millis(40));
        let inserted = self.handle.insert_source(timer, |_, _, app| {
            app.barked = true;
            app.watchdog = None;
            app.signal.stop();
            TimeoutAction::Drop
        });
        self.watchdog = Some(inserted.expect("a timer can be inserted"));
    }
}

#[test]
fn a_metronome_feeds_a_watchdog() {
    const PERIOD: Duration = Duration::from_millis(10);
    let mut event_loop: EventLoop<App> = EventLoop::try_new().unwrap();
    let handle = event_loop.handle();
    handle
        .insert_source(Timer::immediate(), |deadline, &mut (), app: &mut App| {
            assert!(!app.barked, "the watchdog is fed");
            app.beats.push(deadline);
            app.feed();
            if app.beats.len() < 5 {
                TimeoutAction::ToInstant(deadline + PERIOD)
            } else {
                TimeoutAction::Drop
            }
        })
        .unwrap();

    let signal = event_loop.get_signal();
    let mut app = App { handle, signal, watchdog: None, beats: Vec::new(), barked: false };
    event_loop.run(None, &mut app, |_| {}).unwrap();
    assert!(app.barked && app.watchdog.is_none());
    let steps: Vec<_> = app.beats.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps, [PERIOD; 4], "the deadlines do not drift");
}

#[test]
fn a_time_relative_to_the_call_counts_from_its_end() {
    const WORK: Duration = Duration::from_millis(5);
    const PAUSE: Duration = Duration::from_millis(10);
    let mut event_loop: EventLoop<Vec<(Instant, Instant)>> = EventLoop::try_new().unwrap();
    event_loop
        .handle()
        .insert_source(Timer::immediate(), |deadline, _, calls| {
            std::thread::sleep(WORK);
            calls.push((deadline, Instant::now()));
            TimeoutAction::ToDuration(PAUSE)
        })
        .unwrap();
    let mut calls = Vec::new();
    while calls.len() < 3 {
        event_loop.dispatch(None, &mut calls).unwrap();
    }
    for pair in calls.windows(2) {
        assert!(pair[1].0 >= pair[0].1 + PAUSE, "{pair:?}");
    }
}
