//! An order that has none, the same in every run.

/// The numbers below `length` in an arbitrary order.
pub(super) fn shuffled(length: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..length).collect();
    let mut random = SplitMix(0x5eed);
    for position in (1..numbers.len()).rev() {
        numbers.swap(position, (random.next() % (position as u64 + 1)) as usize);
    }
    numbers
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::shuffled;

    #[test]
    fn every_number_is_there_once_and_out_of_order() {
        let mut numbers = shuffled(1_000);
        let ascents = numbers.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((400..600).contains(&ascents), "{ascents} of 999 pairs ascend");
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..1_000));
    }
}
