//! What can be asked of a run, as options of a command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Command, FromArgMatches};
use reports::record::Shard;

use crate::rule::{Level, Settings};

/// What to run, how, and what to write. `Options::default()` is what no option at all asks for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Rules to run: an id, a part of one, or a pattern such as 'TIMER-*'; without any, all rules
    #[arg(value_name = "RULE")]
    pub rules: Vec<String>,

    /// Take RULE as a whole id, not as a part of one
    #[arg(long)]
    pub exact: bool,

    /// Leave these rules out
    #[arg(long, value_name = "RULE")]
    pub skip: Vec<String>,

    /// Only the rules of this group, such as TIMER; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,

    /// Only the rules of this level: must, should or may; may be repeated
    #[arg(long = "level", value_name = "LEVEL", value_parser = level)]
    pub levels: Vec<Level>,

    /// Only this loop, or all that are here; may be repeated
    #[arg(long = "loop", value_name = "LOOP")]
    pub loops: Vec<String>,

    /// Only every N-th rule, starting with the I-th: the N parts of a run make the whole
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,

    /// Only the rules that the loop's capabilities leave out, run all the same
    #[arg(long)]
    pub ignored: bool,

    /// Also the rules that the loop's capabilities leave out, run all the same
    #[arg(long)]
    pub include_ignored: bool,

    /// List the rules and run none
    #[arg(long)]
    pub list: bool,

    /// Print the rules in full, as SPEC.md has them, and run none
    #[arg(long, conflicts_with = "list")]
    pub spec: bool,

    /// Run each rule so often, with other random numbers, until one run is not as expected
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,

    /// Where random numbers start from
    #[arg(long, value_name = "NUMBER", default_value_t = Settings::default().seed, value_parser = seed)]
    pub seed: u64,

    /// Multiply every time limit, for a slow or busy machine
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = time_scale)]
    pub time_scale: f64,

    /// Run so many rules at a time; without it, one for each processor
    #[arg(long, value_name = "N", alias = "test-threads")]
    pub jobs: Option<NonZeroUsize>,

    /// Let the rules print as they like instead of showing it with a failure
    #[arg(long, alias = "no-capture")]
    pub nocapture: bool,

    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write the results as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// The file of known deviations, in place of the loop's own
    #[arg(long, value_name = "FILE")]
    pub expectations: Option<PathBuf>,

    /// Rewrite the file of known deviations so that it says what came of this run
    #[arg(long, conflicts_with_all = ["repeat", "ignored", "include_ignored"])]
    pub update_expectations: bool,

    /// Whether a RULE that no loop has is no mistake: `cargo test NAME` asks every test for NAME.
    #[arg(skip)]
    pub lenient: bool,
}

impl Default for Options {
    fn default() -> Self {
        let matches =
            Options::augment_args(Command::new("defaults")).get_matches_from(["defaults"]);
        Options::from_arg_matches(&matches).expect("no option is required")
    }
}

/// Which part of a run, as `2/5`.
fn shard(text: &str) -> Result<Shard, String> {
    let numbers = text.split_once('/').map(|(part, parts)| (part.parse(), parts.parse()));
    match numbers {
        Some((Ok(part), Ok(parts))) if (1..=parts).contains(&part) => Ok(Shard { part, parts }),
        _ => Err("two numbers are needed, as 2/5 for the second of five parts".into()),
    }
}

fn level(text: &str) -> Result<Level, String> {
    let levels = [Level::Must, Level::Should, Level::May];
    let level = levels.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(text));
    level.ok_or_else(|| "the levels are must, should and may".into())
}

/// Reads a seed: a number, in hexadecimal after 0x.
///
/// # Errors
///
/// If it is none.
pub fn seed(text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|error| error.to_string())
}

/// A factor of more than this is a slip of the keyboard.
const TIME_SCALE_MAX: f64 = 1000.0;

/// Reads a factor for time limits.
///
/// # Errors
///
/// If it is no number, or none that makes sense.
pub fn time_scale(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if factor > 0.0 && factor <= TIME_SCALE_MAX {
        Ok(factor)
    } else {
        Err(format!("it has to be more than 0 and at most {TIME_SCALE_MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "1", "0/3", "4/3", "1/0", "a/b", "1/3/5", "-1/3"] {
            assert!(shard(text).is_err(), "{text}");
        }
        for text in ["", "0", "-1", "nan", "inf", "1e9"] {
            assert!(time_scale(text).is_err(), "{text}");
        }
        assert!(seed("0x").is_err() && seed("-1").is_err() && seed("").is_err());
        assert_eq!(seed("0xff"), Ok(255));
    }

    #[test]
    fn the_defaults_are_those_of_the_command_line() {
        let options = Options::default();
        assert_eq!((options.repeat, options.time_scale), (1, 1.0));
        assert_eq!(options.seed, Settings::default().seed);
    }
}
