//! What every system has, each in a way of its own.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};

/// Has a descriptor not block, and no program inherit it.
pub(crate) fn tame(fd: impl AsFd) -> io::Result<()> {
    fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Ok(ioctl_fionbio(&fd, true)?)
}

/// A pipe, neither end of which blocks: the one to read first.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pipe::{PipeFlags, pipe_with};
    Ok(pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

#[cfg(target_vendor = "apple")]
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe()?;
    tame(&reader)?;
    tame(&writer)?;
    Ok((reader, writer))
}

/// A poller of the system that is ready when the descriptor can be read.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn poller_of(fd: &OwnedFd) -> io::Result<OwnedFd> {
    use rustix::event::epoll;
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poller, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    Ok(poller)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn poller_of(fd: &OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;

    use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
    let poller = Kqueue::new()?;
    let (ident, flags) = (fd.as_raw_fd() as usize, EvFlags::EV_ADD);
    let change = KEvent::new(ident, EventFilter::EVFILT_READ, flags, FilterFlag::empty(), 0, 0);
    poller.kevent(&[change], &mut [], None)?;
    Ok(poller.into())
}

/// How many descriptors this process has open.
///
/// # Errors
///
/// If the system does not tell.
pub(crate) fn open_descriptors() -> io::Result<usize> {
    let count = || Ok::<_, io::Error>(std::fs::read_dir("/dev/fd")?.count());
    let open = count()?;
    // Where no file system is behind it, the same ones are listed whatever is open.
    if cfg!(not(any(target_os = "linux", target_os = "android"))) {
        let _one_more = std::fs::File::open("/dev/null")?;
        if count()? == open {
            let untold = "/dev/fd does not list what is open: `mount -t fdescfs fdescfs /dev/fd`";
            return Err(io::Error::new(io::ErrorKind::Unsupported, untold));
        }
    }
    Ok(open)
}

/// The memory that this process has of the machine, in KiB.
///
/// # Errors
///
/// If the system does not tell.
pub(crate) fn resident_kib() -> io::Result<usize> {
    use nix::sys::resource::{UsageWho, getrusage};

    // Linux tells it as it is, and apart from the parts of the program that were loaded so far;
    // elsewhere the most it has ever been will do.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        return number.ok_or_else(|| io::Error::other("no RssAnon in /proc/self/status"));
    }
    // Apple's systems count bytes.
    let unit = if cfg!(target_vendor = "apple") { 1024 } else { 1 };
    Ok(getrusage(UsageWho::RUSAGE_SELF)?.max_rss() as usize / unit)
}
