//! How much longer one thing takes than another, and how sure that is.

use reports::record::Ratio;

/// How sure an interval is to contain the ratio.
const CONFIDENCE: f64 = 0.99;

/// How sure the noise is not to be exceeded by chance.
const CONFIDENCE_OF_NOISE: f64 = 0.9999;

/// Less noise than this is not claimed: the clock and the layout of memory give no more.
const NOISE_MIN: f64 = 0.005;

/// How the blocks of one thing compare with those of another; `control` is the other once more.
pub(crate) fn ratio(head: &[f64], base: &[f64], control: &[f64]) -> Ratio {
    let Interval { middle, low, high } = Interval::of_median(logarithms(head, base), CONFIDENCE);
    let noise = Interval::of_median(logarithms(control, base), CONFIDENCE_OF_NOISE);
    let noise = noise.low.abs().max(noise.high.abs()).exp_m1();
    let noise = noise.max(NOISE_MIN);
    Ratio { value: middle.exp(), low: low.exp(), high: high.exp(), noise }
}

fn logarithms(head: &[f64], base: &[f64]) -> Vec<f64> {
    head.iter().zip(base).map(|(head, base)| (head / base).ln()).collect()
}

/// What a comparison comes to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes longer.
    Slower,
    /// It takes less time.
    Faster,
    /// It does not differ by as much as was asked for.
    Same,
    /// The noise is greater than what was asked for.
    Inconclusive,
}

/// Judges a ratio: whether an effect of this size was there.
///
/// Slower and faster need a ratio further from 1 than the noise, and an interval without 1.
pub fn judge(ratio: &Ratio, effect: f64) -> Verdict {
    let exceeds = |value: f64| value.ln().abs() > ratio.noise.ln_1p();
    match ratio {
        Ratio { value, low, .. } if exceeds(*value) && *low > 1.0 => Verdict::Slower,
        Ratio { value, high, .. } if exceeds(*value) && *high < 1.0 => Verdict::Faster,
        Ratio { noise, .. } if *noise < effect => Verdict::Same,
        _ => Verdict::Inconclusive,
    }
}

/// Where the median of what values are drawn from lies.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Interval {
    middle: f64,
    low: f64,
    high: f64,
}

impl Interval {
    /// Between two of the values, whatever their distribution: each is below the median with
    /// probability one half. With few values it is as wide as they are, and less sure.
    fn of_median(mut values: Vec<f64>, confidence: f64) -> Self {
        values.sort_by(f64::total_cmp);
        let count = values.len();
        if count == 0 {
            return Interval { middle: f64::NAN, low: f64::NAN, high: f64::NAN };
        }
        // The probability that so few or fewer values are below the median.
        let mut exactly = 0.5_f64.powi(count.try_into().unwrap_or(i32::MAX));
        let (mut at_most, mut outside) = (exactly, 0);
        while outside + 1 < count.div_ceil(2) && 2.0 * at_most <= 1.0 - confidence {
            outside += 1;
            exactly *= (count - outside + 1) as f64 / outside as f64;
            at_most += exactly;
        }
        let outside = outside.saturating_sub(1);
        let middle = (values[(count - 1) / 2] + values[count / 2]) / 2.0;
        Interval { middle, low: values[outside], high: values[count - 1 - outside] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(count: u32, confidence: f64) -> (f64, f64, f64) {
        let values = (1..=count).rev().map(f64::from).collect();
        let Interval { middle, low, high } = Interval::of_median(values, confidence);
        (middle, low, high)
    }

    #[test]
    fn the_interval_of_a_median_is_that_of_the_sign_test() {
        // As tables of the sign test have it.
        assert_eq!(interval(6, 0.95), (3.5, 1.0, 6.0));
        assert_eq!(interval(10, 0.95), (5.5, 2.0, 9.0));
        assert_eq!(interval(20, 0.95), (10.5, 6.0, 15.0));
        assert_eq!(interval(20, 0.99), (10.5, 4.0, 17.0));
        assert_eq!(interval(25, 0.99), (13.0, 6.0, 20.0));
    }

    #[test]
    fn few_values_give_all_they_have() {
        assert_eq!(interval(1, 0.99), (1.0, 1.0, 1.0));
        assert_eq!(interval(2, 0.99), (1.5, 1.0, 2.0));
        assert_eq!(interval(5, 0.99), (3.0, 1.0, 5.0));
    }

    #[test]
    fn an_effect_has_to_exceed_the_noise_and_its_interval_to_be_on_one_side() {
        let judge = |value, low, high, noise| judge(&Ratio { value, low, high, noise }, 0.03);
        assert_eq!(judge(1.03, 1.02, 1.04, 0.01), Verdict::Slower);
        assert_eq!(judge(0.97, 0.96, 0.98, 0.01), Verdict::Faster);
        assert_eq!(judge(1.03, 0.99, 1.04, 0.01), Verdict::Same);
        assert_eq!(judge(1.005, 1.004, 1.006, 0.01), Verdict::Same);
        assert_eq!(judge(1.03, 1.02, 1.04, 0.05), Verdict::Inconclusive);
    }
}
