//! A callback event loop on poll(2): descriptors, timers, pings and idle callbacks.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! let poll_loop = poll_loop::PollLoop::new()?;
//! poll_loop.timer(Instant::now() + Duration::from_millis(1), |_, deadline| {
//!     println!("it is {deadline:?}");
//!     None
//! });
//! poll_loop.dispatch(None)?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Names a source or an idle callback. It is never given to another one.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(u64);

/// For what a descriptor is watched, or is ready.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Directions {
    /// Reading.
    pub read: bool,
    /// Writing.
    pub write: bool,
}

/// A loop. Clones are handles to the same one.
#[derive(Clone)]
pub struct PollLoop(Rc<Inner>);

struct Inner {
    ids: Cell<u64>,
    sources: RefCell<BTreeMap<Id, Source>>,
    idles: RefCell<BTreeMap<Id, Idle>>,
    wake: Arc<Wake>,
}

type Idle = Box<dyn FnOnce(&PollLoop)>;
type Callback = Box<dyn FnMut(&PollLoop, Event)>;

struct Source {
    kind: Kind,
    /// It is out while it runs, so that it can change and remove sources, itself too.
    callback: Option<Callback>,
}

enum Kind {
    Fd(Rc<OwnedFd>, Directions),
    /// A deadline beyond the clock never comes.
    Timer(Option<Instant>),
    Ping,
}

#[derive(Copy, Clone)]
enum Event {
    Ready(Directions),
    Due(Instant),
    Pinged,
}

impl PollLoop {
    /// Makes a loop.
    pub fn new() -> io::Result<PollLoop> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        let wake = Arc::new(Wake { pinged: Mutex::default(), near, far });
        let (sources, idles) = (RefCell::default(), RefCell::default());
        Ok(PollLoop(Rc::new(Inner { ids: Cell::new(0), sources, idles, wake })))
    }

    /// Calls back in every dispatch in which the descriptor is ready.
    pub fn watch<F>(&self, fd: OwnedFd, directions: Directions, mut callback: F) -> Id
    where
        F: FnMut(&PollLoop, BorrowedFd<'_>, Directions) + 'static,
    {
        let fd = Rc::new(fd);
        // Weak, so that the descriptor is closed with its source.
        let lent = Rc::downgrade(&fd);
        self.insert(Kind::Fd(fd, directions), move |poll_loop, _, event| {
            if let (Event::Ready(ready), Some(fd)) = (event, lent.upgrade()) {
                callback(poll_loop, fd.as_fd(), ready);
            }
        })
    }

    /// Calls back at a deadline, and again at each that the callback returns. None never comes.
    pub fn timer<F>(&self, deadline: impl Into<Option<Instant>>, mut callback: F) -> Id
    where
        F: FnMut(&PollLoop, Instant) -> Option<Instant> + 'static,
    {
        self.insert(Kind::Timer(deadline.into()), move |poll_loop, id, event| {
            let Event::Due(deadline) = event else { return };
            match callback(poll_loop, deadline) {
                None => poll_loop.remove(id),
                Some(next) => {
                    if let Some(source) = poll_loop.0.sources.borrow_mut().get_mut(&id) {
                        source.kind = Kind::Timer(Some(next));
                    }
                }
            }
        })
    }

    /// Calls back once in the next dispatch after any number of pings.
    pub fn ping<F>(&self, mut callback: F) -> (Ping, Id)
    where
        F: FnMut(&PollLoop) + 'static,
    {
        let id = self.insert(Kind::Ping, move |poll_loop, _, _| callback(poll_loop));
        (Ping { id, wake: self.0.wake.clone() }, id)
    }

    /// Calls back once, at the end of this dispatch or, without sleeping before, of the next.
    pub fn idle(&self, callback: impl FnOnce(&PollLoop) + 'static) -> Id {
        let id = self.next_id();
        self.0.idles.borrow_mut().insert(id, Box::new(callback));
        id
    }

    /// Removes a source or an idle callback: it is not called again. Others are left alone.
    pub fn remove(&self, id: Id) {
        let source = self.0.sources.borrow_mut().remove(&id);
        let idle = self.0.idles.borrow_mut().remove(&id);
        // With nothing borrowed: what a callback holds may use the loop in its Drop.
        drop((source, idle));
    }

    /// Waits for events, for no longer than the timeout, calls back for each and returns.
    pub fn dispatch(&self, timeout: Option<Duration>) -> io::Result<()> {
        for (id, event) in self.wait(timeout)? {
            self.deliver(id, event);
        }
        self.run_idles();
        Ok(())
    }

    fn insert<F>(&self, kind: Kind, mut callback: F) -> Id
    where
        F: FnMut(&PollLoop, Id, Event) + 'static,
    {
        let id = self.next_id();
        let callback = Box::new(move |poll_loop: &PollLoop, event| callback(poll_loop, id, event));
        self.0.sources.borrow_mut().insert(id, Source { kind, callback: Some(callback) });
        id
    }

    fn next_id(&self) -> Id {
        self.0.ids.set(self.0.ids.get() + 1);
        Id(self.0.ids.get())
    }

    /// What has happened, in the order in which it is to be delivered.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<(Id, Event)>> {
        let end = self.end_of_wait(timeout);
        let watched = self.watched();
        let mut fds = vec![PollFd::new(&self.0.wake.near, PollFlags::IN)];
        fds.extend(
            watched.iter().map(|(_, fd, directions)| PollFd::new(&**fd, flags(*directions))),
        );
        loop {
            let rest = end.map(|end| end.saturating_duration_since(Instant::now()));
            // What a kernel cannot count to is for ever.
            let rest = rest.and_then(|rest| Timespec::try_from(rest).ok());
            match poll(&mut fds, rest.as_ref()) {
                // A signal was handled; the time goes on.
                Err(Errno::INTR) => continue,
                outcome => outcome?,
            };
            break;
        }
        let mut events = Vec::new();
        if !fds[0].revents().is_empty() {
            events.extend(self.0.wake.take()?.into_iter().map(|id| (id, Event::Pinged)));
        }
        for ((id, _, directions), fd) in watched.iter().zip(&fds[1..]) {
            let ready = ready(*directions, fd.revents());
            if ready != Directions::default() {
                events.push((*id, Event::Ready(ready)));
            }
        }
        events.extend(self.due());
        Ok(events)
    }

    /// When a wait has to end, if it has to.
    fn end_of_wait(&self, timeout: Option<Duration>) -> Option<Instant> {
        let now = Instant::now();
        if !self.0.idles.borrow().is_empty() {
            return Some(now);
        }
        let sources = self.0.sources.borrow();
        let deadlines = sources.values().filter_map(|source| match source.kind {
            Kind::Timer(deadline) => deadline,
            Kind::Fd(..) | Kind::Ping => None,
        });
        // A timeout beyond the clock is none.
        deadlines.chain(timeout.and_then(|timeout| now.checked_add(timeout))).min()
    }

    /// The descriptors to poll. One for nothing is left out, since poll(2) would report its end.
    fn watched(&self) -> Vec<(Id, Rc<OwnedFd>, Directions)> {
        let sources = self.0.sources.borrow();
        let watched = sources.iter().filter_map(|(id, source)| match &source.kind {
            Kind::Fd(fd, directions) if *directions != Directions::default() => {
                Some((*id, fd.clone(), *directions))
            }
            _ => None,
        });
        watched.collect()
    }

    /// The timers that are due: by deadline, and those of one deadline as they were inserted.
    fn due(&self) -> Vec<(Id, Event)> {
        let now = Instant::now();
        let sources = self.0.sources.borrow();
        let mut due: Vec<(Instant, Id)> = sources
            .iter()
            .filter_map(|(id, source)| match source.kind {
                Kind::Timer(Some(deadline)) if deadline <= now => Some((deadline, *id)),
                _ => None,
            })
            .collect();
        due.sort();
        due.into_iter().map(|(deadline, id)| (id, Event::Due(deadline))).collect()
    }

    /// Calls back, unless the source is gone by now.
    fn deliver(&self, id: Id, event: Event) {
        let take = |source: &mut Source| source.callback.take();
        let callback = self.0.sources.borrow_mut().get_mut(&id).and_then(take);
        let Some(mut callback) = callback else { return };
        callback(self, event);
        if let Some(source) = self.0.sources.borrow_mut().get_mut(&id) {
            source.callback = Some(callback);
        }
    }

    /// Runs the idle callbacks that are there now: those that they insert come next time.
    fn run_idles(&self) {
        let last = self.0.ids.get();
        loop {
            let mut idles = self.0.idles.borrow_mut();
            let Some(first) = idles.first_entry().filter(|first| first.key().0 <= last) else {
                return;
            };
            let callback = first.remove();
            drop(idles);
            callback(self);
        }
    }
}

