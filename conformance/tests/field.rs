//! Holds the loops that people use besides calloop to the rules.

use std::process::ExitCode;

use conformance::runner::{self, built_in};

fn main() -> ExitCode {
    if let Some(code) = runner::serve_built_in() {
        return code;
    }
    runner::main_of_all(&built_in::field())
}
