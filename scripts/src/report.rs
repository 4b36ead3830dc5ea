//! `suite report`: the page that shows a record.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use reports::html;
use reports::record::Record;
use reports::store;

/// What to show, and where.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// The record, as `suite` writes it
    #[arg(value_name = "RECORD", default_value = "target/suite/record.json")]
    record: PathBuf,

    /// Where to write the page
    #[arg(long, value_name = "FILE", default_value = "target/suite/index.html")]
    html: PathBuf,
}

impl Report {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        write_page(&Record::read(&self.record)?, &self.html)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the page for a record and says where it is.
pub(crate) fn write_page(record: &Record, path: &Path) -> Result<()> {
    store::write_whole(path, html::page(record).as_bytes())?;
    println!("The report is {}", path.display());
    Ok(())
}
