//! Names: of a source, of one registration inside a source, and of the same to the kernel.

use std::fmt;

/// How many sub-sources one source may register: every value of a `u16`.
const SUB_IDS_MAX: u32 = 1 << 16;

/// The name of an inserted source, for the methods of [`LoopHandle`](crate::LoopHandle).
///
/// It names that source for ever: when the source is removed the token becomes invalid, and no
/// later source is given an equal one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct RegistrationToken {
    pub(crate) key: crate::slots::Key,
}

/// The name of one registration of a source or sub-source.
///
/// The loop hands it to [`EventSource::process_events`](crate::EventSource::process_events) with
/// each event; a source of several sub-sources compares it with the tokens it got from its
/// [`TokenFactory`]. Every registration gets a token that no other ever had, so that an event
/// gathered under an older registration is never taken for a new one.
#[derive(Copy, Clone, PartialEq, Eq)]
pub struct Token {
    /// The slot of the source in bits 47..16, which of its registrations in 15..0. Two words are
    /// passed in registers and compared at once, where three fields are not.
    place: u64,
    /// The registration pass that issued it, unique in the process.
    pub(crate) epoch: u64,
}

impl Token {
    #[inline]
    pub(crate) fn new(index: u32, sub_id: u16, epoch: u64) -> Self {
        Token { place: u64::from(index) << 16 | u64::from(sub_id), epoch }
    }

    /// From what [`place`](Self::place) returned.
    #[inline]
    pub(crate) fn at(place: u64, epoch: u64) -> Self {
        Token { place, epoch }
    }

    /// Slot and sub-id in one word.
    #[inline]
    pub(crate) fn place(self) -> u64 {
        self.place
    }

    /// The slot of the source.
    #[inline]
    pub(crate) fn index(self) -> u32 {
        (self.place >> 16) as u32
    }

    /// Which of the source's registrations.
    #[inline]
    pub(crate) fn sub_id(self) -> u16 {
        self.place as u16
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}.{}@{})", self.index(), self.sub_id(), self.epoch)
    }
}

/// Issues the [`Token`]s of one registration pass over a source.
#[derive(Debug)]
pub struct TokenFactory {
    index: u32,
    epoch: u64,
    issued: u32,
}

impl TokenFactory {
    pub(crate) fn new(index: u32, epoch: u64) -> Self {
        TokenFactory { index, epoch, issued: 0 }
    }

    /// A token that differs from every other of this loop.
    ///
    /// # Panics
    ///
    /// When one source asks for more than 2¹⁶ tokens in one pass.
    pub fn token(&mut self) -> Token {
        assert!(self.issued < SUB_IDS_MAX, "a source can register at most {SUB_IDS_MAX} tokens");
        let sub_id = self.issued as u16;
        self.issued += 1;
        Token::new(self.index, sub_id, self.epoch)
    }

    pub(crate) fn issued(&self) -> u32 {
        self.issued
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// The epoch of the newest registration of each sub-id of one source.
///
/// A pass that issues no token for a sub-id leaves its registration as it was: a source may keep a
/// token from an earlier pass and go on using it.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    /// Of sub-id 0, kept inline because most sources have no other. Zero: never registered.
    first: u64,
    /// Of sub-ids 1 and up.
    rest: Box<[u64]>,
}

impl Epochs {
    /// Takes note of what a registration pass issued.
    #[inline]
    pub(crate) fn record(&mut self, factory: &TokenFactory) {
        if factory.issued() > 0 {
            self.first = factory.epoch();
        }
        if factory.issued() > 1 {
            self.record_rest(factory);
        }
    }

    fn record_rest(&mut self, factory: &TokenFactory) {
        let issued = factory.issued() as usize;
        if self.rest.len() < issued - 1 {
            let mut rest = std::mem::take(&mut self.rest).into_vec();
            rest.resize(issued - 1, 0);
            self.rest = rest.into_boxed_slice();
        }
        self.rest[..issued - 1].fill(factory.epoch());
    }

    /// The epoch under which `sub_id` is registered now, if it ever was.
    #[inline]
    pub(crate) fn live(&self, sub_id: u16) -> Option<u64> {
        let epoch = match sub_id {
            0 => self.first,
            _ => *self.rest.get(usize::from(sub_id) - 1)?,
        };
        (epoch != 0).then_some(epoch)
    }
}

/// What the kernel is given to hand back with an event: 64 bits that name a registration.
///
/// Bits 63..32 are the slot (the topmost bit tells an [`Async`](crate::io::Async) adapter from a
/// source), 31..16 the sub-id, 15..0 the low bits of the epoch. The epoch's low bits guard against
/// one thing only: a registration the kernel keeps because the descriptor was duplicated and closed
/// before it was unregistered (epoll(7), question 6). Staleness within a batch is decided by whole
/// epochs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct KernelKey(pub(crate) u64);

/// Who a [`KernelKey`] names.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Addressee {
    /// A registration of a source.
    Source { index: u32, sub_id: u16, guard: u16 },
    /// An asynchronous adapter.
    Io { index: u32, guard: u16 },
    /// The loop's own notifier.
    Notifier,
    /// The alarm of an embedded loop.
    Alarm,
}

