//! Records and pages as files: read with clear errors, written whole or not at all.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::record::{Record, SCHEMA};

/// Why a file could not be read or written; its text names the file and the mend.
#[derive(Debug)]
pub struct StoreError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Read(io::Error),
    Write(io::Error),
    Enormous(u64),
    NotJson(serde_json::Error),
    NotARecord,
    Schema(u64),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            Problem::Read(error) => write!(f, "cannot read {path}: {error}"),
            Problem::Write(error) => write!(f, "cannot write {path}: {error}"),
            Problem::Enormous(size) => write!(
                f,
                "{path} has {} MiB, and no record of the suite has more than {}: is it one?",
                size >> 20,
                SIZE_MAX >> 20
            ),
            Problem::NotJson(error) => {
                write!(f, "{path} is not a whole record: {error}; make it anew with `suite`")
            }
            Problem::NotARecord => {
                write!(f, "{path} is JSON, but not a record of the suite: it has no `schema`")
            }
            Problem::Schema(found) => write!(
                f,
                "{path} has schema {found}, and this suite reads up to {SCHEMA}: use the suite \
                 that wrote it, or a newer one"
            ),
        }
    }
}

/// Its text has the cause already, so that there is no source to be shown beside it.
impl std::error::Error for StoreError {}

/// The largest file that is taken for a record. It is read as a whole, which takes some times as
/// much memory; a full run has a few million bytes.
const SIZE_MAX: u64 = 256 << 20;

/// Writes a file whole: under another name first, then renamed. What was there stays if it fails.
/// A device or a pipe is written to and not replaced.
///
/// # Errors
///
/// If the directory cannot be made or the file not written.
pub fn write_whole(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let write = || -> io::Result<()> {
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return OpenOptions::new().write(true).open(path)?.write_all(contents);
        }
        let mut file = temporary(path)?;
        file.write_all(contents)?;
        file.as_file().sync_all()?;
        // A symbolic link stays, and what it leads to is replaced.
        file.persist(fs::canonicalize(path).unwrap_or_else(|_| path.into()))?;
        Ok(())
    };
    write().map_err(|error| StoreError { path: path.into(), problem: Problem::Write(error) })
}

/// Fails if a file cannot be written, so that a long run need not be wasted on it.
///
/// # Errors
///
/// As [`write_whole`], but for a device or a pipe, which may take a write only once.
pub fn check_writable(path: &Path) -> Result<(), StoreError> {
    let outcome = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => Ok(()),
        _ => temporary(path).map(drop),
    };
    outcome.map_err(|error| StoreError { path: path.into(), problem: Problem::Write(error) })
}

/// A file beside the real one, with the permissions that any new file gets.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no record, or has a newer schema.
    pub fn read(path: &Path) -> Result<Record, StoreError> {
        let fail = |problem| StoreError { path: path.into(), problem };
        let size = fs::metadata(path).map_err(|error| fail(Problem::Read(error)))?.len();
        if size > SIZE_MAX {
            return Err(fail(Problem::Enormous(size)));
        }
        let text = fs::read(path).map_err(|error| fail(Problem::Read(error)))?;
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| fail(Problem::NotJson(error)))?;
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            None => Err(fail(Problem::NotARecord)),
            Some(schema) if schema > u64::from(SCHEMA) => Err(fail(Problem::Schema(schema))),
            Some(_) => serde_json::from_value(value).map_err(|error| fail(Problem::NotJson(error))),
        }
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec_pretty(self).expect("a record has only text keys");
        text.push(b'\n');
        write_whole(path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/record.json");
        let record = Record { schema: SCHEMA, suite: "0.1.0".into(), ..Record::default() };
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
    }

    #[test]
    fn what_is_no_record_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        let refusal = |text: &str| {
            fs::write(&path, text).unwrap();
            Record::read(&path).unwrap_err().to_string()
        };
        for (text, expected) in [
            ("", "not a whole record"),
            ("{\"schema\": 1, \"suite\": ", "not a whole record"),
            ("{\"schema\": 1}", "not a whole record"),
            ("[]", "has no `schema`"),
            ("{\"schema\": 999}", "has schema 999"),
        ] {
            let message = refusal(text);
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("record.json"), "{message}");
        }
        fs::File::create(&path).unwrap().set_len(SIZE_MAX + 1).unwrap();
        let enormous = Record::read(&path).unwrap_err().to_string();
        assert!(enormous.contains("record.json has 256 MiB"), "{enormous}");
        let gone = Record::read(&directory.path().join("gone")).unwrap_err().to_string();
        assert!(gone.contains("cannot read"), "{gone}");
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("record.json");
        fs::write(&file, "old").unwrap();
        let under_a_file = file.join("record.json");
        assert!(write_whole(&under_a_file, b"new").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert!(check_writable(&under_a_file).is_err());
        assert!(check_writable(directory.path()).is_err());
        check_writable(&file).unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no temporary file is left");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_named() {
        let full = write_whole(Path::new("/dev/full"), b"new").unwrap_err().to_string();
        assert!(full.starts_with("cannot write /dev/full: No space left"), "{full}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        fs::write(&file, "old").unwrap();
        write_whole(&link, b"new").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }
}
