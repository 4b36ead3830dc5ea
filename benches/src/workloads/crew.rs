//! Threads that do their work when they are told to, again and again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use conformance::adapter::Failure;

use super::partner::await_until;

#[derive(Default)]
struct Command {
    /// How often the work is to be done, all in all; `None`: never again.
    rounds: Mutex<Option<u64>>,
    changed: Condvar,
    /// How many threads are at work.
    at_work: AtomicUsize,
}

/// The threads; they end when this is dropped.
pub(super) struct Crew {
    command: Arc<Command>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts a thread for each of these, which do nothing yet.
    pub(super) fn of<W: FnMut() + Send + 'static>(works: impl Iterator<Item = W>) -> Self {
        let command = Arc::new(Command { rounds: Mutex::new(Some(0)), ..Command::default() });
        let start = |mut work: W| {
            let command = command.clone();
            thread::spawn(move || {
                let mut done = 0;
                while let Some(rounds) = command.await_round(done) {
                    for _ in done..rounds {
                        work();
                    }
                    done = rounds;
                    command.at_work.fetch_sub(1, Ordering::Release);
                }
            })
        };
        let threads = works.map(start).collect();
        Crew { command, threads }
    }

    /// Has each do its work once. They have to have done the last.
    pub(super) fn begin(&self) {
        self.command.at_work.store(self.threads.len(), Ordering::Release);
        self.command.set(|rounds| rounds.map(|rounds| rounds + 1));
    }

    /// Waits until all have done their work.
    pub(super) fn await_end(&self) -> Result<(), Failure> {
        await_until("a thread did not finish its work", || Ok(!self.is_at_work()))
    }

    fn is_at_work(&self) -> bool {
        self.command.at_work.load(Ordering::Acquire) > 0
    }
}

impl Command {
    fn set(&self, change: impl FnOnce(Option<u64>) -> Option<u64>) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        *rounds = change(*rounds);
        self.changed.notify_all();
    }

    /// Waits until the work is to be done more often.
    fn await_round(&self, done: u64) -> Option<u64> {
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let rounds = self.changed.wait_while(rounds, |rounds| *rounds == Some(done));
        *rounds.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.command.set(|_| None);
        // One that waits for a loop that went wrong ends with that loop.
        if !self.is_at_work() {
            for thread in self.threads.drain(..) {
                // A panic was told by the thread itself, and missed by who waited for its work.
                let _ = thread.join();
            }
        }
    }
}
