//! Signals as something to read (signalfd(2)), and the signal mask of a thread.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::io::Errno;

/// `struct signalfd_siginfo`: what the kernel tells of one signal.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct SignalInfo {
    pub(crate) signo: u32,
    pub(crate) errno: i32,
    pub(crate) code: i32,
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) fd: i32,
    pub(crate) tid: u32,
    pub(crate) band: u32,
    pub(crate) overrun: u32,
    pub(crate) trapno: u32,
    pub(crate) status: u32,
}

/// The size of one record, fixed by the kernel's interface.
const RECORD_SIZE: usize = 128;
/// How many records one read takes. Standard signals coalesce: there are 31 at most.
const RECORDS_MAX: usize = 32;

impl SignalInfo {
    fn parse(record: &[u8; RECORD_SIZE]) -> Self {
        let field = |number: usize| {
            let bytes = &record[4 * number..4 * number + 4];
            u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        };
        SignalInfo {
            signo: field(0),
            errno: field(1) as i32,
            code: field(2) as i32,
            pid: field(3),
            uid: field(4),
            fd: field(5) as i32,
            tid: field(6),
            band: field(7),
            overrun: field(8),
            trapno: field(9),
            status: field(10),
        }
    }
}

/// A descriptor from which the pending signals of a set can be read.
#[derive(Debug)]
pub(crate) struct SignalReader {
    signalfd: SignalFd,
}

impl SignalReader {
    pub(crate) fn new(signals: &SigSet) -> io::Result<Self> {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(SignalReader { signalfd: SignalFd::with_flags(signals, flags)? })
    }

    pub(crate) fn set_signals(&self, signals: &SigSet) -> io::Result<()> {
        Ok(self.signalfd.set_mask(signals)?)
    }

    /// Takes the pending signals of the set, lowest number first.
    pub(crate) fn read(&self, mut each: impl FnMut(SignalInfo)) -> io::Result<()> {
        // Not zeroed, which took more than all the rest: most often there is one.
        let mut buffer = [MaybeUninit::uninit(); RECORD_SIZE * RECORDS_MAX];
        loop {
            let (records, left) = match rustix::io::read(&self.signalfd, &mut buffer) {
                Ok(parts) => parts,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for record in records.chunks_exact(RECORD_SIZE) {
                let record = record.try_into().expect("chunks have this size");
                each(SignalInfo::parse(record));
            }
            // A buffer that is not full held all there was.
            if !left.is_empty() {
                return Ok(());
            }
        }
    }
}

impl AsFd for SignalReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signalfd.as_fd()
    }
}

/// Blocks signals for the calling thread; returns the mask from before.
pub(crate) fn block(signals: &SigSet) -> io::Result<SigSet> {
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(signals), Some(&mut before))?;
    Ok(before)
}

/// Unblocks signals for the calling thread.
pub(crate) fn unblock(signals: &SigSet) -> io::Result<()> {
    Ok(pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(signals), None)?)
}
