//! Keyed storage whose keys never come back: an index that may be used again, and a number that
//! is not.

use slab::Slab;

/// The name of a value in [`Slots`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Where the value is; another value may take its place later.
    pub(crate) index: u32,
    /// Which value it is. The caller never passes the same number twice.
    pub(crate) generation: u64,
}

/// A slab that checks generations: O(1) insertion, removal and look-up.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slab: Slab<(u64, T)>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Slots { slab: Slab::new() }
    }

    /// Stores what `make` returns for the key it will have.
    pub(crate) fn insert(&mut self, generation: u64, value: T) -> Key {
        let vacant = self.slab.vacant_entry();
        let index = u32::try_from(vacant.key()).expect("fewer than 2³² values");
        vacant.insert((generation, value));
        Key { index, generation }
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        match self.slab.get(key.index as usize) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slab.get_mut(key.index as usize) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// Whatever is at `index` now, with its key.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: u32) -> Option<(Key, &mut T)> {
        let (generation, value) = self.slab.get_mut(index as usize)?;
        Some((Key { index, generation: *generation }, value))
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let (_, value) = self.slab.remove(key.index as usize);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8),
        Remove(usize),
        Write(usize, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<u8>().prop_map(Step::Insert),
            any::<usize>().prop_map(Step::Remove),
            (any::<usize>(), any::<u8>()).prop_map(|(at, value)| Step::Write(at, value)),
        ]
    }

    proptest! {
        /// Every key ever issued answers as a map from keys to values would.
        #[test]
        fn agrees_with_a_map(steps in proptest::collection::vec(step(), 0..200)) {
            let mut slots = Slots::new();
            let mut model: HashMap<u64, u8> = HashMap::new();
            let mut issued: Vec<Key> = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(value) => {
                        let generation = issued.len() as u64;
                        issued.push(slots.insert(generation, value));
                        model.insert(generation, value);
                    }
                    Step::Remove(at) if !issued.is_empty() => {
                        let key = issued[at % issued.len()];
                        prop_assert_eq!(slots.remove(key), model.remove(&key.generation));
                    }
                    Step::Write(at, value) if !issued.is_empty() => {
                        let key = issued[at % issued.len()];
                        let stored = slots.get_mut(key).map(|v| *v = value).is_some();
                        let modelled =
                            model.get_mut(&key.generation).map(|v| *v = value).is_some();
                        prop_assert_eq!(stored, modelled);
                    }
                    Step::Remove(_) | Step::Write(..) => {}
                }
                for key in &issued {
                    prop_assert_eq!(slots.get(*key), model.get(&key.generation));
                }
            }
        }
    }
}
