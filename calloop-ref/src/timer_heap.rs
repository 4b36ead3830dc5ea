//! Timers in the order they are due: an indexed four-ary heap.
//!
//! Ordered by (deadline, sequence), so that equal deadlines come out first in, first out. Each
//! timer knows where in the heap it stands, which makes cancelling O(log n), like inserting and
//! taking the first; four children a node make the heap half as deep as a binary one and keep
//! siblings on one or two cache lines (LaMarca and Ladner, "The influence of caches on the
//! performance of heaps", 1996).

use slab::Slab;

const CHILDREN: usize = 4;

/// From this many on it may pay to sort the timers, see [`TimerHeap::take_due`].
const SORTED_FROM: usize = 32;
/// How many may be sorted for each that was taken out by itself.
const SORTED_FOR_ONE: usize = 4;

/// The name of a timer in the heap; stale once the timer was taken out.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey {
    slot: u32,
    sequence: u64,
}

#[derive(Copy, Clone, Debug)]
struct Node {
    deadline: u64,
    sequence: u64,
    slot: u32,
}

impl Node {
    #[inline]
    fn is_before(&self, other: &Node) -> bool {
        self.rank() < other.rank()
    }

    /// Deadline and sequence as one number, which is compared without a branch.
    #[inline]
    fn rank(&self) -> u128 {
        u128::from(self.deadline) << 64 | u128::from(self.sequence)
    }
}

#[derive(Debug)]
struct Timer<P> {
    /// Tells this timer from an earlier one in the same slot.
    sequence: u64,
    payload: P,
}

/// A priority queue of payloads by deadline, which is a number on a scale of the caller's.
#[derive(Debug)]
pub(crate) struct TimerHeap<P> {
    nodes: Vec<Node>,
    timers: Slab<Timer<P>>,
    /// By slot, where in `nodes` a timer stands. Apart from the timers, because sifting writes
    /// one for each node that it moves: close together, they stay in the cache.
    positions: Vec<u32>,
    next_sequence: u64,
}

impl<P> TimerHeap<P> {
    pub(crate) fn new() -> Self {
        TimerHeap {
            nodes: Vec::new(),
            timers: Slab::new(),
            positions: Vec::new(),
            next_sequence: 0,
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.nodes.first().map(|node| node.deadline)
    }

    #[inline]
    pub(crate) fn insert(&mut self, deadline: u64, payload: P) -> TimerKey {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let slot = self.timers.insert(Timer { sequence, payload });
        if slot == self.positions.len() {
            self.positions.push(0);
        }
        let node = Node { deadline, sequence, slot: index(slot) };
        let position = self.nodes.len();
        self.nodes.push(node);
        self.sift_up(position, node);
        TimerKey { slot: node.slot, sequence }
    }

    /// Takes a timer out before it is due; `None` when it is no longer in the heap.
    #[inline]
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<P> {
        let timer = self.timers.get(key.slot as usize)?;
        if timer.sequence != key.sequence {
            return None;
        }
        let position = self.positions[key.slot as usize] as usize;
        Some(self.take(position))
    }

    /// Takes out all timers that are due at `now`, in order.
    ///
    /// Where many are due, to sort what is left costs less than a way to the leaves for each, and
    /// the less the more there are. That many are due shows as they are taken: a share of all has
    /// been, and there is another. If that was the last, a few times as many were sorted in vain as
    /// were taken, so that a timer still costs what it does in a heap, times a constant.
    #[inline]
    pub(crate) fn take_due(&mut self, now: u64, mut take: impl FnMut(P)) {
        let mut taken = 0;
        while let Some(payload) = self.pop_due(now) {
            take(payload);
            taken += 1;
            let left = self.nodes.len();
            if left >= SORTED_FROM && left <= taken * SORTED_FOR_ONE {
                return self.take_due_sorted(now, take);
            }
        }
    }

    fn take_due_sorted(&mut self, now: u64, mut take: impl FnMut(P)) {
        self.nodes.sort_unstable_by_key(Node::rank);
        let due = self.nodes.partition_point(|node| node.deadline <= now);
        for node in self.nodes.drain(..due) {
            take(self.timers.remove(node.slot as usize).payload);
        }
        // What is sorted is a heap.
        for position in 0..self.nodes.len() {
            self.place(position, self.nodes[position]);
        }
    }

    /// Takes out the first timer if it is due at `now`.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<P> {
        match self.nodes.first() {
            Some(first) if first.deadline <= now => Some(self.take(0)),
            _ => None,
        }
    }

