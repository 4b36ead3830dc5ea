//! The paired runner: things take turns, there and back, in blocks that are prepared anew, so that
//! what disturbs the machine and where memory lies disturb all of them alike.

use std::time::{Duration, Instant};

use reports::record::Ratio;

use crate::engine::Bench;
use crate::quick::Settings;
use crate::tally::Fault;
use crate::timing;
use crate::workload::Run;

/// How often they take turns in a block, there and back. The least of a block's samples counts.
const TURNS: usize = 3;

/// How sure an interval is to contain the ratio.
const CONFIDENCE: f64 = 0.99;

/// How sure the noise is not to be exceeded by chance.
const CONFIDENCE_OF_NOISE: f64 = 0.9999;

/// Less noise than this is not claimed: the clock and the layout of memory give no more.
const NOISE_MIN: f64 = 0.005;

/// What takes part.
pub(crate) struct Contender<'a> {
    pub(crate) bench: &'a Bench,
    operations: u64,
    /// Nanoseconds a unit.
    pub(crate) samples: Vec<f64>,
    /// The least of each block.
    minima: Vec<f64>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(bench: &'a Bench, sample: Duration) -> Result<Self, Fault> {
        let operations = timing::operations_for(sample, &mut bench.prepare()?)?;
        Ok(Contender { bench, operations, samples: Vec::new(), minima: Vec::new() })
    }

    /// The same benchmark as another contender, with as many operations.
    pub(crate) fn again(&self) -> Self {
        Contender { samples: Vec::new(), minima: Vec::new(), ..*self }
    }

    fn sample(&mut self, run: &mut Run) -> Result<f64, Fault> {
        let elapsed = timing::sample(run, self.operations)?;
        let units = self.operations * self.bench.spec.units;
        let each = elapsed.as_nanos() as f64 / units as f64;
        self.samples.push(each);
        Ok(each)
    }

    /// How its blocks compare with the other's; `control` is the other once more.
    pub(crate) fn ratio(&self, base: &Self, control: &Self) -> Ratio {
        ratio(&self.minima, &base.minima, &control.minima)
    }
}

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

/// Whether the contenders of a block exist at the same time.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// They do, and take turns.
    Together,
    /// One is gone before the next is prepared, because all at once want more than there is.
    OneByOne,
}

/// One block: each is prepared anew and has its turns. `number` says who is first.
///
/// # Errors
///
/// With the number of the contender that did not do what it should.
pub(crate) fn block(
    contenders: &mut [Contender<'_>],
    number: usize,
    company: Company,
) -> Result<(), (usize, Fault)> {
    let count = contenders.len();
    let order: Vec<usize> = (0..count).map(|place| (place + number) % count).collect();
    let mut least = vec![f64::INFINITY; count];
    match company {
        Company::Together => turns(contenders, &order, &mut least)?,
        Company::OneByOne => {
            for at in order {
                turns(contenders, &[at], &mut least)?;
            }
        }
    }
    for (contender, least) in contenders.iter_mut().zip(least) {
        contender.minima.push(least);
    }
    Ok(())
}

/// Prepares these, has them take turns, and keeps the least sample of each.
fn turns(
    contenders: &mut [Contender<'_>],
    order: &[usize],
    least: &mut [f64],
) -> Result<(), (usize, Fault)> {
    let mut runs: Vec<Option<Run>> = contenders.iter().map(|_| None).collect();
    for &at in order {
        let prepared = contenders[at].bench.prepare().and_then(|mut run| {
            // What is only done once is not measured.
            run.repeat(1)?;
            Ok(run)
        });
        runs[at] = Some(prepared.map_err(|fault| (at, fault))?);
    }
    for _ in 0..TURNS {
        // And back again: a drift of the machine favours nobody.
        for &at in order.iter().chain(order.iter().rev()) {
            let run = runs[at].as_mut().expect("each was prepared");
            let sample = contenders[at].sample(run).map_err(|fault| (at, fault))?;
            least[at] = least[at].min(sample);
        }
    }
    Ok(())
}

/// When two benchmarks have been compared well enough.
#[derive(Copy, Clone, Debug)]
pub struct Patience {
    /// How little noise is enough.
    pub noise: f64,
    /// How long to try.
    pub at_most: Duration,
}

/// How many times the time of `base` the other takes, with the noise of the comparison: what `base`
/// against itself shows in the same run.
///
/// It goes on until the noise is small enough, or `patience` is over.
///
/// # Errors
///
/// If one does not do what it should.
pub fn compare(
    base: &Bench,
    head: &Bench,
    settings: &Settings,
    patience: Patience,
) -> Result<Ratio, Fault> {
    let start = Instant::now();
    let base = Contender::new(base, settings.sample)?;
    let control = base.again();
    let mut contenders = [base, Contender::new(head, settings.sample)?, control];
    for number in 0.. {
        block(&mut contenders, number, Company::Together).map_err(|(_, fault)| fault)?;
        let is_enough = number + 1 >= settings.rounds && start.elapsed() >= settings.workload;
        let [base, head, control] = &contenders;
        let ratio = head.ratio(base, control);
        if is_enough && (ratio.noise <= patience.noise || start.elapsed() >= patience.at_most) {
            return Ok(ratio);
        }
    }
    unreachable!("the numbers do not end")
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
