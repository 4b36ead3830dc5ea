//! Errors of the loop: what an operation on it can answer besides success.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// A result whose error is the loop's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong in an operation on the loop.
#[derive(Debug)]
pub enum Error {
    /// The token names no source of this loop: it was removed, or belongs to another loop.
    InvalidToken,
    /// The operating system refused a request of the loop.
    IoError(io::Error),
    /// A source failed while it processed its events; the source's own error is inside.
    OtherError(Box<dyn StdError + Sync + Send>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidToken => f.write_str("the token names no source of this event loop"),
            Error::IoError(error) => write!(f, "the operating system refused: {error}"),
            Error::OtherError(error) => write!(f, "an event source failed: {error}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::InvalidToken => None,
            Error::IoError(error) => Some(error),
            Error::OtherError(error) => Some(&**error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::IoError(error)
    }
}

impl From<Box<dyn StdError + Sync + Send>> for Error {
    fn from(error: Box<dyn StdError + Sync + Send>) -> Self {
        Error::OtherError(error)
    }
}

impl From<Error> for io::Error {
    /// An [`Error::IoError`] is handed back as it was; the others keep their text and cause.
    fn from(error: Error) -> Self {
        match error {
            Error::IoError(error) => error,
            Error::InvalidToken => io::Error::new(io::ErrorKind::InvalidInput, error.to_string()),
            Error::OtherError(error) => io::Error::other(error),
        }
    }
}

/// A source that could not be inserted, and why.
///
/// The source comes back in [`inserted`](Self::inserted), so that a failed insertion loses
/// nothing. Converting into [`Error`] drops it.
pub struct InsertError<T> {
    /// The source that is not in the loop.
    pub inserted: T,
    /// Why its registration failed.
    pub error: Error,
}

impl<T> fmt::Debug for InsertError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsertError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for InsertError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot insert the event source: {}", self.error)
    }
}

impl<T> StdError for InsertError<T> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}

impl<T> From<InsertError<T>> for Error {
    fn from(error: InsertError<T>) -> Error {
        error.error
    }
}

/// Defines the opaque error of a built-in source: a wrapper that keeps its cause.
macro_rules! source_error {
    ($(#[$doc:meta])* $name:ident, $text:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Box<dyn std::error::Error + Sync + Send>);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($text, ": {}"), self.0)
            }
        }

        impl std::error::Error for $name {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&*self.0)
            }
        }
    };
}
pub(crate) use source_error;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_into_io_error_keeps_kind_and_text() {
        let io: io::Error = Error::from(io::Error::from(io::ErrorKind::AlreadyExists)).into();
        assert_eq!(io.kind(), io::ErrorKind::AlreadyExists);
        let io: io::Error = Error::InvalidToken.into();
        assert_eq!(io.kind(), io::ErrorKind::InvalidInput);
        let io: io::Error = Error::OtherError("torn cable".into()).into();
        assert_eq!(io.kind(), io::ErrorKind::Other);
        assert!(io.to_string().contains("torn cable"));
    }

    #[test]
    fn causes_chain() {
        let error =
            InsertError { inserted: (), error: Error::IoError(io::Error::other("no more fds")) };
        let loop_error = error.source().expect("an insertion fails for a reason");
        assert!(loop_error.source().expect("and that has a cause").to_string().contains("no more"));
    }
}
