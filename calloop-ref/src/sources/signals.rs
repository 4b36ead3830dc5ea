//! Unix signals as events, on Linux and Android.
//!
//! A [`Signals`] source blocks its signals for the calling thread, so that they stay pending until
//! the loop reads them (signalfd(2)): no handler runs, nothing is interrupted. When it is dropped,
//! the thread's mask is as it was found.
//!
//! Signals are per process, masks are per thread. A signal sent to the process goes to any thread
//! that does not block it: make the source before other threads are started, which then inherit the
//! mask. Child processes inherit it, too, across `exec`; a program that starts others should restore
//! their mask ([`CommandExt::pre_exec`](std::os::unix::process::CommandExt::pre_exec)).
//!
//! On kqueue systems this module is absent: `EVFILT_SIGNAL` tells a number and a count, and
//! nothing of what [`Event`] tells.
//!
//! ```
//! use calloop_ref::EventLoop;
//! use calloop_ref::signals::{Signal, Signals};
//!
//! let mut event_loop: EventLoop<'_, Option<Signal>> = EventLoop::try_new()?;
//! let source = Signals::new(&[Signal::SIGUSR1])?;
//! event_loop.handle().insert_source(source, |event, &mut (), seen| *seen = Some(event.signal()))?;
//!
//! nix::sys::signal::raise(nix::sys::signal::Signal::SIGUSR1)?;
//! let mut seen = None;
//! event_loop.dispatch(None, &mut seen)?;
//! assert_eq!(seen, Some(Signal::SIGUSR1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::libc;
use nix::sys::signal::SigSet;
use rustix::thread::{Pid, gettid};

use super::generic::Generic;
use super::turn::forward_registration;
use crate::error::source_error;
use crate::interest::{Interest, Mode, Readiness};
use crate::source::{EventSource, PostAction};
use crate::sys::signalfd::{self, SignalInfo, SignalReader};
use crate::token::Token;

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A standard signal, see signal(7).
        #[allow(clippy::upper_case_acronyms, reason = "the names are those of the manual page")]
        #[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        pub enum Signal {
            $($(#[$doc])* $name = libc::$name,)*
        }

        impl Signal {
            const ALL: &[Signal] = &[$(Signal::$name,)*];
        }
    };
}

signals! {
    /// The terminal was hung up.
    SIGHUP,
    /// Interrupt from the keyboard.
    SIGINT,
    /// Quit from the keyboard.
    SIGQUIT,
    /// An illegal instruction.
    SIGILL,
    /// A trace or breakpoint trap.
    SIGTRAP,
    /// Abort.
    SIGABRT,
    /// A bus error.
    SIGBUS,
    /// An erroneous arithmetic operation.
    SIGFPE,
    /// Kill; cannot be watched.
    SIGKILL,
    /// User-defined, the first.
    SIGUSR1,
    /// An invalid memory reference.
    SIGSEGV,
    /// User-defined, the second.
    SIGUSR2,
    /// A pipe without readers was written to.
    SIGPIPE,
    /// The timer of alarm(2).
    SIGALRM,
    /// Termination.
    SIGTERM,
    /// A child stopped or terminated.
    SIGCHLD,
    /// Continue if stopped.
    SIGCONT,
    /// Stop; cannot be watched.
    SIGSTOP,
    /// Stop from the terminal.
    SIGTSTP,
    /// Input from the terminal in the background.
    SIGTTIN,
    /// Output to the terminal in the background.
    SIGTTOU,
    /// Urgent data on a socket.
    SIGURG,
    /// The limit of processor time is exceeded.
    SIGXCPU,
    /// The limit of file size is exceeded.
    SIGXFSZ,
    /// The virtual alarm clock.
    SIGVTALRM,
    /// The profiling timer.
    SIGPROF,
    /// The window changed its size.
    SIGWINCH,
    /// Input or output is possible.
    SIGIO,
    /// A bad system call.
    SIGSYS,
}

impl Signal {
    fn from_number(number: u32) -> Option<Signal> {
        Signal::ALL.iter().copied().find(|signal| *signal as u32 == number)
    }

    /// Its place in tables by number.
    fn index(self) -> usize {
        self as usize
    }
}

/// A signal that was received, with what the kernel tells of it (signalfd(2)).
///
/// Which of the numbers mean something depends on the signal and on who sent it, see sigaction(2).
#[derive(Copy, Clone, Debug)]
pub struct Event {
    signal: Signal,
    info: SignalInfo,
}

