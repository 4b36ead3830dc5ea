//! Holds calloop 0.13 to the rules, but for its known deviations.

use std::process::ExitCode;

use conformance::runner::built_in;

fn main() -> ExitCode {
    conformance::main_of(built_in::calloop_0_13())
}
