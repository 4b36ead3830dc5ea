//! A descriptor.

use crate::adapter::{Interest, Mode, Readiness};

use super::Claim;

/// A descriptor: one end of a pair of sockets.
#[derive(Clone, Debug)]
pub(in crate::model) struct Fd {
    pub(in crate::model) interest: Interest,
    pub(in crate::model) mode: Mode,
    /// What was written to the other end and not read yet.
    pub(in crate::model) bytes: u32,
    is_hung_up: bool,
    /// A wait has begun since then that may have reported it.
    is_hang_up_told: bool,
    /// Whether nothing more can be written.
    is_full: bool,
    /// Edge: there is news. One-shot: it has not shot.
    is_armed: bool,
    is_carried: bool,
    /// What the last wait reported of it.
    reported: Readiness,
    /// Whether it is in the kernel's list of what is ready, in a place that is not known.
    is_listed: bool,
    /// When it came into that list, by the program's count, if that is known.
    rank: Option<u64>,
    /// What that was at the last wait.
    pub(in crate::model) place: Option<u64>,
}

impl Fd {
    pub(super) fn new(interest: Interest, mode: Mode) -> Self {
        Fd {
            interest,
            mode,
            bytes: 0,
            is_hung_up: false,
            is_hang_up_told: false,
            is_full: false,
            is_armed: false,
            is_carried: false,
            reported: Readiness::default(),
            is_listed: true,
            rank: None,
            place: None,
        }
    }

    fn reads(&self) -> bool {
        matches!(self.interest, Interest::Read | Interest::Both)
    }

    fn writes(&self) -> bool {
        matches!(self.interest, Interest::Write | Interest::Both)
    }

    /// What was asked for and is there.
    fn readiness(&self) -> Readiness {
        Readiness {
            readable: self.reads() && (self.bytes > 0 || self.is_hung_up),
            writable: self.writes() && (!self.is_full || self.is_hung_up),
        }
    }

    /// It is registered, for the first time or anew.
    pub(super) fn register(&mut self) {
        (self.is_armed, self.is_carried) = (true, false);
        (self.is_listed, self.rank, self.is_hang_up_told) = (true, None, false);
    }

    /// The dispatch that gathered it failed before it was called.
    pub(super) fn carry(&mut self) {
        self.is_carried = true;
    }

    /// Whether there is news that the last wait did not see.
    pub(super) fn is_armed_anew(&self) -> bool {
        self.mode != Mode::Level && self.is_armed
    }

    /// Whether the end of the other side was reported is open.
    pub(in crate::model) fn forget_hang_up(&mut self) {
        self.is_hang_up_told = false;
    }

    /// Something is written to the other end, at this point of the program.
    pub(in crate::model) fn arrive(&mut self, bytes: u32, at: u64) {
        self.bytes += bytes;
        if self.reads() {
            self.changed(at);
        }
    }

    /// The other end is closed.
    pub(in crate::model) fn hang_up(&mut self, at: u64) {
        self.is_hung_up = true;
        self.changed(at);
    }

    /// So much is written that nothing more can be.
    pub(in crate::model) fn fill(&mut self) {
        self.is_full = true;
    }

    /// The other end reads everything.
    pub(in crate::model) fn drain(&mut self, at: u64) {
        if std::mem::take(&mut self.is_full) && self.writes() {
            self.changed(at);
        }
    }

    /// There is something new in a direction that is watched.
    fn changed(&mut self, at: u64) {
        let is_silent = self.mode == Mode::OneShot && !self.is_armed;
        self.is_armed |= self.mode == Mode::Edge;
        if !self.is_listed && !is_silent && self.rank.is_none() {
            self.rank = Some(at);
        }
    }

    /// Whether it must be called before the other, if both are in one dispatch.
    pub(in crate::model) fn is_before(&self, other: &Fd) -> bool {
        matches!((self.place, other.place), (Some(own), Some(other)) if own < other)
    }

    pub(super) fn gather(&mut self) -> Claim {
        self.reported = self.readiness();
        let is_ready = self.reported != Readiness::default();
        let claim = match self.mode {
            Mode::Level => is_ready,
            Mode::Edge | Mode::OneShot => is_ready && self.is_armed,
        };
        match self.mode {
            Mode::Level => {}
            Mode::Edge => self.is_armed = false,
            Mode::OneShot => self.is_armed &= !claim,
        }
        // What is ready and level-triggered is put back, behind what else was there.
        self.is_listed = self.mode == Mode::Level && (is_ready || self.is_hung_up);
        self.place = self.rank.take().filter(|_| !self.is_carried && !self.is_hung_up);
        // A hang-up may be reported whatever was asked for, but not for ever if nothing was.
        let is_told = self.is_hung_up && std::mem::replace(&mut self.is_hang_up_told, true);
        let is_hang_up = self.is_hung_up && !(is_told && self.interest == Interest::None);
        if claim || (self.is_carried && is_ready) {
            Claim::Must
        } else if is_hang_up || self.is_carried {
            // What is left from a dispatch that failed may have become untrue since.
            Claim::May
        } else {
            Claim::No
        }
    }

    pub(super) fn call(&mut self, readiness: Readiness) -> Result<Claim, String> {
        let is_lenient = std::mem::take(&mut self.is_carried) || self.is_hung_up;
        if !is_lenient && readiness != self.reported {
            return Err(format!("ready for {:?}", self.reported));
        }
        let unasked = readiness.writable && !self.writes() || readiness.readable && !self.reads();
        if !self.is_hung_up && unasked {
            return Err(format!("ready for no more than was asked for: {:?}", self.interest));
        }
        Ok(Claim::No)
    }
}