    /// Takes out the node at `position`, filling the gap with the last one.
    fn take(&mut self, position: usize) -> P {
        let node = self.nodes[position];
        let last = self.nodes.pop().expect("there is one at `position`");
        if position < self.nodes.len() {
            // The last one most likely belongs to the leaves: the gap goes there without looking
            // at it, and it comes up from there as far as it has to.
            let leaf = self.sink_gap(position);
            self.sift_up(leaf, last);
        }
        self.timers.remove(node.slot as usize).payload
    }

    /// Moves the gap at `position` towards the root until `node` stands right in it.
    #[inline]
    fn sift_up(&mut self, mut position: usize, node: Node) {
        while position > 0 {
            let parent = (position - 1) / CHILDREN;
            let above = self.nodes[parent];
            if !node.is_before(&above) {
                break;
            }
            self.place(position, above);
            position = parent;
        }
        self.place(position, node);
    }

    /// Moves the gap at `position` to the leaves, past the children that are due first; returns
    /// where it is then.
    #[inline]
    fn sink_gap(&mut self, mut position: usize) -> usize {
        while let Some(child) = self.first_child(position) {
            self.place(position, self.nodes[child]);
            position = child;
        }
        position
    }

    /// Of the children of `position`, the one that is due first.
    #[inline]
    fn first_child(&self, position: usize) -> Option<usize> {
        let start = position * CHILDREN + 1;
        let children = self.nodes.get(start..)?;
        let Some([one, two, three, four]) = children.first_chunk() else {
            // The last ones.
            let first = children.iter().enumerate().min_by_key(|(_, child)| child.rank())?;
            return Some(start + first.0);
        };
        let earlier = |(one, this): (u128, usize), (other, that): (u128, usize)| {
            if other < one { (other, that) } else { (one, this) }
        };
        let left = earlier((one.rank(), start), (two.rank(), start + 1));
        let right = earlier((three.rank(), start + 2), (four.rank(), start + 3));
        Some(earlier(left, right).1)
    }

    #[inline]
    fn place(&mut self, position: usize, node: Node) {
        self.nodes[position] = node;
        self.positions[node.slot as usize] = index(position);
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
        timers: Vec<(u64, usize)>,
    }

    impl Model {
        fn insert(&mut self, deadline: u64, id: usize) {
            let at = self.timers.partition_point(|(other, _)| *other <= deadline);
            self.timers.insert(at, (deadline, id));
        }

        fn cancel(&mut self, id: usize) -> Option<usize> {
            let at = self.timers.iter().position(|(_, other)| *other == id)?;
            Some(self.timers.remove(at).1)
        }

        fn take_due(&mut self, now: u64) -> Vec<usize> {
            let due = self.timers.partition_point(|(deadline, _)| *deadline <= now);
            self.timers.drain(..due).map(|(_, id)| id).collect()
        }
    }

    fn take_due(heap: &mut TimerHeap<usize>, now: u64) -> Vec<usize> {
        let mut taken = Vec::new();
        heap.take_due(now, |id| taken.push(id));
        taken
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Cancel(usize),
        TakeDue(u64),
    }

    /// Few deadlines, so that equal ones are common; times to take them that seldom leave none or
    /// take none.
    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            60 => (0u64..12).prop_map(Step::Insert),
            20 => any::<usize>().prop_map(Step::Cancel),
            1 => (0u64..12).prop_map(Step::TakeDue),
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
                    Step::TakeDue(now) => {
                        prop_assert_eq!(take_due(&mut heap, now), model.take_due(now));
                    }
                }
                let first = model.timers.first().map(|(deadline, _)| *deadline);
                prop_assert_eq!(heap.next_deadline(), first);
            }
            for now in [6, u64::MAX] {
                prop_assert_eq!(take_due(&mut heap, now), model.take_due(now));
            }
            prop_assert_eq!(heap.next_deadline(), None);
        }
    }

    #[test]
    fn insert_and_cancel_for_ever_keeps_the_memory_of_one() {
        let mut heap = TimerHeap::new();
        for round in 0..10_000 {
            let key = heap.insert(round, ());
            assert_eq!(heap.cancel(key), Some(()));
            assert_eq!(heap.cancel(key), None, "a key is good once");
        }
        assert!(heap.nodes.capacity() <= 8 && heap.timers.capacity() <= 8);
    }
}
