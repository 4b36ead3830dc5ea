//! mio 1, as the loop of its documentation: poll, and call what each event's token names.
//!
//! What stands for what:
//!
//! * A dispatch is one `Poll::poll`, which is repeated with the time that is left if a signal has
//!   interrupted it, and the callbacks of its events. The table of callbacks by token is this
//!   adapter's; in a program it is a `match`.
//! * A descriptor is a `SourceFd`, edge-triggered. The end of a direction, or an error, is to be read
//!   or written into.
//! * To update is to reregister, to silence and to remove to deregister, to bring back to register.
//! * A wake-up is the `Waker`, the loop's descriptor that of the `Poll`.
//!
//! What is left out, because mio does not have it: timers; level-triggered descriptors, and those
//! that are reported once or watched for nothing; what a callback answers or panics with, as mio
//! calls none; pings, since there should be one `Waker` for a `Poll`; channels, idle callbacks,
//! signals, futures; a run that can be stopped.

#![allow(unsafe_code, reason = "a `Poll` lends its descriptor as a number only")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::mio::event::Event;
use ::mio::unix::SourceFd;
use ::mio::{Events, Poll, Registry, Token, Waker};

use crate::adapter::{
    Adapter, Capabilities, Capability, Failure, Interest, Mode, Next, Readiness, Stop, TimerNext,
};

const VERSION: &str = "1.2.5";

/// As many as the examples of mio's documentation have room for.
const EVENTS: usize = 1024;

/// The token of the waker. Sources have those from zero on.
const WAKER: Token = Token(usize::MAX);

/// A `Poll` with the callbacks of its tokens.
#[derive(Debug)]
pub struct Mio {
    poll: Poll,
    events: Events,
    handle: Handle,
}

/// Reaches the loop.
#[derive(Clone, Debug)]
pub struct Handle(Rc<Shared>);

struct Shared {
    registry: Registry,
    waker: Arc<Waker>,
    next: Cell<usize>,
    sources: RefCell<HashMap<Token, Rc<Entry>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("registry", &self.registry).finish_non_exhaustive()
    }
}

