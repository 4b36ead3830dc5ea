//! `suite model`: programs made at random, for as long as somebody likes.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use conformance::runner::{self, Suite};
use indicatif::{ProgressBar, ProgressStyle};

/// How long, for which loop, and from where.
#[derive(Args, Debug)]
pub(crate) struct Model {
    /// The loop
    #[arg(long = "loop", value_name = "LOOP", default_value = "calloop-ref")]
    name: String,

    /// For so long, as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = time)]
    time: Duration,

    /// So many programs, however long that takes
    #[arg(long, value_name = "N", conflicts_with = "time")]
    programs: Option<u64>,

    /// The seed of the first program; those of the others follow
    #[arg(long, value_name = "NUMBER", default_value = "0", value_parser = runner::seed)]
    seed: u64,

    /// Multiply every time limit, for a slow or busy machine
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = runner::time_scale)]
    time_scale: f64,
}

/// How many programs a process performs.
const CHUNK: u64 = 250;

/// How often a line tells how far it is, where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Model {
    /// Performs programs until the time is over or one deviates.
    pub(crate) fn run(&self, suites: &[Suite]) -> Result<ExitCode> {
        let Some(suite) = suites.iter().find(|suite| suite.name() == self.name) else {
            let names: Vec<&str> = suites.iter().map(Suite::name).collect();
            eprintln!("error: no loop is called {}; there are {}", self.name, names.join(", "));
            return Ok(ExitCode::from(crate::WRONG_USAGE));
        };
        if let Some(absence) = suite.absence() {
            eprintln!("error: {absence}");
            return Ok(ExitCode::from(crate::COULD_NOT_RUN));
        }
        let start = Instant::now();
        let mut progress = Progress::new(start);
        let mut done = 0;
        loop {
            let seed = self.seed.wrapping_add(done);
            let left = self.programs.map_or(CHUNK, |programs| (programs - done).min(CHUNK));
            if left == 0 || (self.programs.is_none() && start.elapsed() >= self.time) {
                break;
            }
            progress.show(done, seed);
            match runner::perform(suite, seed, left, self.time_scale) {
                Ok(None) => done += left,
                Ok(Some(found)) => {
                    progress.bar.finish_and_clear();
                    let before = found.seed.wrapping_sub(self.seed);
                    return self.tell(&found, before);
                }
                Err(error) => {
                    progress.bar.finish_and_clear();
                    eprintln!("to go on: cargo suite model --loop {} --seed {seed}", self.name);
                    return Ok(error.exit());
                }
            }
        }
        progress.bar.finish_and_clear();
        let next = self.seed.wrapping_add(done);
        let elapsed = start.elapsed();
        let mut out = anstream::stdout().lock();
        writeln!(
            out,
            "{}: {done} programs in {elapsed:.1?}, each as the model permits",
            self.name
        )?;
        writeln!(out, "to go on: cargo suite model --loop {} --seed {next}", self.name)?;
        out.flush().context("cannot write to the standard output")?;
        Ok(ExitCode::SUCCESS)
    }

    fn tell(&self, found: &runner::Found, before: u64) -> Result<ExitCode> {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{}: a program deviates, after {before} that do not:\n", self.name)?;
        writeln!(out, "{}", found.text)?;
        let seed = found.seed;
        writeln!(
            out,
            "to repeat: cargo suite model --loop {} --programs 1 --seed {seed}",
            self.name
        )?;
        out.flush().context("cannot write to the standard output")?;
        Ok(ExitCode::FAILURE)
    }
}

struct Progress {
    bar: ProgressBar,
    start: Instant,
    told: Instant,
}

impl Progress {
    fn new(start: Instant) -> Self {
        let bar = ProgressBar::new_spinner();
        let template = "{elapsed_precise} {spinner} {pos} programs, at seed {msg}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is right"));
        Progress { bar, start, told: start }
    }

    fn show(&mut self, done: u64, seed: u64) {
        self.bar.set_position(done);
        self.bar.set_message(seed.to_string());
        if !std::io::stderr().is_terminal() && self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            eprintln!("{:.0?}: {done} programs, at seed {seed}", self.start.elapsed());
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let parse = |(unit, seconds): &(&str, u64)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*seconds).map(Duration::from_secs)
    };
    units.iter().find_map(parse).ok_or_else(|| "a number and a unit are needed, as 10m".into())
}
