//! Counting what a process allocates.

#![allow(unsafe_code, reason = "the trait of allocators is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Whether somebody counts. Otherwise an allocation costs one load more.
static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
/// Bytes in use beyond those at the start of the reading; wraps below zero.
static IN_USE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counted while somebody asks.
///
/// The allocations of a benchmark are known only if the program that calls
/// [`serve`](super::serve) has it:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: benches::CountingAllocator = benches::CountingAllocator;
/// ```
#[derive(Copy, Clone, Debug)]
pub struct CountingAllocator;

// SAFETY: every method is that of the system's allocator, called with the same arguments.
unsafe impl GlobalAlloc for CountingAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IS_COUNTING.load(Relaxed) {
            note(layout.size(), 0);
        }
        // SAFETY: the caller keeps to the contract.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if IS_COUNTING.load(Relaxed) {
            note(layout.size(), 0);
        }
        // SAFETY: the caller keeps to the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if IS_COUNTING.load(Relaxed) {
            note(new_size, layout.size());
        }
        // SAFETY: the caller keeps to the contract.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if IS_COUNTING.load(Relaxed) {
            IN_USE.fetch_sub(layout.size() as u64, Relaxed);
        }
        // SAFETY: the caller keeps to the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// One allocation, in the place of `freed` bytes.
#[cold]
fn note(bytes: usize, freed: usize) {
    let (bytes, freed) = (bytes as u64, freed as u64);
    COUNT.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes, Relaxed);
    let in_use = IN_USE.fetch_add(bytes.wrapping_sub(freed), Relaxed);
    let in_use = in_use.wrapping_add(bytes).wrapping_sub(freed);
    if (in_use as i64) > 0 {
        PEAK.fetch_max(in_use, Relaxed);
    }
}

/// What all threads of the process allocate from its beginning to its end, and open.
#[derive(Debug)]
pub(super) struct Reading {
    descriptors: i64,
}

impl Reading {
    pub(super) fn begin() -> Self {
        let descriptors = descriptors();
        for counter in [&COUNT, &BYTES, &IN_USE, &PEAK] {
            counter.store(0, Relaxed);
        }
        IS_COUNTING.store(true, Relaxed);
        Reading { descriptors }
    }

    pub(super) fn end(self) -> Allocated {
        // Whether the program has this allocator shows only if something is allocated.
        let [count, bytes, peak] = [&COUNT, &BYTES, &PEAK].map(|counter| counter.load(Relaxed));
        let kept = IN_USE.load(Relaxed) as i64;
        drop(std::hint::black_box(Box::new(0u64)));
        let is_counted = COUNT.load(Relaxed) > count;
        IS_COUNTING.store(false, Relaxed);
        let descriptors = descriptors() - self.descriptors;
        Allocated { is_counted, count, bytes, peak, kept, descriptors }
    }
}

/// How many descriptors are open; zero where the system does not tell.
fn descriptors() -> i64 {
    std::fs::read_dir("/dev/fd").map_or(0, |entries| entries.count() as i64)
}

/// What was allocated, and opened.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Allocated {
    /// Whether the program has the allocator that counts.
    pub(super) is_counted: bool,
    pub(super) count: u64,
    pub(super) bytes: u64,
    /// The most bytes that were in use at once, beyond those before.
    pub(super) peak: u64,
    /// How many bytes more were in use at the end than before.
    pub(super) kept: i64,
    /// How many descriptors more were open at the end than before.
    pub(super) descriptors: i64,
}

impl Allocated {
    /// Adds what another reading found.
    pub(super) fn add(&mut self, other: Allocated) {
        self.is_counted |= other.is_counted;
        self.count += other.count;
        self.bytes += other.bytes;
        self.peak = self.peak.max(other.peak);
        self.kept += other.kept;
        self.descriptors += other.descriptors;
    }
}

impl fmt::Display for Allocated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Allocated { is_counted, count, bytes, peak, kept, descriptors } = self;
        write!(f, "{is_counted} {count} {bytes} {peak} {kept} {descriptors}")
    }
}

impl FromStr for Allocated {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split_whitespace();
        let is_counted = words.next().and_then(|word| word.parse().ok()).ok_or(())?;
        let mut number = || words.next().and_then(|word| word.parse::<i64>().ok()).ok_or(());
        let mut natural = || number()?.try_into().map_err(drop);
        let (count, bytes, peak) = (natural()?, natural()?, natural()?);
        Ok(Allocated { is_counted, count, bytes, peak, kept: number()?, descriptors: number()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Allocated =
        Allocated { is_counted: true, count: 1, bytes: 20, peak: 300, kept: -4000, descriptors: 5 };

    #[test]
    fn what_was_allocated_reads_as_it_was_written() {
        assert_eq!(SOME.to_string().parse(), Ok(SOME));
        assert_eq!("true 1 20".parse::<Allocated>(), Err(()));
    }

    #[test]
    fn readings_add_up_and_the_greatest_peak_is_the_peak() {
        let mut sum = SOME;
        sum.add(Allocated { peak: 200, kept: 6000, ..SOME });
        let expected = Allocated { count: 2, bytes: 40, kept: 2000, descriptors: 10, ..SOME };
        assert_eq!(sum, expected);
    }
}
