//! Timers in the order they are due: an indexed four-ary heap.
//!
//! Ordered by (deadline, sequence), so that equal deadlines come out first in, first out. Each
//! timer knows where in the heap it stands, which makes cancelling O(log n), like inserting and
//! taking the first; four children a node make the heap half as deep as a binary one and keep
//! siblings on one or two cache lines (LaMarca and Ladner, "The influence of caches on the
//! performance of heaps", 1996).

use slab::Slab;

const CHILDREN: usize = 4;

/// The name of a timer in the heap; stale once the timer was taken out.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey {
    slot: u32,
    sequence: u64,
}

#[derive(Debug)]
struct Node<D> {
    deadline: D,
    sequence: u64,
    slot: u32,
}

impl<D: Ord> Node<D> {
    #[inline]
    fn is_before(&self, other: &Node<D>) -> bool {
        (&self.deadline, self.sequence) < (&other.deadline, other.sequence)
    }
}

#[derive(Debug)]
struct Timer<P> {
    /// Where in `nodes` this timer stands.
    position: u32,
    /// Tells this timer from an earlier one in the same slot.
    sequence: u64,
    payload: P,
}

/// A priority queue of payloads by deadline.
#[derive(Debug)]
pub(crate) struct TimerHeap<D, P> {
    nodes: Vec<Node<D>>,
    timers: Slab<Timer<P>>,
    next_sequence: u64,
}

impl<D: Ord + Copy, P> TimerHeap<D, P> {
    pub(crate) fn new() -> Self {
        TimerHeap { nodes: Vec::new(), timers: Slab::new(), next_sequence: 0 }
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<D> {
        self.nodes.first().map(|node| node.deadline)
    }

    pub(crate) fn insert(&mut self, deadline: D, payload: P) -> TimerKey {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let position = self.nodes.len();
        let timer = Timer { position: index(position), sequence, payload };
        let slot = index(self.timers.insert(timer));
        self.nodes.push(Node { deadline, sequence, slot });
        self.sift_up(position);
        TimerKey { slot, sequence }
    }

    /// Takes a timer out before it is due; `None` when it is no longer in the heap.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<P> {
        let timer = self.timers.get(key.slot as usize)?;
        if timer.sequence != key.sequence {
            return None;
        }
        let position = timer.position as usize;
        Some(self.take(position).1)
    }

    /// Takes out the first timer if it is due at `now`.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: D) -> Option<(D, P)> {
        match self.nodes.first() {
            Some(first) if first.deadline <= now => Some(self.take(0)),
            _ => None,
        }
    }

    /// Takes out the node at `position`, filling the gap with the last one.
    fn take(&mut self, position: usize) -> (D, P) {
        let node = self.nodes.swap_remove(position);
        if position < self.nodes.len() {
            let moved = self.sift_up(position);
            self.sift_down(moved);
        }
        let timer = self.timers.remove(node.slot as usize);
        (node.deadline, timer.payload)
    }

    /// Moves the node at `position` towards the root until it stands right; returns where.
    fn sift_up(&mut self, mut position: usize) -> usize {
        while position > 0 {
            let parent = (position - 1) / CHILDREN;
            if !self.nodes[position].is_before(&self.nodes[parent]) {
                break;
            }
            self.nodes.swap(position, parent);
            self.note_position(position);
            position = parent;
        }
        self.note_position(position);
        position
    }

    /// Moves the node at `position` towards the leaves until it stands right.
    fn sift_down(&mut self, mut position: usize) {
        while let Some(child) = self.first_child(position) {
            if !self.nodes[child].is_before(&self.nodes[position]) {
                break;
            }
            self.nodes.swap(position, child);
            self.note_position(position);
            position = child;
        }
        self.note_position(position);
    }

    /// Of the children of `position`, the one that is due first.
    #[inline]
    fn first_child(&self, position: usize) -> Option<usize> {
        let start = position * CHILDREN + 1;
        let end = (start + CHILDREN).min(self.nodes.len());
        let mut children = start..end;
        let mut first = children.next()?;
        for child in children {
            if self.nodes[child].is_before(&self.nodes[first]) {
                first = child;
            }
        }
        Some(first)
    }

    #[inline]
    fn note_position(&mut self, position: usize) {
        let slot = self.nodes[position].slot as usize;
        self.timers[slot].position = index(position);
    }
}

#[inline]
fn index(position: usize) -> u32 {
    u32::try_from(position).expect("fewer than 2³² timers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the heap must equal: a list sorted by deadline, stable in insertion order.
    #[derive(Default)]
    struct Model {
        timers: Vec<(u32, usize)>,
    }

    impl Model {
        fn insert(&mut self, deadline: u32, id: usize) {
            let at = self.timers.partition_point(|(other, _)| *other <= deadline);
            self.timers.insert(at, (deadline, id));
        }

        fn cancel(&mut self, id: usize) -> Option<usize> {
            let at = self.timers.iter().position(|(_, other)| *other == id)?;
            Some(self.timers.remove(at).1)
        }

        fn pop_due(&mut self, now: u32) -> Option<(u32, usize)> {
            (self.timers.first()?.0 <= now).then(|| self.timers.remove(0))
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u32),
        Cancel(usize),
        PopDue(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Few deadlines, so that equal ones are common.
        prop_oneof![
            3 => (0u32..12).prop_map(Step::Insert),
            2 => any::<usize>().prop_map(Step::Cancel),
            1 => (0u32..12).prop_map(Step::PopDue),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_list(steps in proptest::collection::vec(step(), 0..300)) {
            let mut heap = TimerHeap::new();
            let mut model = Model::default();
            let mut keys = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(deadline) => {
                        let id = keys.len();
                        keys.push(heap.insert(deadline, id));
                        model.insert(deadline, id);
                    }
                    Step::Cancel(at) if !keys.is_empty() => {
                        let id = at % keys.len();
                        prop_assert_eq!(heap.cancel(keys[id]), model.cancel(id));
                    }
                    Step::Cancel(_) => {}
                    Step::PopDue(now) => prop_assert_eq!(heap.pop_due(now), model.pop_due(now)),
                }
                let first = model.timers.first().map(|(deadline, _)| *deadline);
                prop_assert_eq!(heap.next_deadline(), first);
            }
            while let Some(expected) = model.pop_due(u32::MAX) {
                prop_assert_eq!(heap.pop_due(u32::MAX), Some(expected));
            }
            prop_assert_eq!(heap.next_deadline(), None);
        }
    }

    #[test]
    fn insert_and_cancel_for_ever_keeps_the_memory_of_one() {
        let mut heap = TimerHeap::new();
        for round in 0..10_000u32 {
            let key = heap.insert(round, ());
            assert_eq!(heap.cancel(key), Some(()));
            assert_eq!(heap.cancel(key), None, "a key is good once");
        }
        assert!(heap.nodes.capacity() <= 8 && heap.timers.capacity() <= 8);
    }
}
