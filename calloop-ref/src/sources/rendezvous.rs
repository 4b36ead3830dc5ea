//! A channel of capacity zero whose receiver may poll.
//!
//! The one of the standard library hands a message over only while a sender stands in `send`, which
//! nobody can announce from outside: a receiver that is told "now" a moment early finds nothing,
//! and is not told again. Here an offer is visible to the receiver before the sender tells it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

/// Makes a channel of capacity zero.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            offers: VecDeque::new(),
            next_ticket: 0,
            senders: 1,
            waiting_receivers: 0,
            receiver_is_gone: false,
        }),
        changed: Condvar::new(),
    });
    (Sender { shared: shared.clone() }, Receiver { shared })
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// Something came, went or was taken.
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// Messages whose senders wait, each under the sender's ticket, oldest first.
    offers: VecDeque<(u64, T)>,
    next_ticket: u64,
    senders: usize,
    waiting_receivers: usize,
    receiver_is_gone: bool,
}

impl<T> State<T> {
    fn offer(&mut self, message: T) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.offers.push_back((ticket, message));
        ticket
    }

    fn take(&mut self) -> Result<T, mpsc::TryRecvError> {
        match self.offers.pop_front() {
            Some((_, message)) => Ok(message),
            None if self.senders == 0 => Err(mpsc::TryRecvError::Disconnected),
            None => Err(mpsc::TryRecvError::Empty),
        }
    }

    /// Tickets ascend, so that this one was taken when the oldest offer is younger.
    fn is_taken(&self, ticket: u64) -> bool {
        self.offers.front().is_none_or(|(oldest, _)| *oldest > ticket)
    }

    fn withdraw(&mut self, ticket: u64) -> Option<T> {
        let position = self.offers.iter().position(|(offered, _)| *offered == ticket)?;
        self.offers.remove(position).map(|(_, message)| message)
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Offers a message, calls `announce`, and waits until the message is taken.
    pub(crate) fn send(
        &self,
        message: T,
        announce: impl FnOnce(),
    ) -> Result<(), mpsc::SendError<T>> {
        let mut state = self.shared.lock();
        if state.receiver_is_gone {
            return Err(mpsc::SendError(message));
        }
        let ticket = state.offer(message);
        drop(state);
        self.shared.changed.notify_all();
        announce();
        state = self.shared.lock();
        while !state.is_taken(ticket) {
            if state.receiver_is_gone {
                return match state.withdraw(ticket) {
                    Some(message) => Err(mpsc::SendError(message)),
                    None => Ok(()),
                };
            }
            state = self.shared.wait(state);
        }
        Ok(())
    }

    /// Hands a message over if a receiver waits for one.
    pub(crate) fn try_send(&self, message: T) -> Result<(), mpsc::TrySendError<T>> {
        let mut state = self.shared.lock();
        if state.receiver_is_gone {
            return Err(mpsc::TrySendError::Disconnected(message));
        }
        if state.waiting_receivers <= state.offers.len() {
            return Err(mpsc::TrySendError::Full(message));
        }
        state.offer(message);
        self.shared.changed.notify_all();
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Sender { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.lock().senders -= 1;
        self.shared.changed.notify_all();
    }
}

#[derive(Debug)]
pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, mpsc::TryRecvError> {
        let taken = self.shared.lock().take();
        if taken.is_ok() {
            self.shared.changed.notify_all();
        }
        taken
    }

    pub(crate) fn recv(&self) -> Result<T, mpsc::RecvError> {
        let mut state = self.shared.lock();
        loop {
            match state.take() {
                Ok(message) => {
                    self.shared.changed.notify_all();
                    return Ok(message);
                }
                Err(mpsc::TryRecvError::Disconnected) => return Err(mpsc::RecvError),
                Err(mpsc::TryRecvError::Empty) => {
                    state.waiting_receivers += 1;
                    state = self.shared.wait(state);
                    state.waiting_receivers -= 1;
                }
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.lock().receiver_is_gone = true;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn an_offer_is_there_when_it_is_announced() {
        let (sender, receiver) = channel();
        let (announce, announced) = mpsc::channel();
        let thread = thread::spawn(move || sender.send(7, || announce.send(()).unwrap()));
        announced.recv().unwrap();
        assert_eq!(receiver.try_recv(), Ok(7));
        assert_eq!(thread.join().unwrap(), Ok(()));
        assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    #[test]
    fn what_was_not_taken_goes_back_when_the_receiver_goes() {
        let (sender, receiver) = channel();
        let (announce, announced) = mpsc::channel();
        let thread = thread::spawn(move || sender.send("kept", || announce.send(()).unwrap()));
        announced.recv().unwrap();
        drop(receiver);
        assert_eq!(thread.join().unwrap(), Err(mpsc::SendError("kept")));
    }

    #[test]
    fn try_send_needs_a_receiver_that_waits() {
        let (sender, receiver) = channel();
        assert_eq!(sender.try_send(1), Err(mpsc::TrySendError::Full(1)));
        let thread = thread::spawn(move || receiver.recv());
        while sender.try_send(2).is_err() {
            thread::yield_now();
        }
        assert_eq!(thread.join().unwrap(), Ok(2));
        assert_eq!(sender.try_send(3), Err(mpsc::TrySendError::Disconnected(3)));
    }

    #[test]
    fn senders_are_served_in_turn() {
        let (sender, receiver) = channel();
        let (announce, announced) = mpsc::channel();
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let (sender, announce) = (sender.clone(), announce.clone());
                let thread =
                    thread::spawn(move || sender.send(number, || announce.send(()).unwrap()));
                announced.recv().unwrap();
                thread
            })
            .collect();
        assert_eq!([0; 3].map(|_| receiver.recv().unwrap()), [0, 1, 2]);
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    }
}
