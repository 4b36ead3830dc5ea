//! What the workloads ask of the kernel besides waiting: a system call a function.

#[cfg_attr(target_os = "linux", path = "raw/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "raw/elsewhere.rs")]
mod system;

use std::os::fd::OwnedFd;

use conformance::adapter::{Capability, Failure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use self::system::*;

/// `fcntl(F_DUPFD_CLOEXEC)`.
///
/// # Errors
///
/// What the kernel answers.
#[inline]
pub fn duplicate(fd: &OwnedFd) -> Result<OwnedFd, Failure> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 0)?)
}

/// Those of the needs of a floor that nothing meets here.
pub(crate) fn lacking(needs: &[Capability]) -> Vec<Capability> {
    needs.iter().copied().filter(|need| LACKS.contains(need)).collect()
}

/// Lets the process open as many descriptors as it is permitted.
pub fn raise_fd_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Refused, it shows where a descriptor is missing.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}
