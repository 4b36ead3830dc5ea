//! What is sent to a source or to the loop: pings, wake-ups, messages and futures.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use crate::adapter::{Ping, Refusal, Sender, Spawn, Stop};

#[derive(Clone, Debug)]
pub(super) struct Pinger(pub(super) Arc<Notify>);

impl Ping for Pinger {
    fn ping(&self) {
        self.0.notify_one();
    }
}

#[derive(Clone, Debug)]
pub(super) struct Waker(pub(super) Arc<Notify>);

impl Stop for Waker {
    /// There is no run that it could end.
    fn stop(&self) {}

    fn wakeup(&self) {
        self.0.notify_one();
    }
}

impl<T: Send + 'static> Sender<T> for mpsc::UnboundedSender<T> {
    fn send(&self, message: T) -> Result<(), T> {
        mpsc::UnboundedSender::send(self, message).map_err(|refused| refused.0)
    }

    fn try_send(&self, message: T) -> Result<(), Refusal<T>> {
        Sender::send(self, message).map_err(Refusal::Closed)
    }
}

impl<T: Send + 'static> Sender<T> for mpsc::Sender<T> {
    /// Blocking, which tokio forbids where its tasks run, is for when there is no room.
    fn send(&self, message: T) -> Result<(), T> {
        match Sender::try_send(self, message) {
            Ok(()) => Ok(()),
            Err(Refusal::Closed(message)) => Err(message),
            Err(Refusal::Full(message)) => self.blocking_send(message).map_err(|refused| refused.0),
        }
    }

    fn try_send(&self, message: T) -> Result<(), Refusal<T>> {
        mpsc::Sender::try_send(self, message).map_err(|refused| match refused {
            TrySendError::Full(message) => Refusal::Full(message),
            TrySendError::Closed(message) => Refusal::Closed(message),
        })
    }
}

pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

#[derive(Debug)]
pub(super) struct Spawner<T>(pub(super) mpsc::UnboundedSender<Boxed<T>>);

impl<T> Clone for Spawner<T> {
    fn clone(&self) -> Self {
        Spawner(self.0.clone())
    }
}

impl<T: 'static> Spawn<T> for Spawner<T> {
    fn spawn(&self, future: impl Future<Output = T> + 'static) -> bool {
        self.0.send(Box::pin(future)).is_ok()
    }
}
