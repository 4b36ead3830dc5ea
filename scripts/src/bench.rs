//! `suite bench`: what an event costs on each loop, as a multiple of the floor.

mod table;

use std::cell::Cell;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use benches::latency::{self as latencies, Settings as Slices};
use benches::{
    Bench as Benchmark, Meter, Outcome, Profile, Program, Progress, builtin, exact, quick,
};
use benches_field as field;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use reports::gaps::gaps;
use reports::machine::ProcessorTime;
use reports::record::{Measurement, Missing, Record};
use reports::store;
use signal_hook::consts::SIGINT;

use self::table::table;
use crate::{latency, targets};

/// What to measure.
#[derive(Args, Debug, Default)]
pub(crate) struct Bench {
    /// Only this workload or latency, with its size, a part of it or none, as ready/ready=100; may
    /// be repeated
    #[arg(long = "workload", value_name = "WORKLOAD")]
    workloads: Vec<String>,

    /// Only this loop or baseline, beside the floor; may be repeated. The loops of others (tokio,
    /// async-io, mio, and libuv, glib, libevent, libev, sd-event and libwayland where their
    /// libraries are) have to be named in a quick run
    #[arg(long = "engine", value_name = "ENGINE")]
    engines: Vec<String>,

    /// Only with this meter; may be repeated
    #[arg(long = "meter", value_name = "METER", value_parser = meter())]
    meters: Vec<Meter>,

    /// How much to measure: calloop-ref and calloop on some workloads, or everything on all
    /// loops, which takes long
    #[arg(long, value_name = "PROFILE", value_parser = profile(), default_value_t)]
    profile: Profile,

    /// Write the measurements as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn meter() -> impl TypedValueParser<Value = Meter> {
    let is_known = "it is one of the possible values";
    PossibleValuesParser::new(Meter::ALL.map(Meter::name))
        .map(move |name| name.parse().expect(is_known))
}

/// How long latencies are looked at.
fn slices(profile: Profile) -> Slices {
    match profile {
        Profile::Quick => Slices::default(),
        Profile::Full => {
            Slices { rounds: 8, slice: Duration::from_millis(400), ..Slices::default() }
        }
    }
}

fn profile() -> impl TypedValueParser<Value = Profile> {
    let is_known = "it is one of the possible values";
    PossibleValuesParser::new(Profile::ALL.map(Profile::name))
        .map(move |name| name.parse().expect(is_known))
}

/// The benchmarks of an engine, and perhaps of others.
pub(crate) fn of_engine(name: &str) -> Vec<Benchmark> {
    field::benches_of(name).unwrap_or_else(builtin)
}

/// The exit code of a run that was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// Whether the whole was measured.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// As far as it came before somebody interrupted it.
    Part,
    /// All but loops that did not do what a workload asks for.
    Faulty,
}

impl Bench {
    /// Measures, prints, and writes the file that is asked for.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if let Some(path) = &self.json {
            store::check_writable(path)?;
        }
        let mut record = Record::begin(env!("CARGO_PKG_VERSION"));
        let extent = self.measure(&mut record)?;
        if let Some(path) = &self.json {
            record.write(path)?;
        }
        Ok(match extent {
            Extent::Whole => ExitCode::SUCCESS,
            Extent::Part => INTERRUPTED.into(),
            Extent::Faulty => ExitCode::FAILURE,
        })
    }

    /// Adds the measurements to a record and prints them.
    pub(crate) fn measure(&self, record: &mut Record) -> Result<Extent> {
        let (scenarios, workloads) = latency::scenarios(&self.workloads);
        let wants_all = self.workloads.is_empty();
        let benches = if wants_all || !workloads.is_empty() {
            self.profile.select(
                [builtin(), field::benches()].concat(),
                &workloads,
                &self.engines,
            )?
        } else {
            Vec::new()
        };
        let probes = if wants_all || !scenarios.is_empty() {
            latency::probes(self.profile, &scenarios, &self.engines, !benches.is_empty())?
        } else {
            Vec::new()
        };
        let program = Program::this().context("where is this program?")?;
        let is_interrupted = interruption()?;
        let all = Meter::ALL.to_vec();
        let meters = if self.meters.is_empty() { &all } else { &self.meters };
        let mut extent = Extent::Whole;
        let before = ProcessorTime::now();
        for &meter in meters {
            let bar = Bar::new(meter);
            let progress = |progress: Progress<'_>| {
                bar.show(progress);
                match is_interrupted.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            };
            let outcome = match meter {
                Meter::Wall => quick(&benches, &self.profile.settings(), &program, progress),
                Meter::Latency => latencies::measure(&probes, &slices(self.profile), progress),
                _ => exact(&self.profile.with(meter, &benches), meter, &program, progress),
            };
            bar.clear();
            if add(record, outcome) == Extent::Faulty {
                extent = Extent::Faulty;
            }
            if is_interrupted.load(Ordering::Relaxed) {
                extent = Extent::Part;
                break;
            }
        }
        record.machine.stolen =
            before.and_then(|before| Some(ProcessorTime::now()?.stolen_since(&before)));
        print(record)?;
        if extent == Extent::Part {
            eprintln!("interrupted: what was measured until then is kept");
        }
        Ok(extent)
    }
}

