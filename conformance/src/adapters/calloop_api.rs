//! The adapter over calloop's interface. `super::calloop` is the crate under test.
//!
//! Every operation is the loop's own. The handle reaches callbacks through the `Data` of the
//! dispatch, so that no callback keeps the loop alive. Sources that can change later are kept in a
//! `Dispatcher`, as calloop's documentation does it.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::AsyncReadExt;

use super::calloop::channel::{self, SyncSender};
use super::calloop::futures::{self, Scheduler};
use super::calloop::generic::Generic;
use super::calloop::io::Async;
use super::calloop::ping;
use super::calloop::timer::{TimeoutAction, TimeoutFuture, Timer};
use super::calloop::{
    self, Dispatcher, EventLoop, Idle, LoopHandle, LoopSignal, PostAction, RegistrationToken,
};
use crate::adapter::{
    Adapter, AsyncFd, CancelIdle, Capabilities, Capability, ChannelEvent, Failure, Interest, Mode,
    Next, Ping, Readiness, Refusal, Sender, Spawn, Stop, TimerNext,
};

#[cfg(target_os = "linux")]
#[path = "calloop_signals.rs"]
mod signals;

/// An adapter over calloop's interface.
#[derive(Debug)]
pub struct Calloop {
    event_loop: EventLoop<'static, Context>,
    context: Context,
}

/// The `Data` of every dispatch.
#[derive(Debug)]
pub struct Context {
    handle: Handle,
}

type Handle = LoopHandle<'static, Context>;

/// A source by its token, with what it takes to change it.
#[derive(Clone, Debug)]
pub struct Source {
    token: RegistrationToken,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Fd(Dispatcher<'static, Generic<OwnedFd>, Context>),
    Timer(Dispatcher<'static, Timer, Context>),
    #[cfg(target_os = "linux")]
    Signals(signals::Kept),
    Other,
}

/// What every version has.
pub(super) const COMMON: Capabilities = Capabilities::of(&[
    Capability::Level,
    Capability::Edge,
    Capability::OneShot,
    Capability::EmptyInterest,
    Capability::PostActions,
    Capability::FallibleCallbacks,
    Capability::Disable,
    Capability::Update,
    Capability::Panics,
    Capability::NestedLoops,
    Capability::Timers,
    Capability::SubMillisecondTimers,
    Capability::ImmediateTimers,
    Capability::Deadlines,
    Capability::DeadlineTold,
    Capability::TimerRepeat,
    Capability::DeadlineOrder,
    Capability::TimerReset,
    Capability::TimersAndFdsTogether,
    Capability::Ping,
    Capability::PingCloses,
    Capability::Channel,
    Capability::BoundedChannel,
    Capability::Wakeup,
    Capability::Stop,
    Capability::Idle,
    Capability::IdleCancel,
    Capability::IdleOrder,
    Capability::IdleAfterEvents,
    Capability::IdleEveryDispatch,
    Capability::Executor,
    Capability::AsyncIo,
    Capability::FlagsRestored,
    Capability::Sleep,
    Capability::Embed,
    Capability::OneWaitADispatch,
    Capability::ReadyOrder,
])
.with(SIGNALS);

/// They come by signalfd(2), so that there are none elsewhere.
const SIGNALS: &[Capability] = if cfg!(target_os = "linux") {
    &[
        Capability::Signals,
        Capability::SignalInfo,
        Capability::SignalSharing,
        Capability::SignalSet,
        Capability::SignalMask,
    ]
} else {
    &[]
};

impl From<calloop::Error> for Failure {
    fn from(error: calloop::Error) -> Self {
        match error {
            calloop::Error::IoError(error) => Failure::Io(error),
            calloop::Error::OtherError(error) => Failure::Callback(error.to_string()),
            calloop::Error::InvalidToken => Failure::Other(error.to_string()),
        }
    }
}

impl<T> From<calloop::InsertError<T>> for Failure {
    fn from(error: calloop::InsertError<T>) -> Self {
        error.error.into()
    }
}

fn interest(interest: Interest) -> calloop::Interest {
    match interest {
        Interest::None => calloop::Interest::EMPTY,
        Interest::Read => calloop::Interest::READ,
        Interest::Write => calloop::Interest::WRITE,
        Interest::Both => calloop::Interest::BOTH,
    }
}

fn mode(mode: Mode) -> calloop::Mode {
    match mode {
        Mode::Level => calloop::Mode::Level,
        Mode::Edge => calloop::Mode::Edge,
        Mode::OneShot => calloop::Mode::OneShot,
    }
}

fn timer<F>(timer: Timer, mut callback: F) -> Dispatcher<'static, Timer, Context>
where
    F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
{
    Dispatcher::new(timer, move |deadline, &mut (), context: &mut Context| {
        match callback(&context.handle, Some(deadline)) {
            TimerNext::Stop => TimeoutAction::Drop,
            TimerNext::After(delay) => TimeoutAction::ToDuration(delay),
            TimerNext::At(deadline) => TimeoutAction::ToInstant(deadline),
        }
    })
}

fn channel<T, F>(
    handle: &Handle,
    channel: channel::Channel<T>,
    mut callback: F,
) -> Result<Source, Failure>
where
    T: 'static,
    F: FnMut(&Handle, ChannelEvent<T>) + 'static,
{
    let token = handle.insert_source(channel, move |event, &mut (), context| {
        let event = match event {
            channel::Event::Msg(message) => ChannelEvent::Message(message),
            channel::Event::Closed => ChannelEvent::Closed,
        };
        callback(&context.handle, event);
    })?;
    Ok(Source { token, kind: Kind::Other })
}

impl Adapter for Calloop {
    const NAME: &'static str = super::NAME;

    type Handle = Handle;
    type Source = Source;

    fn version() -> String {
        super::VERSION.to_string()
    }

    fn capabilities() -> Capabilities {
        super::capabilities()
    }

    #[inline]
    fn new() -> Result<Self, Failure> {
        let event_loop = EventLoop::try_new()?;
        let context = Context { handle: event_loop.handle() };
        Ok(Calloop { event_loop, context })
    }

    #[inline]
    fn handle(&self) -> Handle {
        self.event_loop.handle()
    }

    #[inline]
    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        Ok(self.event_loop.dispatch(timeout, &mut self.context)?)
    }

    fn insert_fd<F>(
        handle: &Handle,
        fd: OwnedFd,
        interest_in: Interest,
        mode_of: Mode,
        mut callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        let source = Generic::new(fd, interest(interest_in), mode(mode_of));
        let dispatcher = Dispatcher::new(source, move |readiness, fd, context: &mut Context| {
            let calloop::Readiness { readable, writable, .. } = readiness;
            match callback(&context.handle, fd.as_fd(), Readiness { readable, writable }) {
                Next::Continue => Ok(PostAction::Continue),
                Next::Rearm => Ok(PostAction::Reregister),
                Next::Disable => Ok(PostAction::Disable),
                Next::Remove => Ok(PostAction::Remove),
                Next::Fail(text) => Err(std::io::Error::other(text)),
            }
        });
        let token = handle.register_dispatcher(dispatcher.clone())?;
        Ok(Source { token, kind: Kind::Fd(dispatcher) })
    }

    fn insert_timer<F>(handle: &Handle, delay: Duration, callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let dispatcher = timer(Timer::from_duration(delay), callback);
        let token = handle.register_dispatcher(dispatcher.clone())?;
        Ok(Source { token, kind: Kind::Timer(dispatcher) })
    }

    #[inline]
    fn remove(handle: &Handle, source: Source) {
        handle.remove(source.token);
    }

    fn insert_deadline<F>(
        handle: &Handle,
        deadline: Instant,
        callback: F,
    ) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        let dispatcher = timer(Timer::from_deadline(deadline), callback);
        let token = handle.register_dispatcher(dispatcher.clone())?;
        Ok(Source { token, kind: Kind::Timer(dispatcher) })
    }

