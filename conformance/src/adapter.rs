//! What a loop has to offer to be tested: the trait that an adapter implements.
//!
//! An adapter is thin. It maps each operation to the loop's own facility and adds nothing: an
//! operation that the loop does not have stays at its default, which answers
//! [`Failure::Unsupported`], and is not among the [capabilities](Adapter::capabilities).
//!
//! Callbacks are generic closures that get the loop's [`Handle`](Adapter::Handle) by reference, so
//! that they can use the loop without keeping it alive, and so that an adapter need not box them:
//! the benchmarks run through the same adapters and pay nothing for it.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

pub use crate::capability::{Capabilities, Capability};

/// Why an operation did not happen.
#[derive(Debug)]
pub enum Failure {
    /// The loop does not have this operation.
    Unsupported,
    /// The operating system refused.
    Io(io::Error),
    /// A callback answered [`Next::Fail`] and the loop passed that on.
    Callback(String),
    /// Anything else, in the loop's words.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unsupported => f.write_str("the loop does not have this operation"),
            Failure::Io(error) => write!(f, "the operating system refused: {error}"),
            Failure::Callback(text) => write!(f, "a callback failed: {text}"),
            Failure::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        Failure::Io(error.into())
    }
}

/// What is asked of a file descriptor.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Interest {
    None,
    Read,
    Write,
    Both,
}

/// How readiness is reported, in the words of epoll(7).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Mode {
    Level,
    Edge,
    OneShot,
}

/// What a loop reports of a file descriptor.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Readiness {
    pub readable: bool,
    pub writable: bool,
}

/// What the callback of a file descriptor wants done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Continue,
    /// Register anew, which arms a one-shot again ([`Capability::PostActions`]).
    Rearm,
    /// Keep it, silent ([`Capability::PostActions`]).
    Disable,
    /// Remove it ([`Capability::PostActions`]).
    Remove,
    /// Fail with this text ([`Capability::FallibleCallbacks`]).
    Fail(&'static str),
}

/// What the callback of a timer wants done next.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum TimerNext {
    /// No more.
    Stop,
    /// Fire again so long after the callback has returned ([`Capability::TimerRepeat`]).
    After(Duration),
    /// Fire again at this instant ([`Capability::Deadlines`]).
    At(Instant),
}

/// What a channel reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent<T> {
    /// A message.
    Message(T),
    /// Every sender is gone, every message was delivered.
    Closed,
}

/// Has a ping source called, from any thread. Dropping the last clone may end the source.
pub trait Ping: Clone + Send + Sync + 'static {
    /// Has it called.
    fn ping(&self);
}

/// Sends to a channel source, from any thread. Dropping the last clone closes the channel.
pub trait Sender<T>: Clone + Send + 'static {
    /// Sends; blocks while a bounded channel is full. The message comes back if nobody listens.
    fn send(&self, message: T) -> Result<(), T>;

    /// Sends if there is room at once. The message comes back if not, or if nobody listens.
    fn try_send(&self, message: T) -> Result<(), Refusal<T>>;
}

/// Why [`Sender::try_send`] gave the message back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<T> {
    /// The channel is full.
    Full(T),
    /// The channel is gone.
    Closed(T),
}

/// An idle callback that can be cancelled. Dropping it cancels nothing.
pub trait CancelIdle: 'static {
    /// Cancels it.
    fn cancel(self);
}

/// Ends a wait or a run, from any thread.
pub trait Stop: Clone + Send + Sync + 'static {
    /// Has the run return once its dispatch is over ([`Capability::Stop`]).
    fn stop(&self);

    /// Has the wait return at once ([`Capability::Wakeup`]).
    fn wakeup(&self);
}

/// Has futures run by an executor source, on the loop's thread.
pub trait Spawn<T>: Clone + 'static {
    /// Has a future run; `false` if the executor is gone.
    fn spawn(&self, future: impl Future<Output = T> + 'static) -> bool;
}

/// A file descriptor whose readiness futures can await.
pub trait AsyncFd: 'static {
    /// Ready when reading would not block.
    fn readable(&mut self) -> impl Future<Output = ()>;

    /// Ready when writing would not block.
    fn writable(&mut self) -> impl Future<Output = ()>;

    /// Reads: at once if there is something, else once there is. What only tells of readiness keeps
    /// this.
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        async move {
            loop {
                match rustix::io::read(self.fd(), &mut *buffer) {
                    Err(rustix::io::Errno::AGAIN) => self.readable().await,
                    outcome => return Ok(outcome?),
                }
            }
        }
    }

    /// The descriptor, to read and write.
    fn fd(&mut self) -> BorrowedFd<'_>;

    /// Takes the descriptor out.
    fn into_fd(self) -> OwnedFd;
}

