//! Holds `calloop-ref` to the rules.

use std::process::ExitCode;

use conformance::runner::built_in;

fn main() -> ExitCode {
    conformance::main_of(built_in::calloop_ref())
}