fn flags(directions: Directions) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, directions.read);
    flags.set(PollFlags::OUT, directions.write);
    flags
}

/// The end of the other side, or an error, is to be read and to be written into.
fn ready(asked: Directions, found: PollFlags) -> Directions {
    let is = |flag| found.intersects(flag | PollFlags::HUP | PollFlags::ERR);
    Directions { read: asked.read && is(PollFlags::IN), write: asked.write && is(PollFlags::OUT) }
}

/// Has a source called from any thread.
#[derive(Clone)]
pub struct Ping {
    id: Id,
    wake: Arc<Wake>,
}

impl Ping {
    /// Has it called.
    pub fn ping(&self) {
        let mut pinged = self.wake.pinged();
        if pinged.contains(&self.id) {
            return;
        }
        pinged.push(self.id);
        if pinged.len() == 1 {
            // A full socket wakes the loop just as well.
            let _ = (&self.wake.far).write(&[0]);
        }
    }
}

/// Which sources were pinged, the first first. While there are any, a byte lies in the socket that
/// the loop polls.
struct Wake {
    pinged: Mutex<Vec<Id>>,
    near: UnixStream,
    far: UnixStream,
}

impl Wake {
    fn pinged(&self) -> MutexGuard<'_, Vec<Id>> {
        self.pinged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the sources and the byte in one step.
    fn take(&self) -> io::Result<Vec<Id>> {
        let mut pinged = self.pinged();
        (&self.near).read_exact(&mut [0])?;
        Ok(std::mem::take(&mut *pinged))
    }
}
