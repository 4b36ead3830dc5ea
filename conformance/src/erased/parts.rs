//! What an adapter hands out besides handles and sources, of any type.

use std::any::Any;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;

use super::Handle;
use crate::adapter::{AsyncFd, CancelIdle, ChannelEvent, Ping, Refusal, Sender, Spawn, Stop};

/// A message of a channel.
pub(super) type AnyMessage = Box<dyn Any + Send>;

/// What a future resolves to.
pub(super) type AnyValue = Box<dyn Any>;

/// A future of an executor.
type AnyFuture = Pin<Box<dyn Future<Output = AnyValue>>>;

/// A future that is ready when some time is over.
pub(super) type AnySleep = Pin<Box<dyn Future<Output = ()>>>;

/// What was boxed, of the type that it had then.
pub(super) fn known<T: 'static>(value: AnyValue) -> T {
    *value.downcast().expect("what comes back has the type that it was given with")
}

/// [`Ping`], with its type forgotten.
pub(super) struct AnyPing(Box<dyn Pinger>);

trait Pinger: Send + Sync {
    fn ping(&self);
    fn another(&self) -> AnyPing;
}

impl<P: Ping> Pinger for P {
    fn ping(&self) {
        Ping::ping(self);
    }

    fn another(&self) -> AnyPing {
        AnyPing::new(self.clone())
    }
}

impl AnyPing {
    pub(super) fn new(ping: impl Ping) -> Self {
        AnyPing(Box::new(ping))
    }
}

impl Clone for AnyPing {
    fn clone(&self) -> Self {
        self.0.another()
    }
}

impl Ping for AnyPing {
    fn ping(&self) {
        self.0.ping();
    }
}

/// [`Stop`], with its type forgotten.
pub(super) struct AnyStop(Box<dyn Stopper>);

trait Stopper: Send + Sync {
    fn stop(&self);
    fn wakeup(&self);
    fn another(&self) -> AnyStop;
}

impl<S: Stop> Stopper for S {
    fn stop(&self) {
        Stop::stop(self);
    }

    fn wakeup(&self) {
        Stop::wakeup(self);
    }

    fn another(&self) -> AnyStop {
        AnyStop::new(self.clone())
    }
}

impl AnyStop {
    pub(super) fn new(stop: impl Stop) -> Self {
        AnyStop(Box::new(stop))
    }
}

impl Clone for AnyStop {
    fn clone(&self) -> Self {
        self.0.another()
    }
}

impl Stop for AnyStop {
    fn stop(&self) {
        self.0.stop();
    }

    fn wakeup(&self) {
        self.0.wakeup();
    }
}

/// [`CancelIdle`], with its type forgotten.
pub(super) struct Cancel(Box<dyn FnOnce()>);

impl Cancel {
    pub(super) fn new(idle: impl CancelIdle) -> Self {
        Cancel(Box::new(move || idle.cancel()))
    }
}

impl CancelIdle for Cancel {
    fn cancel(self) {
        (self.0)();
    }
}

/// What a channel calls.
pub(super) type Receiver = Box<dyn FnMut(&Handle, ChannelEvent<AnyMessage>)>;

/// That for messages of one type.
pub(super) fn receiver<T: Send + 'static>(
    mut callback: impl FnMut(&Handle, ChannelEvent<T>) + 'static,
) -> Receiver {
    Box::new(move |handle, event| {
        let event = match event {
            ChannelEvent::Message(message) => ChannelEvent::Message(known(message)),
            ChannelEvent::Closed => ChannelEvent::Closed,
        };
        callback(handle, event);
    })
}

/// The sender of a channel whose messages are of any type.
pub(super) trait Transmitter: Send {
    fn send(&self, message: AnyMessage) -> Result<(), AnyMessage>;
    fn try_send(&self, message: AnyMessage) -> Result<(), Refusal<AnyMessage>>;
    fn another(&self) -> Box<dyn Transmitter>;
}

/// That of an adapter.
pub(super) struct AnySend<S>(pub(super) S);

impl<S: Sender<AnyMessage>> Transmitter for AnySend<S> {
    fn send(&self, message: AnyMessage) -> Result<(), AnyMessage> {
        self.0.send(message)
    }

    fn try_send(&self, message: AnyMessage) -> Result<(), Refusal<AnyMessage>> {
        self.0.try_send(message)
    }

