//! Prints what each built-in loop takes for each workload, and how often that is the floor's time:
//! `cargo run --release -p benches --example ratios [WORKLOAD...]`.

#![allow(clippy::print_stdout, reason = "a table is what it is for")]

use std::error::Error;

use benches::{Settings, builtin, quick, select};

fn main() -> Result<(), Box<dyn Error>> {
    let workloads: Vec<String> = std::env::args().skip(1).collect();
    let benches = select(builtin(), &workloads, &[])?;
    let outcome = quick(&benches, &Settings::default(), |progress| {
        eprintln!("[{}/{}] {}", progress.done + 1, progress.total, progress.workload);
    })?;
    let mut floor = f64::NAN;
    for measurement in &outcome.measurements {
        let median = measurement.median().unwrap_or(f64::NAN);
        if measurement.is_floor {
            floor = median;
        }
        println!(
            "{:<12} {:<24} {:<16} {median:>10.1} {}/{:<10} {:>7.2}",
            measurement.workload,
            measurement.parameters,
            measurement.engine.name,
            measurement.unit,
            measurement.per,
            median / floor,
        );
    }
    for missing in &outcome.missing {
        println!("not measured: {}: {} ({})", missing.what, missing.why, missing.mend);
    }
    Ok(())
}
