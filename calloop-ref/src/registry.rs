//! The sources of a loop and the state of each.
//!
//! Plain bookkeeping: nothing here calls a source, so that no borrow of the registry is ever held
//! while user code runs.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dispatcher::AnySource;
use crate::slots::{Key, Slots};
use crate::token::{Epochs, Token, TokenFactory};

/// One source in the loop.
struct Entry<'l, Data> {
    source: Rc<dyn AnySource<Data> + 'l>,
    enabled: bool,
    activity: Activity,
    epochs: Epochs,
}

/// Whether a source is being called, and what was asked for it meanwhile.
enum Activity {
    Idle,
    Running { deferred: Option<Deferred> },
}

/// A change to a source's registration that has to wait until the source returns.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deferred {
    Update,
    Disable,
}

/// Whose turn it is: an event by the slot and sub-id it is addressed to.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Target {
    pub(crate) index: u32,
    pub(crate) sub_id: u16,
    /// Which registration the event was gathered under.
    pub(crate) registration: Registration,
}

/// Which registration an event was gathered under.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Registration {
    /// This one.
    Exactly(u64),
    /// The one that the kernel had when the epoch was `limit`: a registration with a later epoch
    /// came after the event. `guard` is what the kernel knew of the epoch.
    AtMost { limit: u64, guard: u16 },
}

impl Target {
    pub(crate) fn of(token: Token) -> Target {
        Target {
            index: token.index(),
            sub_id: token.sub_id(),
            registration: Registration::Exactly(token.epoch),
        }
    }
}

/// A source that was taken out.
pub(crate) struct Removed<'l, Data> {
    pub(crate) source: Rc<dyn AnySource<Data> + 'l>,
    /// It is being called; whoever calls it keeps it until it returns.
    pub(crate) is_running: bool,
}

/// What became of a source while it was called.
pub(crate) enum Left {
    /// It was removed.
    Removed,
    /// It is still there, and this was asked for it.
    Present(Option<Deferred>),
}

/// What `enable`, `disable` or `update` have to do with a source.
pub(crate) enum Change<'l, Data> {
    /// Call it.
    Now(Rc<dyn AnySource<Data> + 'l>),
    /// Nothing now: it is so already, or will be when the source returns.
    None,
}

pub(crate) struct Registry<'l, Data> {
    slots: Slots<Entry<'l, Data>>,
    /// The enabled sources with hooks, in the order of their registration.
    hooked: Vec<Key>,
    epochs: EpochCounter,
}

impl<'l, Data> Registry<'l, Data> {
    pub(crate) fn new() -> Self {
        Registry { slots: Slots::new(), hooked: Vec::new(), epochs: EpochCounter::default() }
    }

    /// Gives a source its place; it is not enabled yet.
    pub(crate) fn insert(&mut self, source: Rc<dyn AnySource<Data> + 'l>) -> Key {
        let generation = self.epochs.next();
        self.slots.insert(
            generation,
            Entry { source, enabled: false, activity: Activity::Idle, epochs: Epochs::default() },
        )
    }