    #[inline]
    fn reset_timer(handle: &Handle, source: &Source, delay: Duration) -> Result<(), Failure> {
        let Kind::Timer(dispatcher) = &source.kind else { return Err(Failure::Unsupported) };
        dispatcher.as_source_mut().set_duration(delay);
        Ok(handle.update(&source.token)?)
    }

    #[inline]
    fn disable(handle: &Handle, source: &Source) -> Result<(), Failure> {
        Ok(handle.disable(&source.token)?)
    }

    #[inline]
    fn enable(handle: &Handle, source: &Source) -> Result<(), Failure> {
        Ok(handle.enable(&source.token)?)
    }

    #[inline]
    fn update_fd(
        handle: &Handle,
        source: &Source,
        interest_in: Interest,
        mode_of: Mode,
    ) -> Result<(), Failure> {
        let Kind::Fd(dispatcher) = &source.kind else { return Err(Failure::Unsupported) };
        let mut generic = dispatcher.as_source_mut();
        generic.interest = interest(interest_in);
        generic.mode = mode(mode_of);
        drop(generic);
        Ok(handle.update(&source.token)?)
    }

    fn insert_ping<F>(handle: &Handle, mut callback: F) -> Result<(impl Ping, Source), Failure>
    where
        F: FnMut(&Handle) + 'static,
    {
        let (ping, source) = ping::make_ping()?;
        let token =
            handle.insert_source(source, move |(), &mut (), context| callback(&context.handle))?;
        Ok((ping, Source { token, kind: Kind::Other }))
    }

    fn insert_channel<T, F>(
        handle: &Handle,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        let (sender, receiver) = channel::channel();
        Ok((sender, channel(handle, receiver, callback)?))
    }

