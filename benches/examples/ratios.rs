//! Prints the median that each built-in loop takes for each workload, over the floor's, and the same
//! ratio of the minima:
//! `cargo run --release -p benches --example ratios [WORKLOAD...]`.

#![allow(clippy::print_stdout, reason = "a table is what it is for")]

use std::error::Error;
use std::ops::ControlFlow;
use std::process::ExitCode;

use benches::{Profile, Program, Settings, builtin, quick, serve};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(code) = serve(&builtin()) {
        return Ok(code);
    }
    let workloads: Vec<String> = std::env::args().skip(1).collect();
    let benches = Profile::Quick.select(builtin(), &workloads, &[])?;
    let outcome = quick(&benches, &Settings::default(), &Program::this()?, |progress| {
        eprintln!("[{}/{}] {}", progress.done + 1, progress.total, progress.what);
        ControlFlow::Continue(())
    });
    println!("{:<60} {:>8} {:>9} {:>7}", "", "median", "/ floor", "minima");
    let mut floor = (f64::NAN, f64::NAN);
    for measurement in &outcome.measurements {
        let median = measurement.median().unwrap_or(f64::NAN);
        let minimum = measurement.minimum().unwrap_or(f64::NAN);
        if measurement.is_floor {
            floor = (median, minimum);
        }
        println!(
            "{:<12} {:<24} {:<16} {:>13.1} {:>9.2} {:>7.2}  {}/{}",
            measurement.workload,
            measurement.parameters,
            measurement.engine.name,
            median,
            median / floor.0,
            minimum / floor.1,
            measurement.unit,
            measurement.per,
        );
    }
    for faulty in &outcome.faulty {
        println!("faulty: {faulty}");
    }
    for missing in &outcome.missing {
        println!("not measured: {}: {} ({})", missing.what, missing.why, missing.mend);
    }
    Ok(ExitCode::SUCCESS)
}
