//! A slice of a scenario: a loop on a thread of its own, and events sent to it when they are due.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conformance::adapter::Failure;

use super::load::Load;
use super::schedule::{Plan, Schedule};
use super::watch::{Counted, Shared, Watch};
use super::{Probe, Sends};
use crate::processors::{self, Pin};
use crate::tally::Fault;

/// Sends the event of a number.
type Send = Box<dyn FnMut(u64) -> Result<(), Failure> + std::marker::Send>;

/// How long before an event is due a generator stops sleeping: it would wake up too late.
const AWAKE: Duration = Duration::from_micros(200);

/// What a scenario plays on. It belongs to the thread of the loop.
pub(super) struct Stage {
    watch: Rc<Watch>,
    shared: Arc<Shared>,
    plan: Plan,
    news: Sender<News>,
}

impl Stage {
    /// What callbacks report to.
    pub(super) fn watch(&self) -> Rc<Watch> {
        self.watch.clone()
    }

    /// The loop is ready for events, which this sends from another thread.
    pub(super) fn sent_by(
        &self,
        send: impl FnMut(u64) -> Result<(), Failure> + std::marker::Send + 'static,
    ) {
        // Nobody listens any more if it took too long.
        let _ = self.news.send(News::Ready(Box::new(send)));
    }

    /// The loop is ready for events that nobody has to send; the first is due after a period.
    pub(super) fn begin(&self) {
        let start = Instant::now() + self.plan.period;
        self.shared.begin(Schedule::new(start, self.plan));
    }

    /// When the next event is due that nobody has to send; `None` if there is none any more.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.watch.next_due()
    }

    /// Whether all events have come, or one that was wrong.
    pub(super) fn is_over(&self) -> bool {
        self.watch.is_over()
    }
}

/// What the thread of the loop tells.
enum News {
    /// Events can be sent.
    Ready(Send),
    /// It is over.
    Done(Result<Counted, Fault>),
}

/// Sends a loop the events of a plan, and returns how late they came.
///
/// A loop that waits for ever keeps its thread.
pub(super) fn play(probe: &Probe, plan: Plan, patience: Duration) -> Result<Counted, Fault> {
    // Before this thread is kept on one processor.
    let _load = probe.spec.is_loaded.then(Load::start);
    let pin = (probe.spec.sends != Sends::Nobody).then(Pin::here);
    let shared = Arc::new(Shared::default());
    let (thread, news) = start(probe, plan, shared.clone(), pin.as_ref());
    if pin.is_some() {
        match news.recv_timeout(patience) {
            Ok(News::Ready(mut send)) => {
                let start = Instant::now() + AWAKE;
                let schedule = shared.begin(Schedule::new(start, plan));
                let generator = Generator {
                    shared: &shared,
                    is_alone: pin.as_ref().is_some_and(|pin| pin.elsewhere().is_some()),
                    patience,
                };
                let sent = generator.send_all(&schedule, &mut send);
                // What the loop's thread has to say explains it better.
                if sent.is_err() && !shared.has_failed() {
                    sent?;
                }
            }
            Ok(News::Done(outcome)) => return outcome,
            Err(gone) => return Err(unheard(gone, thread, patience)),
        }
    }
    let limit = plan.period * u32::try_from(plan.events).unwrap_or(u32::MAX) + patience;
    match news.recv_timeout(limit) {
        Ok(News::Done(outcome)) => {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome
        }
        Ok(News::Ready(_)) => Err(Failure::Other("it was ready twice".to_string()).into()),
        Err(gone) => Err(unheard(gone, thread, patience)),
    }
}

/// Starts the thread of the loop, on another processor than this thread is kept on.
fn start(
    probe: &Probe,
    plan: Plan,
    shared: Arc<Shared>,
    pin: Option<&Pin>,
) -> (JoinHandle<()>, Receiver<News>) {
    let (sender, news) = mpsc::channel();
    let elsewhere = pin.and_then(Pin::elsewhere);
    let run = probe.run.clone();
    let thread = thread::spawn(move || {
        elsewhere.iter().for_each(processors::stay_on);
        let watch = Rc::new(Watch::new(shared.clone(), plan));
        let stage = Stage { watch, shared: shared.clone(), plan, news: sender };
        let outcome = run(&stage).map_err(Fault::from).and_then(|()| stage.watch.finish());
        if outcome.is_err() {
            shared.fail();
        }
        // Nobody listens any more if it took too long.
        let _ = stage.news.send(News::Done(outcome));
    });
    (thread, news)
}

