//! `suite merge`: one record of several, such as the parts of a run that CI has split.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use conformance::runner;
use reports::record::Record;

/// What to merge.
#[derive(Args, Debug)]
pub(crate) struct Merge {
    /// The records: all parts of a run, or runs about different things
    #[arg(value_name = "RECORD", required = true)]
    records: Vec<PathBuf>,

    /// Write the record of them all
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the results as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Merge {
    /// Reads, merges, shows and writes; fails as the parts did.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let records = self.records.iter().map(|path| Record::read(path));
        let record = Record::merge(records.collect::<Result<_, _>>()?)?;
        let run = runner::show(record, self.json.as_deref(), self.junit.as_deref())?;
        Ok(ExitCode::from(u8::from(!run.is_as_expected())))
    }
}
