//! Why a run did not come to a result.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use reports::store::StoreError;

/// What the exit codes mean, for the help of a program.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  everything is as expected
    1  a loop deviates from a rule, or from its expectation file
    2  wrong usage: an option, the name of a rule or loop, an expectation file
    3  the run could not be carried out or its results not be written
  130  interrupted; nothing was written";

/// Why a run did not come to a result.
#[derive(Debug)]
pub enum Error {
    /// What was asked for makes no sense.
    Usage(String),
    /// The machine stood in the way.
    CouldNotRun(String),
    /// Somebody ended it by a signal. No process of it is left, and nothing was written.
    Interrupted,
}

impl Error {
    /// What a program ends with because of it, see [`EXIT_CODES`].
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Error::Usage(_) => 2,
            Error::CouldNotRun(_) => 3,
            Error::Interrupted => 130,
        })
    }

    /// Shows it, and says what to exit with.
    pub fn exit(&self) -> ExitCode {
        // If even that cannot be shown, the exit code still tells.
        let _ = writeln!(anstream::stderr(), "error: {self}");
        self.exit_code()
    }

    /// Results could not be shown.
    pub(super) fn output(error: io::Error) -> Self {
        Error::CouldNotRun(format!("cannot write to the standard output: {error}"))
    }

    /// A system call failed that the runner needs.
    pub(super) fn system(what: &str, error: impl Into<io::Error>) -> Self {
        Error::CouldNotRun(format!("could not {what}: {}", error.into()))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::CouldNotRun(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) | Error::CouldNotRun(text) => f.write_str(text),
            Error::Interrupted => f.write_str("interrupted; nothing was written"),
        }
    }
}

impl std::error::Error for Error {}
