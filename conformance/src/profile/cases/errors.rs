//! The errors of the loop.

use std::error::Error as StdError;
use std::io;

use super::calloop::{Error, InsertError, PostAction};
use super::fixture::Fixture;
use super::sources::{Puppet, answering, torn_string};
use crate::rule::{Case, Check, Deviation, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&CONVERTED, converted),
        Case::plain(&CAUSES, causes),
        Case::plain(&INSERT_ERROR, insert_error),
    ]
}

const CONVERTED: Rule = Rule {
    id: "ERR-01",
    level: Level::Must,
    sentence: "`Error` MUST convert to `io::Error`: `IoError` to the one inside, `InvalidToken` to \
               kind `InvalidInput`, `OtherError` to kind `Other` with its error inside.",
    why: "Programs whose functions return io::Error pass on what went wrong.",
    source: "calloop, documentation of Error",
    check: "what of the error is lost in the conversion",
    needs: &[],
    alone: false,
};

fn converted(_: &Trial) -> Check {
    let kind = |error: Error| io::Error::from(error).kind();
    ensure_eq!(kind(torn_string().into()), torn_string().kind(), "kind of IoError");
    ensure_eq!(kind(Error::InvalidToken), io::ErrorKind::InvalidInput, "kind of InvalidToken");
    let other = io::Error::from(Error::OtherError("torn".into()));
    ensure_eq!(other.kind(), io::ErrorKind::Other, "kind of OtherError");
    let text = other.to_string();
    ensure!(text.contains("torn"), "the text of the error inside OtherError", "{text}");
    Ok(())
}

const CAUSES: Rule = Rule {
    id: "ERR-51",
    level: Level::Must,
    sentence: "The `source` of an `Error` and of an `InsertError` MUST lead to the error that caused \
               it.",
    why: "Reports of errors print the chain of causes.",
    source: "std::error::Error::source; calloop, documentation of Error and InsertError",
    check: "what `source` returns for each variant",
    needs: &[],
    alone: false,
};

fn causes(t: &Trial) -> Check {
    let end_of_chain = |error: &dyn StdError| {
        let chain = std::iter::successors(error.source(), |error| StdError::source(*error));
        chain.last().map(ToString::to_string)
    };
    let expected = Some(torn_string().to_string());
    ensure_eq!(end_of_chain(&Error::IoError(torn_string())), expected, "cause of IoError");
    let other = Error::OtherError(torn_string().into());
    ensure_eq!(end_of_chain(&other), expected, "cause of OtherError");
    ensure_eq!(end_of_chain(&Error::InvalidToken), None, "cause of InvalidToken");
    let f = Fixture::new(t)?;
    ensure_eq!(end_of_chain(&failed_insertion(&f)?), expected, "cause of InsertError");
    Ok(())
}

fn failed_insertion(f: &Fixture) -> Result<InsertError<Puppet<false>>, Deviation> {
    let (puppet, strings) = Puppet::new("puppet", f)?;
    strings.failing.set(Some("register"));
    match f.handle.insert_source(puppet, answering(PostAction::Continue)) {
        Err(error) => Ok(error),
        Ok(_) => Err(Deviation::new("an InsertError", "Ok")),
    }
}

const INSERT_ERROR: Rule = Rule {
    id: "ERR-02",
    level: Level::Must,
    sentence: "An `InsertError` MUST be printable whatever its source is, and convert to the `Error` \
               inside, which drops the source.",
    why: "`insert_source(..)?` is how most sources are inserted, and most cannot be printed.",
    source: "calloop, documentation of InsertError",
    check: "the bounds of its Debug, Display and From",
    needs: &[],
    alone: false,
};

fn insert_error(t: &Trial) -> Check {
    let f = Fixture::new(t)?;
    let error = failed_insertion(&f)?;
    for text in [format!("{error}"), format!("{error:?}")] {
        ensure!(text.contains("torn"), "a text that tells the cause", "{text}");
    }
    let error = Error::from(error);
    ensure!(matches!(error, Error::IoError(_)), "the IoError inside", "{error:?}");
    f.expect_registrations(["puppet.register", "puppet.drop"])
}