    fn another(&self) -> Box<dyn Transmitter> {
        Box::new(AnySend(self.0.clone()))
    }
}

/// [`Sender`], with its type forgotten, that of the messages known.
pub(super) struct AnySender<T> {
    inner: Box<dyn Transmitter>,
    of: PhantomData<fn(T)>,
}

impl<T> AnySender<T> {
    pub(super) fn new(inner: Box<dyn Transmitter>) -> Self {
        AnySender { inner, of: PhantomData }
    }
}

impl<T> Clone for AnySender<T> {
    fn clone(&self) -> Self {
        AnySender::new(self.inner.another())
    }
}

impl<T: Send + 'static> Sender<T> for AnySender<T> {
    fn send(&self, message: T) -> Result<(), T> {
        self.inner.send(Box::new(message)).map_err(|message| known(message))
    }

    fn try_send(&self, message: T) -> Result<(), Refusal<T>> {
        self.inner.try_send(Box::new(message)).map_err(|refusal| match refusal {
            Refusal::Full(message) => Refusal::Full(known(message)),
            Refusal::Closed(message) => Refusal::Closed(known(message)),
        })
    }
}

/// Has futures run whose results are of any type.
pub(super) trait Spawner {
    fn spawn(&self, future: AnyFuture) -> bool;
    fn another(&self) -> Box<dyn Spawner>;
}

impl<S: Spawn<AnyValue>> Spawner for S {
    fn spawn(&self, future: AnyFuture) -> bool {
        Spawn::spawn(self, future)
    }

    fn another(&self) -> Box<dyn Spawner> {
        Box::new(self.clone())
    }
}

/// [`Spawn`], with its type forgotten, that of the results known.
pub(super) struct AnySpawn<T> {
    inner: Box<dyn Spawner>,
    of: PhantomData<fn(T)>,
}

impl<T> AnySpawn<T> {
    pub(super) fn new(inner: Box<dyn Spawner>) -> Self {
        AnySpawn { inner, of: PhantomData }
    }
}

impl<T> Clone for AnySpawn<T> {
    fn clone(&self) -> Self {
        AnySpawn::new(self.inner.another())
    }
}

impl<T: 'static> Spawn<T> for AnySpawn<T> {
    fn spawn(&self, future: impl Future<Output = T> + 'static) -> bool {
        self.inner.spawn(Box::pin(async move { Box::new(future.await) as AnyValue }))
    }
}

type Awaited<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

trait Descriptor {
    fn readable(&mut self) -> Awaited<'_, ()>;
    fn writable(&mut self) -> Awaited<'_, ()>;
    fn read<'a>(&'a mut self, buffer: &'a mut [u8]) -> Awaited<'a, io::Result<usize>>;
    fn fd(&mut self) -> BorrowedFd<'_>;
    fn into_fd(self: Box<Self>) -> OwnedFd;
}

impl<F: AsyncFd> Descriptor for F {
    fn readable(&mut self) -> Awaited<'_, ()> {
        Box::pin(AsyncFd::readable(self))
    }

    fn writable(&mut self) -> Awaited<'_, ()> {
        Box::pin(AsyncFd::writable(self))
    }

    fn read<'a>(&'a mut self, buffer: &'a mut [u8]) -> Awaited<'a, io::Result<usize>> {
        Box::pin(AsyncFd::read(self, buffer))
    }

    fn fd(&mut self) -> BorrowedFd<'_> {
        AsyncFd::fd(self)
    }

    fn into_fd(self: Box<Self>) -> OwnedFd {
        AsyncFd::into_fd(*self)
    }
}

/// [`AsyncFd`], with its type forgotten.
pub(super) struct AnyAsyncFd(Box<dyn Descriptor>);

impl AnyAsyncFd {
    pub(super) fn new(fd: impl AsyncFd) -> Self {
        AnyAsyncFd(Box::new(fd))
    }
}

impl AsyncFd for AnyAsyncFd {
    async fn readable(&mut self) {
        self.0.readable().await;
    }

    async fn writable(&mut self) {
        self.0.writable().await;
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }

    fn fd(&mut self) -> BorrowedFd<'_> {
        self.0.fd()
    }

    fn into_fd(self) -> OwnedFd {
        self.0.into_fd()
    }
}