impl Event {
    /// The signal.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// The error number; unused by the kernel.
    pub fn errno(&self) -> i32 {
        self.info.errno
    }

    /// The signal code: why it was sent.
    pub fn code(&self) -> i32 {
        self.info.code
    }

    /// The process that sent it.
    pub fn pid(&self) -> u32 {
        self.info.pid
    }

    /// The real user of the process that sent it.
    pub fn uid(&self) -> u32 {
        self.info.uid
    }

    /// The file descriptor (SIGIO).
    pub fn fd(&self) -> i32 {
        self.info.fd
    }

    /// The kernel's timer (POSIX timers).
    pub fn tid(&self) -> u32 {
        self.info.tid
    }

    /// The band event (SIGIO). The name is a slip of calloop's, kept.
    pub fn bad(&self) -> u32 {
        self.info.band
    }

    /// How often the timer overran (POSIX timers).
    pub fn overrun(&self) -> u32 {
        self.info.overrun
    }

    /// The trap that caused it.
    pub fn trapno(&self) -> u32 {
        self.info.trapno
    }

    /// The exit status or signal (SIGCHLD).
    pub fn status(&self) -> u32 {
        self.info.status
    }
}

/// A source of [`Event`]s: the signals of a set that the thread, or its process, received.
///
/// A signal that arrives several times before it is read counts once, and several are reported
/// lowest number first. A signal that two sources watch is reported by one of them.
///
/// Make it and drop it on the same thread. Elsewhere it cannot restore the mask, and leaves it.
#[derive(Debug)]
pub struct Signals {
    reader: Generic<SignalReader>,
    watched: Vec<Signal>,
    mask: Arc<ThreadMask>,
}

impl Signals {
    /// Watches `signals`: blocks them for the calling thread and reports them from then on.
    ///
    /// # Errors
    ///
    /// Of kind `InvalidInput` for SIGKILL and SIGSTOP, which nobody can block; and what
    /// signalfd(2) answers. The mask is then as before.
    pub fn new(signals: &[Signal]) -> crate::Result<Signals> {
        let watched = checked(signals)?;
        let reader = SignalReader::new(&set_of(&watched))?;
        let mask = ThreadMask::of_this_thread();
        mask.watch(&watched)?;
        let reader = Generic::new(reader, Interest::READ, Mode::Level);
        Ok(Signals { reader, watched, mask })
    }

    /// Watches these, too.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); the set is then as before.
    pub fn add_signals(&mut self, signals: &[Signal]) -> crate::Result<()> {
        let mut wanted = self.watched.clone();
        wanted.extend(checked(signals)?);
        self.set_signals(&wanted)
    }

    /// Watches these no longer. One of them that is pending is discarded, unless it was blocked
    /// before or another source watches it, too.
    ///
    /// # Errors
    ///
    /// What signalfd(2) answers.
    pub fn remove_signals(&mut self, signals: &[Signal]) -> crate::Result<()> {
        let wanted: Vec<_> =
            self.watched.iter().copied().filter(|signal| !signals.contains(signal)).collect();
        self.set_signals(&wanted)
    }

    /// Watches exactly these from now on, as by removing and adding what differs.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); the set is then as before.
    pub fn set_signals(&mut self, signals: &[Signal]) -> crate::Result<()> {
        let wanted = checked(signals)?;
        let without = |from: &[Signal], what: &[Signal]| -> Vec<Signal> {
            from.iter().copied().filter(|signal| !what.contains(signal)).collect()
        };
        let added = without(&wanted, &self.watched);
        let removed = without(&self.watched, &wanted);
        let reader = self.reader.get_ref();
        let released = self.mask.release_of(&removed);
        if !released.is_empty() {
            discard_pending(reader, &released)?;
        }
        // Read and blocked before anything is unblocked, so that no signal takes its default
        // action in between.
        reader.set_signals(&set_of(&wanted))?;
        self.mask.watch(&added)?;
        self.mask.unwatch(&removed)?;
        self.watched = wanted;
        Ok(())
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if let Err(error) = self.set_signals(&[]) {
            tracing::warn!(%error, "the signal mask could not be restored");
        }
    }
}

impl EventSource for Signals {
    type Event = Event;
    type Metadata = ();
    type Ret = ();
    type Error = SignalError;

