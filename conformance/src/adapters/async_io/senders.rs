//! What is sent to a source or to the loop: pings, wake-ups, messages and futures.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Weak;

use async_channel::{Receiver, TrySendError};
use futures_util::future::{Either, select};

use super::tasks::{Caller, Handle};
use crate::adapter::{Ping, Refusal, Sender, Spawn, Stop};

#[derive(Clone, Debug)]
pub(super) struct Pinger(pub(super) async_channel::Sender<()>);

impl Ping for Pinger {
    fn ping(&self) {
        // If it is full, the source is called anyhow.
        let _ = self.0.try_send(());
    }
}

#[derive(Clone, Debug)]
pub(super) struct Waker(pub(super) async_channel::Sender<()>);

impl Stop for Waker {
    /// There is no run that it could end.
    fn stop(&self) {}

    fn wakeup(&self) {
        let _ = self.0.try_send(());
    }
}

impl<T: Send + 'static> Sender<T> for async_channel::Sender<T> {
    fn send(&self, message: T) -> Result<(), T> {
        self.send_blocking(message).map_err(|refused| refused.0)
    }

    fn try_send(&self, message: T) -> Result<(), Refusal<T>> {
        async_channel::Sender::try_send(self, message).map_err(|refused| match refused {
            TrySendError::Full(message) => Refusal::Full(message),
            TrySendError::Closed(message) => Refusal::Closed(message),
        })
    }
}

pub(super) struct Spawner<F> {
    pub(super) caller: Caller,
    pub(super) callback: Weak<RefCell<F>>,
    /// It is closed when the source is gone.
    pub(super) is_gone: Receiver<()>,
}

impl<F> Clone for Spawner<F> {
    fn clone(&self) -> Self {
        let Spawner { caller, callback, is_gone } = self;
        Spawner { caller: caller.clone(), callback: callback.clone(), is_gone: is_gone.clone() }
    }
}

impl<T: 'static, F: FnMut(&Handle, T) + 'static> Spawn<T> for Spawner<F> {
    fn spawn(&self, future: impl Future<Output = T> + 'static) -> bool {
        let Some(shared) = self.caller.shared.upgrade() else { return false };
        if self.caller.is_removed.get() {
            return false;
        }
        let Spawner { caller, callback, is_gone } = self.clone();
        let task = async move {
            let mut future = pin!(future);
            // A dispatch that polls a future returns after that, as after a callback.
            let noting = poll_fn(|context| {
                caller.shared.upgrade().iter().for_each(|shared| shared.note());
                future.as_mut().poll(context)
            });
            let Either::Left((output, _)) = select(noting, pin!(is_gone.recv())).await else {
                return;
            };
            if let Some(callback) = callback.upgrade() {
                caller.call(|handle| (callback.borrow_mut())(handle, output));
            }
        };
        shared.tasks.spawn(task).detach();
        true
    }
}