impl KernelKey {
    /// Of the loop's own notifier.
    pub(crate) const NOTIFIER: KernelKey = KernelKey(u64::MAX);
    /// Of the alarm of an embedded loop.
    pub(crate) const ALARM: KernelKey = KernelKey(u64::MAX - 1);

    const IO: u32 = 1 << 31;
    /// Slots have to stay below this to be told to the kernel.
    pub(crate) const INDEX_END: u32 = Self::IO - 1;

    #[inline]
    pub(crate) fn source(token: Token) -> KernelKey {
        debug_assert!(token.index() < Self::INDEX_END);
        KernelKey(
            u64::from(token.index()) << 32
                | u64::from(token.sub_id()) << 16
                | u64::from(token.epoch as u16),
        )
    }

    #[inline]
    pub(crate) fn io(index: u32, guard: u16) -> KernelKey {
        debug_assert!(index < Self::INDEX_END);
        KernelKey(u64::from(index | Self::IO) << 32 | u64::from(guard))
    }

    #[inline]
    pub(crate) fn addressee(self) -> Addressee {
        let (index, sub_id, guard) = ((self.0 >> 32) as u32, (self.0 >> 16) as u16, self.0 as u16);
        // The others have the topmost bit set, too.
        if index & Self::IO == 0 {
            return Addressee::Source { index, sub_id, guard };
        }
        match self {
            Self::NOTIFIER => Addressee::Notifier,
            Self::ALARM => Addressee::Alarm,
            _ => Addressee::Io { index: index & !Self::IO, guard },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_sub_id_is_issued_and_no_further() {
        let mut factory = TokenFactory::new(0, 1);
        for expected in 0..=u16::MAX {
            assert_eq!(factory.token().sub_id(), expected);
        }
        let overflow = std::panic::catch_unwind(move || factory.token());
        assert!(overflow.is_err(), "65 537 tokens must not fit");
    }

    #[test]
    fn the_reserved_keys_name_what_they_are_for() {
        assert_eq!(KernelKey::NOTIFIER.addressee(), Addressee::Notifier);
        assert_eq!(KernelKey::ALARM.addressee(), Addressee::Alarm);
    }

    #[test]
    fn a_pass_renews_only_the_sub_ids_it_issued() {
        let mut epochs = Epochs::default();
        assert_eq!(epochs.live(0), None);
        let pass = |epoch, tokens| {
            let mut factory = TokenFactory::new(7, epoch);
            for _ in 0..tokens {
                factory.token();
            }
            factory
        };
        epochs.record(&pass(10, 3));
        epochs.record(&pass(11, 0));
        assert_eq!([0, 1, 2, 3].map(|id| epochs.live(id)), [Some(10), Some(10), Some(10), None]);
        epochs.record(&pass(12, 2));
        assert_eq!([0, 1, 2].map(|id| epochs.live(id)), [Some(12), Some(12), Some(10)]);
    }

    proptest! {
        #[test]
        fn kernel_keys_keep_what_they_name(
            index in 0..KernelKey::INDEX_END,
            sub_id: u16,
            epoch: u64,
        ) {
            let source = KernelKey::source(Token::new(index, sub_id, epoch));
            prop_assert_eq!(
                source.addressee(),
                Addressee::Source { index, sub_id, guard: epoch as u16 }
            );
            let io = KernelKey::io(index, epoch as u16);
            prop_assert_eq!(io.addressee(), Addressee::Io { index, guard: epoch as u16 });
        }

        #[test]
        fn epochs_agree_with_a_map(passes in proptest::collection::vec(0u32..6, 0..20)) {
            let mut epochs = Epochs::default();
            let mut model = std::collections::HashMap::new();
            for (pass, tokens) in passes.into_iter().enumerate() {
                let epoch = pass as u64 + 1;
                let mut factory = TokenFactory::new(0, epoch);
                for _ in 0..tokens {
                    model.insert(factory.token().sub_id(), epoch);
                }
                epochs.record(&factory);
                for sub_id in 0..6 {
                    prop_assert_eq!(epochs.live(sub_id), model.get(&sub_id).copied());
                }
            }
        }
    }
}
