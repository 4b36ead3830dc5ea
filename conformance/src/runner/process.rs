//! The processes of rules: how they start, are watched, and end.
//!
//! Each is the leader of a process group of its own, so that what it forked dies with it. It starts
//! with no signal blocked or ignored and with no descriptors but the standard ones: its standard
//! input is the file that its report goes to, its output a socket that is read to the end.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus, waitid, waitpid};

use super::Error;
use super::child::{self, Entry, Job};
use super::watchdog::{self, Fate};

/// A process that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: Status,
    /// What it reported, in order.
    pub(super) report: Vec<Entry>,
    /// What it printed.
    pub(super) output: String,
    pub(super) elapsed: Duration,
}

/// How a process ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// By the watchdog.
    Overdue,
}

/// Runs a job in a process of its own, for no longer than the limit.
pub(super) fn run(job: &Job, limit: Duration, nocapture: bool) -> Result<Ended, Error> {
    let mut report = tempfile::tempfile().map_err(|e| Error::system("make a scratch file", e))?;
    let pair = || UnixStream::pair().map_err(|error| Error::system("make a socket", error));
    let output = if nocapture { None } else { Some(pair()?) };
    let theirs = output.as_ref().map(|(_, theirs)| theirs);
    let start = Instant::now();
    let pid = watchdog::start(limit, || spawn(job, &report, theirs))?;
    // The other end is closed here, so that the end of the output can be seen.
    let output = output.map(|(ours, _)| ours);
    let (status, output) = thread::scope(|scope| {
        let reader = output.as_ref().map(|socket| scope.spawn(|| read_both_ends(socket)));
        let status = wait(pid);
        if let Some(socket) = &output {
            // A process that left the group may hold the other end open for ever.
            let _ = socket.shutdown(Shutdown::Read);
        }
        let output = reader.map(|reader| reader.join().expect("reading does not panic"));
        (status, output.unwrap_or_default())
    });
    let (status, elapsed) = (status?, start.elapsed());
    let mut bytes = Vec::new();
    let read = report.rewind().and_then(|()| report.read_to_end(&mut bytes));
    read.map_err(|error| Error::system("read the report of a rule", error))?;
    Ok(Ended { status, report: child::parse(&String::from_utf8_lossy(&bytes)), output, elapsed })
}

/// Starts the process of a job.
fn spawn(job: &Job, report: &File, output: Option<&UnixStream>) -> io::Result<Pid> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK,
    )?;
    attributes.set_pgroup(nix::unistd::Pid::from_raw(0))?;
    attributes.set_sigdefault(&SigSet::all())?;
    attributes.set_sigmask(&SigSet::empty())?;

    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_dup2(report.as_raw_fd(), 0)?;
    if let Some(output) = output {
        actions.add_dup2(output.as_raw_fd(), 1)?;
        actions.add_dup2(output.as_raw_fd(), 2)?;
    }
    for fd in inherited() {
        actions.add_close(*fd)?;
    }

    let program = std::env::current_exe()?;
    let arguments = [program.as_os_str(), child::FLAG.as_ref(), job.to_string().as_ref()]
        .map(|argument| c_string(argument.to_os_string()))
        .into_iter()
        .collect::<io::Result<Vec<CString>>>()?;
    let environment = std::env::vars_os()
        .map(|(name, value)| c_string([name, value].join("=".as_ref())))
        .collect::<io::Result<Vec<CString>>>()?;
    let pid = posix_spawn(&program, &actions, &attributes, &arguments, &environment)?;
    Ok(Pid::from_raw(pid.as_raw()).expect("a process has a number"))
}

fn c_string(text: OsString) -> io::Result<CString> {
    CString::new(text.into_vec()).map_err(io::Error::other)
}

/// The descriptors that whoever started the runner left open. The runner's own are closed on exec;
/// it asks before it opens any, because not every system lets a process start that is to close what
/// is closed.
pub(super) fn inherited() -> &'static [RawFd] {
    static INHERITED: OnceLock<Vec<RawFd>> = OnceLock::new();
    INHERITED.get_or_init(|| {
        let Ok(entries) = std::fs::read_dir("/dev/fd") else { return Vec::new() };
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut numbers: Vec<RawFd> = numbers.filter(|fd| *fd > 2).collect();
        // The listing had one of its own.
        numbers.retain(|fd| Path::new("/dev/fd").join(fd.to_string()).exists());
        numbers
    })
}

/// Waits for the end of a process and sees to it that nothing of its group is left.
fn wait(pid: Pid) -> Result<Status, Error> {
    let failed = |error| Error::system("wait for the process of a rule", error);
    // It stays a zombie until the group is killed, so that its number cannot be given away before.
    let is_over = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let waited = retry_on_intr(|| waitid(WaitId::Pid(pid), is_over));
    let fate = watchdog::end(pid);
    waited.map_err(failed)?;
    let status = retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty())).map_err(failed)?;
    let (_, status) = status.expect("it was waited for without NOHANG");
    match fate {
        Fate::Stopped => Err(Error::Interrupted),
        Fate::Overdue if status.signaled() => Ok(Status::Overdue),
        Fate::Overdue | Fate::Own => Ok(own_status(status)),
    }
}

fn own_status(status: WaitStatus) -> Status {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Status::Exited(code),
        (None, signal) => Status::Killed(signal.unwrap_or_default()),
    }
}

/// How much is kept of the beginning and of the end of what a rule prints.
const OUTPUT_MAX: usize = 16 * 1024;

/// Reads to the end, and keeps the beginning and the end.
fn read_both_ends(mut socket: &UnixStream) -> String {
    let (mut head, mut tail, mut left_out) = (Vec::new(), Vec::new(), 0);
    let mut buffer = [0; OUTPUT_MAX];
    loop {
        let length = match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let (first, rest) = buffer[..length].split_at(length.min(OUTPUT_MAX - head.len()));
        head.extend_from_slice(first);
        tail.extend_from_slice(rest);
        let excess = tail.len().saturating_sub(OUTPUT_MAX);
        tail.drain(..excess);
        left_out += excess;
    }
    if left_out > 0 {
        head.extend_from_slice(format!("\n… {left_out} bytes left out …\n").as_bytes());
    }
    head.extend_from_slice(&tail);
    String::from_utf8_lossy(&head).into_owned()
}
