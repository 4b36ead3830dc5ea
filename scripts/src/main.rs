//! `suite`: the command that drives everything.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a command prints")]

mod api;
mod ci;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Callback event loops, measured and held to a specification.
#[derive(Debug, Parser)]
#[command(name = "suite", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare the public interface of calloop-ref with calloop's
    Api,
    /// Run every check of the project, as CI does
    Ci(ci::Ci),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Api => api::run().map(|()| ExitCode::SUCCESS),
        Command::Ci(ci) => ci.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