/// A signal as a loop reports it; what the loop does not tell is `None`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct SignalEvent {
    /// Its number.
    pub signal: i32,
    /// The process that sent it.
    pub pid: Option<u32>,
    /// The user who sent it.
    pub uid: Option<u32>,
}

/// The parts of an adapter that it does not have; no value exists.
#[derive(Copy, Clone, Debug)]
pub enum Absent {}

impl Ping for Absent {
    fn ping(&self) {
        match *self {}
    }
}

impl<T> Sender<T> for Absent {
    fn send(&self, _: T) -> Result<(), T> {
        match *self {}
    }

    fn try_send(&self, _: T) -> Result<(), Refusal<T>> {
        match *self {}
    }
}

impl CancelIdle for Absent {
    fn cancel(self) {
        match self {}
    }
}

impl Stop for Absent {
    fn stop(&self) {
        match *self {}
    }

    fn wakeup(&self) {
        match *self {}
    }
}

impl<T> Spawn<T> for Absent {
    fn spawn(&self, _: impl Future<Output = T> + 'static) -> bool {
        match *self {}
    }
}

impl AsyncFd for Absent {
    async fn readable(&mut self) {
        match *self {}
    }

    async fn writable(&mut self) {
        match *self {}
    }

    fn fd(&mut self) -> BorrowedFd<'_> {
        match *self {}
    }

    fn into_fd(self) -> OwnedFd {
        match self {}
    }
}

