//! Descriptors that rules have watched, and the modes to do it in.

use std::fmt;
use std::os::fd::OwnedFd;

use super::kit::drain;
use crate::adapter::{Adapter, Capability, Failure, Interest, Mode, Next};
use crate::fixture::Fixture;

/// The modes that the loop has, the usual one first.
pub(super) fn modes<A: Adapter>() -> Vec<Mode> {
    let capabilities = A::capabilities();
    let all = [
        (Mode::Level, Capability::Level),
        (Mode::Edge, Capability::Edge),
        (Mode::OneShot, Capability::OneShot),
    ];
    let has = all.into_iter().filter(|(_, capability)| capabilities.has(*capability));
    has.map(|(mode, _)| mode).collect()
}

/// The mode for a rule that is about something else, and needs [`Capability::Descriptors`].
pub(super) fn usual_mode<A: Adapter>() -> Mode {
    modes::<A>().first().copied().unwrap_or(Mode::Level)
}

/// What a callback answers to be called again for news.
pub(super) fn go_on<A: Adapter>(mode: Mode) -> Next {
    match mode {
        Mode::OneShot if A::capabilities().has(Capability::PostActions) => Next::Rearm,
        _ => Next::Continue,
    }
}

/// Watches a descriptor for reading in the usual mode: the callback marks its name, reads what
/// there is, and then acts.
pub(super) fn watch_and<A: Adapter>(
    t: &Fixture<'_, A>,
    fd: OwnedFd,
    name: impl fmt::Display,
    mut act: impl FnMut(&A::Handle) + 'static,
) -> Result<A::Source, Failure> {
    let (mode, mut mark) = (usual_mode::<A>(), t.marker(name));
    A::insert_fd(&t.handle, fd, Interest::Read, mode, move |handle, fd, _| {
        mark(handle);
        drain(fd);
        act(handle);
        go_on::<A>(mode)
    })
}

/// The same without an act.
pub(super) fn watch<A: Adapter>(
    t: &Fixture<'_, A>,
    fd: OwnedFd,
    name: impl fmt::Display,
) -> Result<A::Source, Failure> {
    watch_and(t, fd, name, |_| {})
}

/// Writes as much as there is room for, and tells how much that was.
pub(super) fn fill(fd: impl std::os::fd::AsFd) -> usize {
    let mut total = 0;
    while let Ok(written) = rustix::io::write(&fd, &[b'.'; 4096]) {
        total += written;
    }
    total
}
