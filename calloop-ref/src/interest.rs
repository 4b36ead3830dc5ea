//! What is asked of a file descriptor and what is reported of it.

/// How readiness is reported, as in epoll(7).
#[derive(Copy, Clone, Debug)]
pub enum Mode {
    /// Reported once; then silent until the registration is renewed, by
    /// [`LoopHandle::update`](crate::LoopHandle::update) or
    /// [`PostAction::Reregister`](crate::PostAction::Reregister).
    OneShot,
    /// Reported in every dispatch for as long as the condition holds.
    Level,
    /// Reported when the condition arises anew: more data came, or room appeared.
    Edge,
}

/// The readiness a source wants to hear of.
#[derive(Copy, Clone, Debug)]
pub struct Interest {
    /// Report when reading would not block.
    pub readable: bool,
    /// Report when writing would not block.
    pub writable: bool,
}

impl Interest {
    /// Neither direction. Only an error or hang-up is still reported, and that once per arrival,
    /// whatever the [`Mode`], so that a peer that went away cannot keep the loop busy.
    pub const EMPTY: Interest = Interest { readable: false, writable: false };
    /// Reading only.
    pub const READ: Interest = Interest { readable: true, writable: false };
    /// Writing only.
    pub const WRITE: Interest = Interest { readable: false, writable: true };
    /// Both directions.
    pub const BOTH: Interest = Interest { readable: true, writable: true };
}

/// The readiness of a source, as the kernel reported it.
///
/// A hang-up or error sets both directions, whatever was asked for: either operation would
/// return at once and tell what happened.
#[derive(Copy, Clone, Debug)]
pub struct Readiness {
    /// Reading would not block.
    pub readable: bool,
    /// Writing would not block.
    pub writable: bool,
    /// The descriptor is in an error state (`EPOLLERR`, or `EV_EOF` with an error on kqueue).
    pub error: bool,
}

impl Readiness {
    /// Nothing is ready: the readiness of a source that has no file descriptor.
    pub const EMPTY: Readiness = Readiness { readable: false, writable: false, error: false };
}
