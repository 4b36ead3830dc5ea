//! Counting the system calls of a process by ptrace(2): of every thread and child, by name.

#![allow(unsafe_code, reason = "what ptrace tells of a system call is a union")]

use std::process::{Child, Command};
use std::thread;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use reports::record::Missing;
use syscalls::Sysno;

use super::calls::Counts;
use super::child;
use super::{Meter, Trouble};
use crate::processors::Pin;

/// The system call that the process makes right before and after what counts, and nowhere else.
const MARK: &str = "getppid";

/// Counts what a process does between its [marks](MARK).
///
/// A tracer is a thread, and waits for what it traces only: so a thread of its own.
pub(super) fn count(command: Command) -> Result<Counts, Trouble> {
    let tracer = thread::Builder::new().name("tracer".to_string()).spawn(|| trace(command))?;
    tracer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn trace(mut command: Command) -> Result<Counts, Trouble> {
    // What is traced inherits it. They take turns, and to wake the other on the same processor
    // takes a fraction of what it takes on another one that sleeps.
    let _pin = Pin::here();
    let mut child = command.spawn()?;
    let attached = attach(&mut child);
    if attached.is_err() {
        child.kill()?;
        child.wait()?;
    }
    let pid = attached?;
    let (counts, end) = follow(pid)?;
    match end {
        End::Exited(0) => Ok(counts),
        End::Exited(_) => Err(Trouble::Failed(child::last_words(&mut child)?)),
        End::Killed(signal) => Err(Trouble::Killed(signal as i32)),
    }
}

/// Stops it where it waits, and has it go on from there.
fn attach(child: &mut Child) -> Result<Pid, Trouble> {
    child::await_ready(child)?;
    let pid = Pid::from_raw(child.id().try_into().expect("a process id is positive"));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    match ptrace::seize(pid, options) {
        Err(error @ (Errno::EPERM | Errno::ENOSYS | Errno::EIO)) => {
            return Err(Trouble::NotHere(Missing {
                what: Meter::SystemCalls.to_string(),
                why: format!("this process may not trace another: {error}"),
                mend: "the capability SYS_PTRACE, in a container `--cap-add SYS_PTRACE`, or \
                       `sysctl kernel.yama.ptrace_scope=1`; and no debugger around this process"
                    .to_string(),
            }));
        }
        seized => seized?,
    }
    ptrace::interrupt(pid)?;
    drop(child.stdin.take());
    Ok(pid)
}

/// How the process ended.
enum End {
    Exited(i32),
    Killed(Signal),
}

/// Lets it run from one system call to the next, until it and all that it started have ended.
fn follow(pid: Pid) -> Result<(Counts, End), Trouble> {
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    let mut counts = Counts::default();
    let (mut counts_now, mut end) = (false, End::Exited(0));
    loop {
        let (thread, signal) = match waitpid(None, Some(flags)) {
            Err(Errno::EINTR) => continue,
            Err(Errno::ECHILD) => return Ok((counts, end)),
            Err(error) => return Err(error.into()),
            Ok(WaitStatus::PtraceSyscall(thread)) => {
                let of = if thread == pid { &mut counts.first_thread } else { &mut counts.others };
                if let Some(name) = entered(thread)? {
                    let is_mark = name == MARK;
                    *of.entry(name).or_default() += u64::from(counts_now && !is_mark);
                    counts_now ^= is_mark;
                }
                (thread, None)
            }
            Ok(WaitStatus::PtraceEvent(thread, ..)) => (thread, None),
            Ok(WaitStatus::Stopped(thread, signal)) => (thread, Some(signal)),
            Ok(WaitStatus::Exited(thread, code)) if thread == pid => {
                end = End::Exited(code);
                continue;
            }
            Ok(WaitStatus::Signaled(thread, signal, _)) if thread == pid => {
                end = End::Killed(signal);
                continue;
            }
            Ok(_) => continue,
        };
        match ptrace::syscall(thread, signal) {
            // It is gone: another thread has ended the process.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The name of the system call that the thread is about to make; `None` if it returns from one.
fn entered(thread: Pid) -> Result<Option<String>, Trouble> {
    let info = match ptrace::syscall_info(thread) {
        Ok(info) => info,
        Err(Errno::ESRCH) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return Ok(None);
    }
    // SAFETY: `op` says that the kernel has written this field.
    let number = unsafe { info.u.entry.nr };
    let known = usize::try_from(number).ok().and_then(Sysno::new);
    Ok(Some(known.map_or_else(|| format!("system call {number}"), |call| call.name().to_string())))
}