    fn process_events<C>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: C,
    ) -> Result<PostAction, Self::Error>
    where
        C: FnMut(Self::Event, &mut Self::Metadata) -> Self::Ret,
    {
        self.reader
            .process_events(readiness, token, |_, reader| {
                reader.read(|info| {
                    // Only what is watched can be read, and that are signals of the enumeration.
                    if let Some(signal) = Signal::from_number(info.signo) {
                        callback(Event { signal, info }, &mut ());
                    }
                })?;
                Ok(PostAction::Continue)
            })
            .map_err(|error| SignalError(error.into()))
    }

    forward_registration!(reader);
}

source_error! {
    /// An error of a [`Signals`] source: the signals could not be read.
    SignalError, "the signal source failed"
}

/// The signals, each once; an error if one of them cannot be watched.
fn checked(signals: &[Signal]) -> io::Result<Vec<Signal>> {
    let mut checked = Vec::with_capacity(signals.len());
    for signal in signals {
        if matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{signal:?} cannot be blocked, so that no event loop can watch it"),
            ));
        }
        if !checked.contains(signal) {
            checked.push(*signal);
        }
    }
    Ok(checked)
}

fn set_of(signals: &[Signal]) -> SigSet {
    signals
        .iter()
        .map(|signal| {
            nix::sys::signal::Signal::try_from(*signal as i32)
                .expect("the enumeration has no number that nix has not")
        })
        .collect()
}

/// Takes those of the signals that are pending, so that to unblock them is harmless.
fn discard_pending(reader: &SignalReader, signals: &[Signal]) -> io::Result<()> {
    reader.set_signals(&set_of(signals))?;
    reader.read(|_| {})
}

/// What the sources of one thread have done to its mask.
///
/// Several may watch the same signal. It is unblocked when the last of them lets it go, unless it
/// was blocked when the first one came.
#[derive(Debug)]
struct ThreadMask {
    thread: Pid,
    watches: Mutex<[Watch; SIGNALS_END]>,
}

/// Standard signals are numbered from 1 to 31.
const SIGNALS_END: usize = 32;

#[derive(Copy, Clone, Debug, Default)]
struct Watch {
    sources: usize,
    was_blocked: bool,
    /// The last source was dropped on another thread, which could not unblock the signal.
    left_blocked: bool,
}

impl ThreadMask {
    fn of_this_thread() -> Arc<ThreadMask> {
        thread_local! {
            static MASK: RefCell<Option<Arc<ThreadMask>>> = const { RefCell::new(None) };
        }
        MASK.with_borrow_mut(|mask| {
            let new = || Arc::new(ThreadMask { thread: gettid(), watches: Mutex::default() });
            mask.get_or_insert_with(new).clone()
        })
    }

    fn lock(&self) -> MutexGuard<'_, [Watch; SIGNALS_END]> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_of_this_thread(&self) -> bool {
        self.thread == gettid()
    }

    /// Blocks signals for a source.
    fn watch(&self, signals: &[Signal]) -> io::Result<()> {
        if signals.is_empty() {
            return Ok(());
        }
        let before = signalfd::block(&set_of(signals))?;
        let mut watches = self.lock();
        for signal in signals {
            let watch = &mut watches[signal.index()];
            if watch.sources == 0 && !watch.left_blocked {
                watch.was_blocked = set_of(&[*signal]).iter().all(|signal| before.contains(signal));
            }
            watch.left_blocked = false;
            watch.sources += 1;
        }
        Ok(())
    }

    /// Those of the signals that will be unblocked when a source lets them go.
    fn release_of(&self, signals: &[Signal]) -> Vec<Signal> {
        if !self.is_of_this_thread() {
            return Vec::new();
        }
        let watches = self.lock();
        let is_last = |signal: &Signal| {
            let watch = watches[signal.index()];
            watch.sources == 1 && !watch.was_blocked
        };
        signals.iter().copied().filter(is_last).collect()
    }

    /// Lets signals go for a source, and unblocks those that nobody else wants blocked.
    fn unwatch(&self, signals: &[Signal]) -> io::Result<()> {
        let released = self.release_of(signals);
        let is_here = self.is_of_this_thread();
        let mut watches = self.lock();
        for signal in signals {
            let watch = &mut watches[signal.index()];
            watch.sources -= 1;
            watch.left_blocked = watch.sources == 0 && !watch.was_blocked && !is_here;
        }
        drop(watches);
        if released.is_empty() { Ok(()) } else { signalfd::unblock(&set_of(&released)) }
    }
}