/// A callback event loop, as the rules and the benchmarks use it.
///
/// The first eleven items are required; the rest are groups that a loop may have or not. What it
/// has it declares in [`capabilities`](Adapter::capabilities), and the suite holds it to that.
pub trait Adapter: Sized + 'static {
    /// The name in reports and on the command line, as `calloop-ref`.
    const NAME: &'static str;

    /// Reaches the loop, inside and outside of callbacks. It may keep the loop alive; callbacks get
    /// it by reference and should not store it.
    type Handle: Clone + 'static;

    /// Names a source that was inserted. Copies name the same source, also after its removal; while
    /// one exists, what belongs to the source may be kept in memory.
    type Source: Clone + 'static;

    /// The version of the loop under test.
    fn version() -> String;

    /// What the loop has, and in which of the permitted ways it behaves.
    fn capabilities() -> Capabilities;

    /// Makes a loop.
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn new() -> Result<Self, Failure>;

    /// A handle to it.
    fn handle(&self) -> Self::Handle;

    /// Waits for events at most `timeout` (`None`: without limit), delivers them and returns.
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure>;

    /// Watches a file descriptor. The loop owns it until the source is removed, then closes it.
    ///
    /// # Errors
    ///
    /// What the loop answers; [`Failure::Unsupported`] for a mode it does not have.
    fn insert_fd<F>(
        handle: &Self::Handle,
        fd: OwnedFd,
        interest: Interest,
        mode: Mode,
        callback: F,
    ) -> Result<Self::Source, Failure>
    where
        F: FnMut(&Self::Handle, BorrowedFd<'_>, Readiness) -> Next + 'static;

    /// Calls back once `delay` is over, with the deadline where the loop tells it
    /// ([`Capability::Timers`]).
    ///
    /// # Errors
    ///
    /// What the loop answers; [`Failure::Unsupported`] if it has no timers.
    fn insert_timer<F>(
        handle: &Self::Handle,
        delay: Duration,
        callback: F,
    ) -> Result<Self::Source, Failure>
    where
        F: FnMut(&Self::Handle, Option<Instant>) -> TimerNext + 'static;

    /// Removes a source: its callback is not called again. For a source that is gone, nothing.
    fn remove(handle: &Self::Handle, source: Self::Source);

    // Timers by deadline.

    /// As [`insert_timer`](Adapter::insert_timer), at an instant ([`Capability::Deadlines`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn insert_deadline<F>(
        _handle: &Self::Handle,
        _deadline: Instant,
        _callback: F,
    ) -> Result<Self::Source, Failure>
    where
        F: FnMut(&Self::Handle, Option<Instant>) -> TimerNext + 'static,
    {
        Err(Failure::Unsupported)
    }

    /// Programs a timer anew, from now ([`Capability::TimerReset`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn reset_timer(
        _handle: &Self::Handle,
        _source: &Self::Source,
        _delay: Duration,
    ) -> Result<(), Failure> {
        Err(Failure::Unsupported)
    }

    // Sources that change.

    /// Keeps a source but silences it ([`Capability::Disable`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn disable(_handle: &Self::Handle, _source: &Self::Source) -> Result<(), Failure> {
        Err(Failure::Unsupported)
    }

    /// Ends that ([`Capability::Disable`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn enable(_handle: &Self::Handle, _source: &Self::Source) -> Result<(), Failure> {
        Err(Failure::Unsupported)
    }

    /// Changes what is asked of a file descriptor ([`Capability::Update`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn update_fd(
        _handle: &Self::Handle,
        _source: &Self::Source,
        _interest: Interest,
        _mode: Mode,
    ) -> Result<(), Failure> {
        Err(Failure::Unsupported)
    }

    // Waking.

    /// A source that any thread can have called ([`Capability::Ping`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn insert_ping<F>(
        _handle: &Self::Handle,
        _callback: F,
    ) -> Result<(impl Ping, Self::Source), Failure>
    where
        F: FnMut(&Self::Handle) + 'static,
    {
        Err::<(Absent, _), _>(Failure::Unsupported)
    }

    /// A source of messages from any thread ([`Capability::Channel`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn insert_channel<T, F>(
        _handle: &Self::Handle,
        _callback: F,
    ) -> Result<(impl Sender<T>, Self::Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Self::Handle, ChannelEvent<T>) + 'static,
    {
        Err::<(Absent, _), _>(Failure::Unsupported)
    }

    /// The same with room for `bound` messages ([`Capability::BoundedChannel`], and for a bound of
    /// zero [`Capability::Rendezvous`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn insert_bounded_channel<T, F>(
        _handle: &Self::Handle,
        _bound: usize,
        _callback: F,
    ) -> Result<(impl Sender<T>, Self::Source), Failure>
    where
        T: Send + 'static,
        F: FnMut(&Self::Handle, ChannelEvent<T>) + 'static,
    {
        Err::<(Absent, _), _>(Failure::Unsupported)
    }

    /// What ends a wait ([`Capability::Wakeup`]) or a run ([`Capability::Stop`]) from any thread.
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn stopper(&self) -> Result<impl Stop, Failure> {
        Err::<Absent, _>(Failure::Unsupported)
    }

    /// Dispatches until it is stopped; `each` is called after every dispatch
    /// ([`Capability::Stop`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn run<F>(&mut self, _timeout: Option<Duration>, _each: F) -> Result<(), Failure>
    where
        F: FnMut(&Self::Handle),
    {
        Err(Failure::Unsupported)
    }

    // Idle callbacks.

    /// Calls back once, when a dispatch has nothing else left to do ([`Capability::Idle`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn insert_idle<F>(_handle: &Self::Handle, _callback: F) -> Result<impl CancelIdle, Failure>
    where
        F: FnOnce(&Self::Handle) + 'static,
    {
        Err::<Absent, _>(Failure::Unsupported)
    }

    // Signals.

    /// Reports Unix signals ([`Capability::Signals`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn insert_signals<F>(
        _handle: &Self::Handle,
        _signals: &[i32],
        _callback: F,
    ) -> Result<Self::Source, Failure>
    where
        F: FnMut(&Self::Handle, SignalEvent) + 'static,
    {
        Err(Failure::Unsupported)
    }

    /// Replaces the set of signals that a source reports ([`Capability::SignalSet`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn set_signals(
        _handle: &Self::Handle,
        _source: &Self::Source,
        _signals: &[i32],
    ) -> Result<(), Failure> {
        Err(Failure::Unsupported)
    }

    // Futures.

    /// A source that runs futures; the callback gets what they resolve to
    /// ([`Capability::Executor`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn insert_executor<T, F>(
        _handle: &Self::Handle,
        _callback: F,
    ) -> Result<(impl Spawn<T>, Self::Source), Failure>
    where
        T: 'static,
        F: FnMut(&Self::Handle, T) + 'static,
    {
        Err::<(Absent, _), _>(Failure::Unsupported)
    }

    /// Makes a file descriptor awaitable ([`Capability::AsyncIo`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn adapt_io(_handle: &Self::Handle, _fd: OwnedFd) -> Result<impl AsyncFd, Failure> {
        Err::<Absent, _>(Failure::Unsupported)
    }

    /// A future that is ready when `delay` is over ([`Capability::Sleep`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn sleep(
        _handle: &Self::Handle,
        _delay: Duration,
    ) -> Result<impl Future<Output = ()> + 'static, Failure> {
        Err::<std::future::Ready<()>, _>(Failure::Unsupported)
    }

    // Embedding.

    /// The descriptor to watch in another poller ([`Capability::Embed`]).
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn as_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        Err(Failure::Unsupported)
    }
}
