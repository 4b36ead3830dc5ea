//! The paired runner: benchmarks take turns, there and back, in blocks.
//!
//! Each turn is a process of its own, so that where the system puts a program and its memory is
//! drawn as often as a time is taken: of one process, that would be the same however long it runs,
//! and another would tell something else. What disturbs the machine disturbs all of them alike.
//! They may be benchmarks of one program, or one benchmark of two: before and after a change.

mod ratio;
mod turn;

use std::time::{Duration, Instant};

use conformance::adapter::Failure;
use reports::record::Ratio;

pub use self::ratio::{Verdict, judge};
pub(crate) use self::turn::{FLAG, Turn};
use crate::engine::Bench;
use crate::meters::{Program, Trouble, obstacle};
use crate::outcome::{Faulty, Obstacle};
use crate::tally::Fault;

/// How they take turns, and when they have been compared well enough.
#[derive(Copy, Clone, Debug)]
pub struct Settings {
    /// How many blocks there are at least. In each, everyone has two turns.
    pub blocks: usize,
    /// How little noise is enough.
    pub noise: f64,
    /// After how long no other block begins, however many there were.
    pub at_most: Duration,
    /// How long a sample shall take. Short, most samples of a busy machine are undisturbed.
    pub sample: Duration,
    /// How many samples are taken in a turn.
    pub samples: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            blocks: 15,
            noise: 0.025,
            at_most: Duration::from_secs(20),
            sample: Duration::from_micros(500),
            samples: 10,
        }
    }
}

/// What takes part: a benchmark of a program.
#[derive(Clone, Debug)]
pub(crate) struct Contender<'a> {
    pub(crate) bench: &'a Bench,
    program: &'a Program,
    /// Nanoseconds a unit, of every turn.
    pub(crate) samples: Vec<f64>,
    /// The least of each block: what disturbs a sample only makes it longer.
    pub(crate) minima: Vec<f64>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(bench: &'a Bench, program: &'a Program) -> Self {
        Contender { bench, program, samples: Vec::new(), minima: Vec::new() }
    }

    fn take_turn(&mut self, settings: &Settings) -> Result<(), Trouble> {
        let samples = Turn::of(self.bench, self.program, settings).take(&self.program.path)?;
        let least = self.minima.last_mut().expect("a block has begun");
        *least = samples.iter().fold(*least, |least, sample| least.min(*sample));
        self.samples.extend(samples);
        Ok(())
    }

    /// Why it cannot go on.
    pub(crate) fn obstacle(&self, trouble: Trouble) -> Obstacle {
        obstacle(self.bench, self.program, trouble)
    }
}

/// Those who take turns.
#[derive(Debug)]
pub(crate) struct Race<'a> {
    /// What the others are compared with comes first and, once more, last: how it compares with
    /// itself is the noise.
    contenders: Vec<Contender<'a>>,
    has_base: bool,
    blocks: usize,
}

impl<'a> Race<'a> {
    pub(crate) fn new(base: Option<Contender<'a>>, others: Vec<Contender<'a>>) -> Self {
        let has_base = base.is_some();
        let control = base.clone();
        let contenders = base.into_iter().chain(others).chain(control).collect();
        Race { contenders, has_base, blocks: 0 }
    }

    /// Goes on until the settings say that it is enough.
    ///
    /// A contender that fails is handed to `failed` with the reason, and takes part no longer, or
    /// ends all by an error.
    pub(crate) fn run<E>(
        &mut self,
        settings: &Settings,
        mut failed: impl FnMut(&Contender<'_>, Trouble) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = Instant::now();
        while !self.contenders.is_empty() && !self.is_enough(settings, start) {
            match self.block(settings, start) {
                Ok(()) => self.blocks += 1,
                Err((at, trouble)) => {
                    failed(&self.contenders[at], trouble)?;
                    self.leave_out(at);
                }
            }
        }
        Ok(())
    }

    fn is_enough(&self, settings: &Settings, start: Instant) -> bool {
        // One has to be over.
        self.blocks > 0
            && (start.elapsed() >= settings.at_most
                || (self.blocks >= settings.blocks && self.noise() <= settings.noise))
    }

    /// One block. Its number says who is first.
    ///
    /// # Errors
    ///
    /// With the number of the contender that did not do what it should.
    fn block(&mut self, settings: &Settings, start: Instant) -> Result<(), (usize, Trouble)> {
        let count = self.contenders.len();
        let there: Vec<usize> = (0..count).map(|place| (place + self.blocks) % count).collect();
        for contender in &mut self.contenders {
            contender.minima.push(f64::INFINITY);
        }
        for (turn, &at) in there.iter().chain(there.iter().rev()).enumerate() {
            // And back again: a drift of the machine favours nobody. Those who take too long for
            // that had one turn.
            if turn >= count && start.elapsed() >= settings.at_most {
                break;
            }
            self.contenders[at].take_turn(settings).map_err(|trouble| (at, trouble))?;
        }
        Ok(())
    }

    /// Goes on without one. What the block had until then is of no use.
    fn leave_out(&mut self, at: usize) {
        let is_base = |at: usize| self.has_base && (at == 0 || at + 1 == self.contenders.len());
        if is_base(at) {
            // It stands there twice.
            self.contenders.pop();
            self.contenders.remove(0);
            self.has_base = false;
        } else {
            self.contenders.remove(at);
        }
        for contender in &mut self.contenders {
            contender.minima.truncate(self.blocks);
        }
    }

    /// How the base compares with itself; without one, nothing is compared.
    fn noise(&self) -> f64 {
        self.results().next().and_then(|(_, ratio)| ratio).map_or(0.0, |ratio| ratio.noise)
    }

    /// Each contender with how it compares with the base.
    pub(crate) fn results(&self) -> impl Iterator<Item = (&Contender<'a>, Option<Ratio>)> {
        let base = if self.has_base { self.contenders.split_last() } else { None };
        let others = base.map_or(self.contenders.as_slice(), |(_, others)| others);
        others.iter().map(move |contender| {
            let ratio = base.map(|(control, others)| {
                ratio::ratio(&contender.minima, &others[0].minima, &control.minima)
            });
            (contender, ratio)
        })
    }
}

/// How many times the time of `base` the other takes, with the noise of the comparison: what `base`
/// against itself shows in the same run.
///
/// # Errors
///
/// If one does not do what it should.
pub fn compare(
    base: (&Bench, &Program),
    head: (&Bench, &Program),
    settings: &Settings,
) -> Result<Ratio, Faulty> {
    let [base, head] = [base, head].map(|(bench, program)| Contender::new(bench, program));
    let mut race = Race::new(Some(base), vec![head]);
    race.run(settings, |contender, trouble| {
        let bench = format!("{} by {}", contender.bench, contender.program.path.display());
        let fault = match contender.obstacle(trouble) {
            Obstacle::Fault(fault) => fault,
            Obstacle::Missing(gap) | Obstacle::NotHere(gap) => {
                Fault::Failed(Failure::Other(gap.why))
            }
        };
        Err(Faulty { bench, fault })
    })?;
    let (_, ratio) = race.results().nth(1).expect("both took part to the end");
    Ok(ratio.expect("there is a base"))
}
