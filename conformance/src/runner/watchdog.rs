//! Which processes run, until when they may, and how they are all ended at once.
//!
//! There is one for the whole program, because a signal that interrupts it is for the whole program.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Error;

static STATE: Mutex<State> = Mutex::new(State { running: Vec::new(), is_stopped: false });
static CHANGED: Condvar = Condvar::new();

struct State {
    running: Vec<Running>,
    /// No process starts any more.
    is_stopped: bool,
}

struct Running {
    pid: Pid,
    deadline: Instant,
    fate: Fate,
}

/// Who ended a process.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody from here.
    Own,
    /// The watchdog, because its time was up.
    Overdue,
    /// [`stop`].
    Stopped,
}

/// Starts a process that `spawn` makes, to be killed when its time is up.
pub(super) fn start(
    limit: Duration,
    spawn: impl FnOnce() -> io::Result<Pid>,
) -> Result<Pid, Error> {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| drop(thread::spawn(watch)));
    // It is spawned and noted in one step, so that no stop can come in between.
    let mut state = state();
    if state.is_stopped {
        return Err(Error::Interrupted);
    }
    let pid = spawn().map_err(|error| Error::system("start the process of a rule", error))?;
    state.running.push(Running { pid, deadline: Instant::now() + limit, fate: Fate::Own });
    CHANGED.notify_one();
    Ok(pid)
}

/// Takes note that a process has ended, and kills what is left of its group. It must not have been
/// reaped yet.
pub(super) fn end(pid: Pid) -> Fate {
    let mut state = state();
    let position = state.running.iter().position(|running| running.pid == pid);
    let running = state.running.swap_remove(position.expect("a process ends once"));
    kill(pid);
    running.fate
}

/// Kills every process, and has no more started.
pub(super) fn stop() {
    let mut state = state();
    state.is_stopped = true;
    for running in &mut state.running {
        running.fate = Fate::Stopped;
        kill(running.pid);
    }
}

/// Has the signals that end a program [`stop`] the processes of the rules first. A signal that is
/// ignored, as nohup(1) has it, stays so.
pub(super) fn stop_on_signals() -> Result<(), Error> {
    static HANDLED: OnceLock<Result<(), String>> = OnceLock::new();
    let handled = HANDLED.get_or_init(|| {
        super::process::inherited();
        let signals = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
        let mut received = Signals::new(signals).map_err(|error| error.to_string())?;
        thread::spawn(move || received.forever().for_each(|_| stop()));
        Ok(())
    });
    handled
        .clone()
        .map_err(|error| Error::CouldNotRun(format!("could not handle signals: {error}")))
}

/// Only Linux tells without a change of it.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

/// Kills the processes whose time is up, for ever.
fn watch() {
    let mut state = state();
    loop {
        let now = Instant::now();
        for running in &mut state.running {
            if running.fate == Fate::Own && running.deadline <= now {
                running.fate = Fate::Overdue;
                kill(running.pid);
            }
        }
        let waiting = state.running.iter().filter(|running| running.fate == Fate::Own);
        state = match waiting.map(|running| running.deadline).min() {
            Some(deadline) => {
                let waited = CHANGED.wait_timeout(state, deadline - now);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => CHANGED.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

/// Kills a process group; that there is none any more is no error.
fn kill(leader: Pid) {
    let _ = kill_process_group(leader, Signal::KILL);
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
