//! The main function of a test with `harness = false`, called in the manner of libtest by
//! `cargo test` and cargo-nextest.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{Parser, ValueEnum};

use super::{EXIT_CODES, Error, Options, Suite, execute, listed, serve};
use crate::adapter::Adapter;

/// Holds a loop to the rules of a callback event loop.
#[derive(Debug, Parser)]
#[command(about, after_help = EXIT_CODES, disable_version_flag = true, args_override_self = true)]
struct Arguments {
    #[command(flatten)]
    options: Options,

    /// How to print: `terse` lists in the way that cargo-nextest reads
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    format: Format,

    /// Whether to use colours
    #[arg(long, alias = "colour", value_enum, default_value_t = Color::Auto)]
    color: Color,

    // What libtest has, too, and what has no meaning here.
    #[arg(long, hide = true)]
    test: bool,
    #[arg(long, hide = true)]
    show_output: bool,
    #[arg(long, short, hide = true)]
    quiet: bool,
    #[arg(short = 'Z', hide = true)]
    unstable: Vec<String>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Pretty,
    Terse,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Holds a loop to the rules: the whole of a test with `harness = false`.
pub fn main<A: Adapter>() -> ExitCode {
    main_of(Suite::of::<A>())
}

/// The same with further rules or an expectation file.
pub fn main_of(suite: Suite) -> ExitCode {
    main_of_all(&[suite])
}

/// The same for several loops, side by side.
pub fn main_of_all(suites: &[Suite]) -> ExitCode {
    if let Some(code) = serve(suites) {
        return code;
    }
    let Arguments { mut options, format, color, .. } = Arguments::parse();
    match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
    .write_global();
    // `cargo test NAME` asks every test of a workspace for NAME.
    options.lenient = true;
    if options.list && format == Format::Terse {
        return match list_terse(suites, &options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => error.exit(),
        };
    }
    execute(suites, &options, &command())
}

/// Lists rules as libtest lists tests; those that the loop's capabilities leave out are its ignored
/// tests.
fn list_terse(suites: &[Suite], options: &Options) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    for case in listed(suites, options)? {
        writeln!(out, "{}: test", case.rule.id).map_err(Error::output)?;
    }
    out.flush().map_err(Error::output)
}

/// What a user types to get here, up to the options: through cargo, if that started this program.
fn command() -> String {
    let program = std::env::args_os().next().unwrap_or_default().to_string_lossy().into_owned();
    let Ok(package) = std::env::var("CARGO_PKG_NAME") else { return program };
    // Cargo adds a hash to the name of the test.
    let stem = Path::new(&program).file_stem().and_then(|stem| stem.to_str()).unwrap_or(&program);
    let test = stem.rsplit_once('-').map_or(stem, |(test, _)| test);
    format!("cargo test -p {package} --test {test} --")
}
