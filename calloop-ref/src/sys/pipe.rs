//! Waking a wait through a pipe: NetBSD, OpenBSD, and elsewhere when a test forces it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_setfd};

use super::{Backend, Notify};
use crate::interest::{Interest, Mode};
use crate::token::KernelKey;

/// A pipe to the loop itself, watched level-triggered and emptied whenever it was reported.
#[derive(Debug)]
pub(crate) struct Notifier {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Notifier {
    pub(crate) fn new(backend: &Backend) -> io::Result<Self> {
        let (reader, writer) = rustix::pipe::pipe()?;
        for end in [&reader, &writer] {
            fcntl_setfd(end, FdFlags::CLOEXEC)?;
            fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
        }
        backend.add(&reader, KernelKey::NOTIFIER, Interest::READ, Mode::Level)?;
        Ok(Notifier { reader, writer })
    }

    pub(crate) fn clear(&self) {
        while rustix::io::read(&self.reader, &mut [0; 64]) == Ok(64) {}
    }
}

impl Notify for Notifier {
    fn notify(&self) {
        // A full pipe is readable, so that the wait returns all the same.
        let _ = rustix::io::write(&self.writer, &[1]);
    }
}