/// Adds what a meter told to a record.
fn add(record: &mut Record, outcome: Outcome) -> Extent {
    let Outcome { measurements, latencies, missing, faulty, .. } = outcome;
    record.measurements.extend(measurements);
    record.latencies.extend(latencies);
    // Of a loop that is not here every meter says so.
    let is_news = |gap: &Missing| !record.missing.contains(gap);
    let news: Vec<Missing> = missing.into_iter().filter(is_news).collect();
    record.missing.extend(news);
    let extent = if faulty.is_empty() { Extent::Whole } else { Extent::Faulty };
    record.missing.extend(faulty.into_iter().map(|faulty| {
        eprintln!("error: {faulty}");
        Missing {
            what: faulty.bench,
            why: format!("it did not do what the workload asks for: {}", faulty.fault),
            mend: "a loop that keeps the rules, or a workload that is right".to_string(),
        }
    }));
    extent
}

/// Becomes true when somebody interrupts the run; who does so twice ends it.
pub(crate) fn interruption() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register_conditional_default(SIGINT, flag.clone())?;
    signal_hook::flag::register(SIGINT, flag.clone())?;
    Ok(flag)
}

/// How far a meter has come.
pub(crate) struct Bar {
    meter: Meter,
    bar: ProgressBar,
    /// What was shown last: latencies tell again and again how far they are.
    shown: Cell<Option<usize>>,
}

impl Bar {
    /// It does not tick: a second thread would make the system calls that are measured dearer.
    pub(crate) fn new(meter: Meter) -> Self {
        let bar = ProgressBar::new(0);
        let template = "{elapsed_precise} {bar:40} {pos}/{len} {msg}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is right"));
        Bar { meter, bar, shown: Cell::new(None) }
    }

    pub(crate) fn show(&self, Progress { what, done, total }: Progress<'_>) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(format!("{} of {what}", self.meter));
        if self.bar.is_hidden() && self.shown.replace(Some(done)) != Some(done) {
            eprintln!("{}: {}/{total} {what}", self.meter, done + 1);
        }
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// A table of workloads and engines for each meter.
fn print(record: &Record) -> Result<()> {
    let mut out = anstream::stdout().lock();
    for meter in Meter::ALL {
        let of_meter = record.measurements.iter().filter(|it| it.meter == meter.name());
        let measurements: Vec<Measurement> = of_meter.cloned().collect();
        if !measurements.is_empty() {
            let what = if meter == Meter::Wall { "medians" } else { "exact" };
            writeln!(out, "\n{meter}, {what}, and how many times the floor's")?;
            writeln!(out, "{}", table(&measurements))?;
        }
    }
    if !record.latencies.is_empty() {
        writeln!(out, "\n{}, microseconds from when an event was due", Meter::Latency)?;
        writeln!(out, "{}", latency::table(&record.latencies))?;
    }
    if let Some(targets) = targets::table(&record.measurements)? {
        writeln!(out, "\ncalloop-ref against its targets")?;
        writeln!(out, "{targets}")?;
    }
    for (what, Missing { why, mend, .. }) in gaps(&record.missing) {
        writeln!(out, "not measured: {}: {why}; {mend}", what.join(", "))?;
    }
    Ok(out.flush()?)
}
