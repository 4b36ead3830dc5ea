//! What means something at a point of a program: the rest is passed over, so that a program means
//! something whatever is taken out of it.

use super::program::{Action, Future, Id, Kind, Signal, Source};
use super::stage::Stage;
use crate::adapter::{Adapter, Capabilities, Capability, Interest, Mode};

/// How often a program does something that takes long.
const OUTINGS_MAX: u32 = 8;

/// How many futures wait for descriptors: a loop need not have room for all that are ready.
const TRANSFERS_MAX: u32 = 100;

impl<A: Adapter> Stage<A> {
    pub(super) fn means_something(&self, action: Action, has_fd: bool) -> bool {
        let (model, slots) = (self.model.borrow(), self.slots.borrow());
        let Some(id) = action.source() else { return self.is_possible(action, has_fd) };
        let (Some(slot), Some(source)) = (slots.get(id), self.program.sources.get(id)) else {
            return false;
        };
        let is_fd = matches!(source.kind, Kind::Fd(..));
        let has_far = slot.far.is_some() && model.is_in(id);
        // A source in its own callback cannot be borrowed to be changed.
        let can_change =
            |needed| slot.source.is_some() && self.has(needed) && model.running() != Some(id);
        let is_sending = slot.push.is_some();
        match action {
            Action::Insert(_) => model.is_absent(id) && self.can_insert(id),
            Action::Remove(_) => slot.source.is_some(),
            Action::Disable(_) => slot.source.is_some() && self.has(Capability::Disable),
            Action::Enable(_) => can_change(Capability::Disable),
            Action::Update(_, interest, mode) => {
                let is_able = supports(self.capabilities, Kind::Fd(interest, mode));
                can_change(Capability::Update) && is_able && is_fd
            }
            Action::Reset(..) => {
                can_change(Capability::TimerReset) && matches!(source.kind, Kind::Timer(_))
            }
            Action::Watch(..) => {
                can_change(Capability::SignalSet) && matches!(source.kind, Kind::Signals(_))
            }
            Action::Write(..) => has_far && model.has_room(id),
            Action::HangUp(_) => has_far,
            Action::Fill(_) | Action::Drain(_) => has_far && is_fd,
            Action::Ping(_) => slot.ping.is_some(),
            Action::Send(_) => slot.sender.is_some() && !is_sending,
            Action::Burst(_) => {
                let is_unbounded = source.kind == Kind::Channel { bound: None };
                slot.sender.is_some() && is_unbounded && model.is_in(id) && self.makes_an_outing()
            }
            Action::Feed(_) => !slot.feeds.is_empty(),
            Action::Push(_) => {
                let is_outside = !model.is_dispatching() && model.is_in(id);
                is_outside && slot.sender.is_some() && !is_sending
            }
            Action::Release(_) => !is_sending && slot.is_held(),
            Action::Spawn(_, future) => {
                slot.spawn.is_some() && self.has_future(future) && self.has_descriptors(future)
            }
            Action::Open(_) => slot.gates.iter().any(|gate| !gate.is_open()),
            Action::Cancel(_) => slot.cancel.is_some(),
            _ => false,
        }
    }

    /// The same of what is about no source.
    fn is_possible(&self, action: Action, has_fd: bool) -> bool {
        match action {
            Action::Read(_) => has_fd,
            Action::Raise(signal) => self.can_raise(signal),
            Action::WakeUp => self.has(Capability::Wakeup),
            Action::Stop if self.is_running.get() => !self.is_stopped.get(),
            // It is forgotten, or the run that comes need not begin.
            Action::Stop => self.has(Capability::Stop) && !self.has(Capability::StopIsKept),
            Action::Nest => self.has(Capability::NestedLoops) && self.makes_an_outing(),
            Action::NestOnThread | Action::Linger => self.makes_an_outing(),
            _ => false,
        }
    }

    /// Whether there is time for something that takes long: a callback may do it ever again.
    fn makes_an_outing(&self) -> bool {
        self.outings.set(self.outings.get() + 1);
        self.outings.get() <= OUTINGS_MAX
    }

    /// Whether it strikes nobody.
    fn can_raise(&self, signal: Signal) -> bool {
        let model = self.model.borrow();
        let is_absent = |id: Id| match self.program.sources[id].kind {
            Kind::Signals(set) => set.has(signal) && model.is_absent(id) && self.can_insert(id),
            _ => false,
        };
        let is_kept = self.program.scene.is_blocking
            && self.has(Capability::SignalMask)
            && signal == Signal::Usr1
            && (0..self.program.sources.len()).any(is_absent);
        model.is_watched(signal) || is_kept
    }

    fn has_future(&self, future: Future) -> bool {
        match future {
            Future::Ready | Future::Gated => true,
            Future::Panics => self.has(Capability::Panics),
            Future::Sleeps => self.has(Capability::Sleep),
            Future::Reads | Future::Writes => self.has(Capability::AsyncIo),
        }
    }

    /// Whether what a future waits for is still brought by one wait, with all the others.
    fn has_descriptors(&self, future: Future) -> bool {
        let count = u32::from(matches!(future, Future::Reads | Future::Writes));
        self.transfers.set(self.transfers.get() + count);
        count == 0 || self.transfers.get() <= TRANSFERS_MAX
    }

    fn can_insert(&self, id: Id) -> bool {
        let sources = &self.program.sources;
        supports(self.capabilities, sources[id].kind) && {
            // Which of two sources of one signal is told of it differs.
            let is_signal = |source: &Source| matches!(source.kind, Kind::Signals(_));
            !is_signal(&sources[id]) || sources.iter().position(is_signal) == Some(id)
        }
    }
}

fn of_mode(mode: Mode) -> Capability {
    match mode {
        Mode::Level => Capability::Level,
        Mode::Edge => Capability::Edge,
        Mode::OneShot => Capability::OneShot,
    }
}

/// Whether a loop has sources of this kind.
pub(super) fn supports(capabilities: Capabilities, kind: Kind) -> bool {
    if matches!(kind, Kind::Fd(Interest::None, _)) && !capabilities.has(Capability::EmptyInterest) {
        return false;
    }
    capabilities.has(match kind {
        Kind::Fd(_, mode) | Kind::Pipe(mode) => of_mode(mode),
        Kind::Ping => Capability::Ping,
        Kind::Channel { bound: None } => Capability::Channel,
        Kind::Channel { bound: Some(0) } => Capability::Rendezvous,
        Kind::Channel { bound: Some(_) } => Capability::BoundedChannel,
        Kind::Timer(_) => Capability::Timers,
        Kind::Idle => Capability::Idle,
        Kind::Signals(_) => Capability::Signals,
        Kind::Executor => Capability::Executor,
    })
}