/// Why nothing is heard of the thread.
fn unheard(gone: RecvTimeoutError, thread: JoinHandle<()>, patience: Duration) -> Fault {
    match (gone, thread) {
        (RecvTimeoutError::Timeout, _) => Fault::Stuck(patience),
        (RecvTimeoutError::Disconnected, thread) => match thread.join() {
            Ok(()) => unreachable!("the thread tells before it ends"),
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}

/// Sends each event when it is due, or as soon as possible after.
struct Generator<'s> {
    shared: &'s Shared,
    /// Whether the loop runs on another processor. Where there is one only, it needs this.
    is_alone: bool,
    patience: Duration,
}

impl Generator<'_> {
    /// An event that is late is still sent and counts from when it was due; those that are not sent
    /// when the time is over are missed.
    fn send_all(&self, schedule: &Schedule, send: &mut Send) -> Result<(), Fault> {
        for number in 0.. {
            self.await_time(schedule.due(number));
            if schedule.plan.is_one_by_one {
                self.await_events(number)?;
            }
            if self.shared.has_failed() {
                break;
            }
            let is_last = self.shared.sends(schedule, number);
            send(number)?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Sleeps most of the time until then, and looks again and again for the rest.
    fn await_time(&self, due: Instant) {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            match left.checked_sub(AWAKE) {
                Some(asleep) if !asleep.is_zero() => thread::sleep(asleep),
                _ => self.pause(),
            }
        }
    }

    /// Waits until so many events have come, or one that was wrong.
    fn await_events(&self, count: u64) -> Result<(), Fault> {
        let start = Instant::now();
        while self.shared.came() < count && !self.shared.has_failed() {
            if start.elapsed() > self.patience {
                return Err(Fault::Stuck(self.patience));
            }
            self.pause();
        }
        Ok(())
    }

    /// Who yields a processor that others want gets it back milliseconds later.
    fn pause(&self) {
        if self.is_alone {
            std::hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(1);
    const PATIENCE: Duration = Duration::from_millis(200);

    fn generator(shared: &Shared) -> Generator<'_> {
        Generator { shared, is_alone: false, patience: PATIENCE }
    }

    /// Sends `events` by something that takes so long for each; says how many were sent.
    fn sent(events: u64, each: Duration) -> u64 {
        let plan = Plan { period: PERIOD, events, warm_up: 0, is_one_by_one: false };
        let shared = Shared::default();
        let schedule = shared.begin(Schedule::new(Instant::now(), plan));
        let (count, counted) = mpsc::channel();
        let mut send: Send = Box::new(move |number| {
            thread::sleep(each);
            count.send(number).expect("the receiver is there");
            Ok(())
        });
        generator(&shared).send_all(&schedule, &mut send).expect("nothing fails");
        drop(send);
        counted.iter().zip(0..).map(|(number, expected)| assert_eq!(number, expected)).count()
            as u64
    }

    #[test]
    fn a_generator_that_keeps_up_sends_all() {
        assert_eq!(sent(20, Duration::ZERO), 20);
    }

    #[test]
    fn a_generator_that_is_too_slow_gives_up_when_the_time_is_over() {
        let sent = sent(50, 10 * PERIOD);
        assert!((2..50).contains(&sent), "{sent} were sent");
    }

    #[test]
    fn events_one_by_one_wait_for_the_last_and_not_for_ever() {
        let plan = Plan { period: PERIOD, events: 5, warm_up: 0, is_one_by_one: true };
        let shared = Shared::default();
        let schedule = shared.begin(Schedule::new(Instant::now(), plan));
        let mut send: Send = Box::new(|number| {
            assert_eq!(number, 0, "the first does not come");
            Ok(())
        });
        let outcome = generator(&shared).send_all(&schedule, &mut send);
        assert!(matches!(outcome, Err(Fault::Stuck(PATIENCE))));
    }
}
