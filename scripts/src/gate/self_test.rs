//! What the gate finds: this program against itself, with known burdens and with none.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use benches::burden::Burden;
use benches::{Bench, Meter, Program, builtin, select};
use comfy_table::{CellAlignment, Table, presets};
use reports::gate::{Budgets, Finding, Judgement};

use super::sides::Sides;

/// What is burdened: of each kind of event a workload.
const WORKLOADS: [&str; 6] =
    ["empty", "ping", "ready/ready=10", "channel/burst=8", "timer-repeat", "idle"];

const EXACT: [Meter; 3] = [Meter::Instructions, Meter::SystemCalls, Meter::Allocations];

const LOOP: &str = "calloop-ref";

/// The limit for times that is tried, and what is promised of it.
const WALL: f64 = 0.05;

/// How a burden was judged.
#[derive(Default)]
struct Row {
    added: String,
    meter: String,
    regressed: usize,
    inconclusive: usize,
    improved: usize,
    ok: usize,
}

impl Row {
    fn new(added: impl ToString, meter: Meter) -> Self {
        Row { added: added.to_string(), meter: meter.to_string(), ..Row::default() }
    }

    fn add(&mut self, finding: &Finding) {
        match finding.judgement {
            Judgement::Regressed => self.regressed += 1,
            Judgement::Inconclusive => self.inconclusive += 1,
            Judgement::Improved => self.improved += 1,
            Judgement::Ok => self.ok += 1,
        }
    }

    fn trials(&self) -> usize {
        self.regressed + self.inconclusive + self.improved + self.ok
    }
}

/// Tries every burden and prints how it was judged.
pub(super) fn run(trials: usize) -> Result<ExitCode> {
    let benches = select(builtin(), &WORKLOADS, &[LOOP])?;
    // Of each workload the size that is named, or the one without.
    let is_meant =
        |bench: &Bench| !bench.is_floor() && WORKLOADS.contains(&bench.spec.id().as_str());
    let benches: Vec<Bench> = benches.into_iter().filter(is_meant).collect();
    let mut rows = Vec::new();
    let mut broken = Vec::new();
    exact(&benches, &mut rows, &mut broken)?;
    clock(&benches, trials, &mut rows, &mut broken)?;
    print(&rows, &broken)?;
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// This program with nothing added, and with this.
fn sides(burden: Burden) -> Result<Sides> {
    let program = Program::this().context("where is this program?")?;
    // More work comes by the hundred operations, and is compared with as many of them.
    let nothing = match burden {
        Burden::Work { .. } => Burden::Work { percent: 0 },
        _ => Burden::None,
    };
    Ok(Sides {
        base: Program { burden: nothing, ..program.clone() },
        head: Program { burden, ..program },
        budgets: Budgets::default(),
        wall: WALL,
    })
}

fn exact(benches: &[Bench], rows: &mut Vec<Row>, broken: &mut Vec<String>) -> Result<()> {
    let of = |percent| (Burden::Work { percent }, Some(Meter::Instructions));
    let burdens = [
        (Burden::None, None),
        of(1),
        of(2),
        of(5),
        of(10),
        (Burden::SystemCall, Some(Meter::SystemCalls)),
        (Burden::Allocation, Some(Meter::Allocations)),
    ];
    for (burden, shown_by) in burdens {
        let sides = sides(burden)?;
        for meter in EXACT {
            let mut row = Row::new(burden, meter);
            let findings = sides.counts(benches, meter)?;
            findings.iter().for_each(|finding| row.add(finding));
            let is_shown = shown_by == Some(meter);
            // Whatever is added takes instructions; more of the same work is more of everything.
            let is_part = burden != Burden::None
                && (meter == Meter::Instructions || matches!(burden, Burden::Work { .. }));
            if row.inconclusive == row.trials() {
                // The machine cannot tell, which the table shows.
            } else if is_shown && row.regressed < row.trials() {
                broken.push(format!("{burden} was not always found by {meter}"));
            } else if !is_shown && !is_part && row.ok < row.trials() {
                broken.push(format!("{meter} was blamed with {burden}"));
            }
            if is_shown || !is_part {
                rows.push(row);
            }
        }
    }
    Ok(())
}

fn clock(
    benches: &[Bench],
    trials: usize,
    rows: &mut Vec<Row>,
    broken: &mut Vec<String>,
) -> Result<()> {
    // The first is what the other figures are worth: how often nothing is blamed.
    for (percent, times) in [(0, 4 * trials), (1, trials), (2, trials), (5, trials), (10, trials)] {
        let burden = Burden::Work { percent };
        let sides = sides(burden)?;
        let mut row = Row::new(burden, Meter::Wall);
        for (number, bench) in benches.iter().cycle().take(times).enumerate() {
            let finding = sides.time(bench)?;
            let Finding { judgement, why, .. } = &finding;
            eprintln!("{burden} on {bench}, {} of {times}: {judgement}, {why}", number + 1);
            row.add(&finding);
        }
        let missed = times - row.regressed;
        if percent == 0 && row.regressed * 40 > times {
            broken
                .push(format!("of {times} times nothing was added, {} were blamed", row.regressed));
        }
        if percent == 10 && missed * 10 > times {
            broken.push(format!("of {times} times 10 % were added, {missed} were not found"));
        }
        // What is not found is not called as before either.
        if percent > 0 && row.ok * 10 > times {
            broken.push(format!("of {times} times {percent} % were added, {} were ok", row.ok));
        }
        rows.push(row);
    }
    Ok(())
}

fn print(rows: &[Row], broken: &[String]) -> Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["added", "meter", "trials", "regressed", "inconclusive", "improved", "ok"]);
    for row in rows {
        let Row { added, meter, regressed, inconclusive, improved, ok } = row;
        let counts = [row.trials(), *regressed, *inconclusive, *improved, *ok];
        let counts = counts.map(|count| count.to_string());
        table.add_row([added.clone(), meter.clone()].into_iter().chain(counts));
    }
    for column in 2..7 {
        let column = table.column_mut(column).expect("the table has these columns");
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "{table}")?;
    for complaint in broken {
        writeln!(out, "broken promise: {complaint}")?;
    }
    Ok(out.flush()?)
}