type Callback = Box<dyn FnMut(&Handle, BorrowedFd<'_>, Readiness)>;

/// What a token names.
struct Entry {
    fd: OwnedFd,
    interest: Cell<::mio::Interest>,
    is_registered: Cell<bool>,
    callback: RefCell<Callback>,
}

impl Handle {
    fn entry(&self, token: Token) -> Result<Rc<Entry>, Failure> {
        let entry = self.0.sources.borrow().get(&token).cloned();
        entry.ok_or_else(|| Failure::Other("the source is gone".to_string()))
    }

    fn register(&self, token: Token, entry: &Entry) -> io::Result<()> {
        let fd = entry.fd.as_raw_fd();
        let (mut source, interest) = (SourceFd(&fd), entry.interest.get());
        if entry.is_registered.replace(true) {
            self.0.registry.reregister(&mut source, token, interest)
        } else {
            self.0.registry.register(&mut source, token, interest)
        }
    }

    fn deregister(&self, entry: &Entry) -> io::Result<()> {
        if entry.is_registered.replace(false) {
            self.0.registry.deregister(&mut SourceFd(&entry.fd.as_raw_fd()))?;
        }
        Ok(())
    }

    fn call(&self, event: &Event) {
        let entry = self.0.sources.borrow().get(&event.token()).cloned();
        // An event of this wait may be of a source that is gone or silent by now.
        let Some(entry) = entry.filter(|entry| entry.is_registered.get()) else { return };
        let asked = entry.interest.get();
        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
        let writable = event.is_writable() || event.is_write_closed() || event.is_error();
        let ready = Readiness {
            readable: readable && asked.is_readable(),
            writable: writable && asked.is_writable(),
        };
        (entry.callback.borrow_mut())(self, entry.fd.as_fd(), ready);
    }
}

fn interest(interest: Interest) -> Result<::mio::Interest, Failure> {
    match interest {
        Interest::None => Err(Failure::Unsupported),
        Interest::Read => Ok(::mio::Interest::READABLE),
        Interest::Write => Ok(::mio::Interest::WRITABLE),
        Interest::Both => Ok(::mio::Interest::READABLE | ::mio::Interest::WRITABLE),
    }
}

impl Adapter for Mio {
    const NAME: &'static str = "mio";

    type Handle = Handle;
    type Source = Token;

    fn version() -> String {
        VERSION.to_string()
    }

    fn capabilities() -> Capabilities {
        Capabilities::of(&[
            Capability::Edge,
            Capability::Disable,
            Capability::Update,
            Capability::NestedLoops,
            Capability::Wakeup,
            Capability::Embed,
            Capability::OneWaitADispatch,
            Capability::ReadyOrder,
        ])
    }

    fn new() -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Arc::new(Waker::new(&registry, WAKER)?);
        let (next, sources) = (Cell::new(0), RefCell::default());
        let handle = Handle(Rc::new(Shared { registry, waker, next, sources }));
        Ok(Mio { poll, events: Events::with_capacity(EVENTS), handle })
    }

    fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn dispatch(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        // A timeout beyond the clock is none.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut rest = end.and(timeout);
        loop {
            match self.poll.poll(&mut self.events, rest) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    rest = end.map(|end| end.saturating_duration_since(Instant::now()));
                }
                outcome => break outcome?,
            }
        }
        self.events.iter().for_each(|event| self.handle.call(event));
        Ok(())
    }

    fn insert_fd<F>(
        handle: &Handle,
        fd: OwnedFd,
        asked: Interest,
        mode: Mode,
        mut callback: F,
    ) -> Result<Token, Failure>
    where
        F: FnMut(&Handle, BorrowedFd<'_>, Readiness) -> Next + 'static,
    {
        if mode != Mode::Edge {
            return Err(Failure::Unsupported);
        }
        let callback: Callback = Box::new(move |handle, fd, ready| {
            // Every answer is to go on.
            let _ = callback(handle, fd, ready);
        });
        let entry = Entry {
            fd,
            interest: Cell::new(interest(asked)?),
            is_registered: Cell::new(false),
            callback: RefCell::new(callback),
        };
        let token = Token(handle.0.next.replace(handle.0.next.get() + 1));
        handle.register(token, &entry)?;
        handle.0.sources.borrow_mut().insert(token, Rc::new(entry));
        Ok(token)
    }

    fn insert_timer<F>(_: &Handle, _: Duration, _: F) -> Result<Token, Failure>
    where
        F: FnMut(&Handle, Option<Instant>) -> TimerNext + 'static,
    {
        Err(Failure::Unsupported)
    }

    fn remove(handle: &Handle, source: Token) {
        let entry = handle.0.sources.borrow_mut().remove(&source);
        if let Some(entry) = entry {
            // The descriptor is registered, or was never.
            let _ = handle.deregister(&entry);
        }
    }

    fn disable(handle: &Handle, source: &Token) -> Result<(), Failure> {
        Ok(handle.deregister(&*handle.entry(*source)?)?)
    }

    fn enable(handle: &Handle, source: &Token) -> Result<(), Failure> {
        let entry = handle.entry(*source)?;
        if !entry.is_registered.get() {
            handle.register(*source, &entry)?;
        }
        Ok(())
    }

    fn update_fd(
        handle: &Handle,
        source: &Token,
        asked: Interest,
        mode: Mode,
    ) -> Result<(), Failure> {
        if mode != Mode::Edge {
            return Err(Failure::Unsupported);
        }
        let entry = handle.entry(*source)?;
        entry.interest.set(interest(asked)?);
        if entry.is_registered.get() {
            handle.register(*source, &entry)?;
        }
        Ok(())
    }

    fn stopper(&self) -> Result<impl Stop, Failure> {
        Ok(Wake(self.handle.0.waker.clone()))
    }

    fn as_fd(&self) -> Result<BorrowedFd<'_>, Failure> {
        let fd = self.poll.as_raw_fd();
        // SAFETY: the descriptor is the poll's, which lives as long as this borrow of the loop.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }
}

#[derive(Clone, Debug)]
struct Wake(Arc<Waker>);

impl Stop for Wake {
    /// There is no run that it could end.
    fn stop(&self) {}

    fn wakeup(&self) {
        // It fails where the system has no memory left for an event.
        let _ = self.0.wake();
    }
}
