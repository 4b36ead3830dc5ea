//! `suite report`: the page that shows a record, and its summary.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use reports::html;
use reports::record::Record;
use reports::{markdown, store};

use crate::kill_table;

/// What to show, and where.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// The record, as `suite` writes it
    #[arg(value_name = "RECORD", default_value = "target/suite/record.json")]
    record: PathBuf,

    /// Where to write the page
    #[arg(long, value_name = "FILE", default_value = "target/suite/index.html")]
    html: PathBuf,

    /// Write a summary as Markdown, too, for a CI job: the file in GITHUB_STEP_SUMMARY
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

impl Report {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut record = Record::read(&self.record)?;
        if record.kill_table.is_none() {
            record.kill_table = Some(kill_table::committed()?);
        }
        write_page(&record, &self.html)?;
        if let Some(path) = &self.markdown {
            store::write_whole(path, markdown::summary(&record).as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the page for a record and says where it is.
pub(crate) fn write_page(record: &Record, path: &Path) -> Result<()> {
    store::write_whole(path, html::page(record).as_bytes())?;
    println!("The report is {}", path.display());
    Ok(())
}