    /// Takes a source out. It is not called again, whatever the batch holds for it.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Removed<'l, Data>> {
        let entry = self.slots.remove(key)?;
        self.unhook(key);
        let is_running = matches!(entry.activity, Activity::Running { .. });
        Some(Removed { source: entry.source, is_running })
    }

    /// Begins a registration pass.
    pub(crate) fn token_factory(&mut self, key: Key) -> TokenFactory {
        TokenFactory::new(key.index, self.epochs.next())
    }

    /// Every registration from now on has a later epoch.
    #[inline]
    pub(crate) fn latest_epoch(&self) -> u64 {
        self.epochs.latest
    }

    /// Takes note of a successful registration pass.
    pub(crate) fn set_registered(&mut self, key: Key, tokens: &TokenFactory) {
        let Some(entry) = self.slots.get_mut(key) else { return };
        entry.epochs.record(tokens);
        let was_enabled = std::mem::replace(&mut entry.enabled, true);
        if !was_enabled && entry.source.has_hooks() {
            self.hooked.push(key);
        }
    }

    /// Takes note that a source was unregistered.
    pub(crate) fn set_disabled(&mut self, key: Key) {
        if let Some(entry) = self.slots.get_mut(key) {
            entry.enabled = false;
            self.unhook(key);
        }
    }

    fn unhook(&mut self, key: Key) {
        if !self.hooked.is_empty() {
            self.hooked.retain(|hooked| *hooked != key);
        }
    }

    /// The enabled sources with hooks, in the order of their registration.
    #[inline]
    pub(crate) fn hooked(&self) -> &[Key] {
        &self.hooked
    }

    /// `None`: no such source.
    pub(crate) fn enable(&mut self, key: Key) -> Option<Change<'l, Data>> {
        let entry = self.slots.get_mut(key)?;
        if let Activity::Running { deferred } = &mut entry.activity {
            // It is enabled now; what it asked before was to be disabled later, or updated.
            deferred.take_if(|change| *change == Deferred::Disable);
        }
        Some(if entry.enabled { Change::None } else { Change::Now(entry.source.clone()) })
    }

    /// `None`: no such source.
    pub(crate) fn change(&mut self, key: Key, change: Deferred) -> Option<Change<'l, Data>> {
        let entry = self.slots.get_mut(key)?;
        Some(match &mut entry.activity {
            _ if !entry.enabled => Change::None,
            Activity::Running { deferred } => {
                *deferred = Some(change);
                Change::None
            }
            Activity::Idle => Change::Now(entry.source.clone()),
        })
    }

    /// The token of an event, if it is still to be delivered.
    pub(crate) fn resolve(&self, target: Target, key: Key) -> Option<Token> {
        if key.index != target.index {
            return None;
        }
        let entry = self.slots.get(key)?;
        entry.live_token(target)
    }

    /// Begins to call the source that an event is for; `None` if the event is stale.
    #[inline]
    pub(crate) fn enter(&mut self, target: Target) -> Option<(Key, Called<'l, Data>)> {
        let (key, entry) = self.slots.at_mut(target.index)?;
        let token = entry.live_token(target)?;
        entry.activity = Activity::Running { deferred: None };
        Some((key, Called { source: entry.source.clone(), token }))
    }

    /// Begins to call a hook of a source; `None` if it is gone or disabled.
    pub(crate) fn enter_hook(&mut self, key: Key) -> Option<Rc<dyn AnySource<Data> + 'l>> {
        let entry = self.slots.get_mut(key).filter(|entry| entry.enabled)?;
        entry.activity = Activity::Running { deferred: None };
        Some(entry.source.clone())
    }

    /// Ends what [`enter`](Self::enter) or [`enter_hook`](Self::enter_hook) began.
    #[inline]
    pub(crate) fn leave(&mut self, key: Key) -> Left {
        match self.slots.get_mut(key) {
            None => Left::Removed,
            Some(entry) => match std::mem::replace(&mut entry.activity, Activity::Idle) {
                Activity::Running { deferred } => Left::Present(deferred),
                Activity::Idle => Left::Present(None),
            },
        }
    }
}

/// A source that is about to be called, and with which token.
pub(crate) struct Called<'l, Data> {
    pub(crate) source: Rc<dyn AnySource<Data> + 'l>,
    pub(crate) token: Token,
}

impl<Data> Entry<'_, Data> {
    #[inline]
    fn live_token(&self, target: Target) -> Option<Token> {
        if !self.enabled {
            return None;
        }
        let epoch = self.epochs.live(target.sub_id)?;
        let is_live = match target.registration {
            Registration::Exactly(expected) => epoch == expected,
            Registration::AtMost { limit, guard } => epoch <= limit && epoch as u16 == guard,
        };
        is_live.then_some(Token::new(target.index, target.sub_id, epoch))
    }
}

/// Numbers that are handed out once in the life of the process, ascending within a loop.
///
/// Loops take them from a common counter by the block, so that threads do not contend for it.
#[derive(Debug, Default)]
struct EpochCounter {
    latest: u64,
    block_end: u64,
}

impl EpochCounter {
    const BLOCK: u64 = 1 << 16;

    fn next(&mut self) -> u64 {
        // Block 0 stays unused: epoch 0 means "never registered".
        static NEXT_BLOCK: AtomicU64 = AtomicU64::new(EpochCounter::BLOCK);

        if self.latest + 1 >= self.block_end {
            let start = NEXT_BLOCK.fetch_add(Self::BLOCK, Ordering::Relaxed);
            self.latest = start;
            self.block_end = start + Self::BLOCK;
        } else {
            self.latest += 1;
        }
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_ascend_and_are_unique_among_loops() {
        let (mut one, mut other) = (EpochCounter::default(), EpochCounter::default());
        let mut seen = std::collections::HashSet::new();
        let mut last = [0, 0];
        for _ in 0..3 * EpochCounter::BLOCK {
            for (counter, last) in [&mut one, &mut other].into_iter().zip(&mut last) {
                let epoch = counter.next();
                assert!(epoch > *last && seen.insert(epoch));
                *last = epoch;
            }
        }
    }
}