    fn insert_bounded_channel<T, F>(
        handle: &Handle,
        bound: usize,
        callback: F,
    ) -> Result<(impl Sender<T>, Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Handle, ChannelEvent<T>) + 'static,
    {
        let (sender, receiver) = channel::sync_channel(bound);
        Ok((sender, channel(handle, receiver, callback)?))
    }

    fn stopper(&self) -> Result<impl Stop, Failure> {
        Ok(self.event_loop.get_signal())
    }

    fn run<F>(&mut self, timeout: Option<Duration>, mut each: F) -> Result<(), Failure>
    where
        F: FnMut(&Handle),
    {
        Ok(self.event_loop.run(timeout, &mut self.context, |context| each(&context.handle))?)
    }

    fn insert_idle<F>(handle: &Handle, callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&Handle) + 'static,
    {
        Ok(handle.insert_idle(move |context: &mut Context| callback(&context.handle)))
    }

    #[cfg(target_os = "linux")]
    fn insert_signals<F>(handle: &Handle, numbers: &[i32], callback: F) -> Result<Source, Failure>
    where
        F: FnMut(&Handle, crate::adapter::SignalEvent) + 'static,
    {
        signals::insert(handle, numbers, callback)
    }

    #[cfg(target_os = "linux")]
    fn set_signals(_: &Handle, source: &Source, numbers: &[i32]) -> Result<(), Failure> {
        let Kind::Signals(kept) = &source.kind else { return Err(Failure::Unsupported) };
        signals::set(kept, numbers)
    }

    fn insert_executor<T, F>(
        handle: &Handle,
        mut callback: F,
    ) -> Result<(impl Spawn<T>, Source), Failure>
    where
        T: 'static,
        F: FnMut(&Handle, T) + 'static,
    {
        let (executor, scheduler) = futures::executor()?;
        let token = handle.insert_source(executor, move |output, &mut (), context| {
            callback(&context.handle, output);
        })?;
        Ok((Spawner(scheduler.into()), Source { token, kind: Kind::Other }))
    }

    fn adapt_io(handle: &Handle, fd: OwnedFd) -> Result<impl AsyncFd, Failure> {
        Ok(handle.adapt_io(File::from(fd))?)
    }

    fn sleep(
        handle: &Handle,
        delay: Duration,
    ) -> Result<impl Future<Output = ()> + 'static, Failure> {
        Ok(TimeoutFuture::from_duration(handle, delay))
    }

    fn as_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        Ok(self.event_loop.as_fd())
    }
}

impl Ping for ping::Ping {
    #[inline]
    fn ping(&self) {
        ping::Ping::ping(self);
    }
}

impl<T: Send + 'static> Sender<T> for channel::Sender<T> {
    fn send(&self, message: T) -> Result<(), T> {
        channel::Sender::send(self, message).map_err(|mpsc::SendError(message)| message)
    }

    fn try_send(&self, message: T) -> Result<(), Refusal<T>> {
        Sender::send(self, message).map_err(Refusal::Closed)
    }
}

impl<T: Send + 'static> Sender<T> for SyncSender<T> {
    fn send(&self, message: T) -> Result<(), T> {
        SyncSender::send(self, message).map_err(|mpsc::SendError(message)| message)
    }

    fn try_send(&self, message: T) -> Result<(), Refusal<T>> {
        SyncSender::try_send(self, message).map_err(|refused| match refused {
            mpsc::TrySendError::Full(message) => Refusal::Full(message),
            mpsc::TrySendError::Disconnected(message) => Refusal::Closed(message),
        })
    }
}

impl CancelIdle for Idle<'static> {
    #[inline]
    fn cancel(self) {
        Idle::cancel(self);
    }
}

impl Stop for LoopSignal {
    fn stop(&self) {
        LoopSignal::stop(self);
    }

    #[inline]
    fn wakeup(&self) {
        LoopSignal::wakeup(self);
    }
}

/// calloop's own scheduler can be cloned only if what its futures resolve to can.
#[derive(Debug)]
struct Spawner<T>(std::rc::Rc<Scheduler<T>>);

impl<T> Clone for Spawner<T> {
    fn clone(&self) -> Self {
        Spawner(self.0.clone())
    }
}

impl<T: 'static> Spawn<T> for Spawner<T> {
    fn spawn(&self, future: impl Future<Output = T> + 'static) -> bool {
        self.0.schedule(future).is_ok()
    }
}

impl AsyncFd for Async<'static, File> {
    async fn readable(&mut self) {
        Async::readable(self).await;
    }

    async fn writable(&mut self) {
        Async::writable(self).await;
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        AsyncReadExt::read(self, buffer).await
    }

    fn fd(&mut self) -> BorrowedFd<'_> {
        let file: &File = self.get_mut();
        file.as_fd()
    }

    fn into_fd(self) -> OwnedFd {
        self.into_inner().into()
    }
}
