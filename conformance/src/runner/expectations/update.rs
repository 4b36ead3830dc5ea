//! Rewriting an expectation file after a run, with its reasons and comments kept.

use std::fmt;
use std::path::PathBuf;

use reports::record::{Outcome, RuleResult};
use semver::VersionReq;
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

use super::{Expectations, Kind, UNEXPLAINED, When, numbers};
use crate::runner::Error;

/// A rewritten expectation file and how it differs from the old one.
#[derive(Debug)]
pub(in crate::runner) struct Update {
    pub(in crate::runner) path: PathBuf,
    pub(in crate::runner) text: String,
    added: usize,
    changed: usize,
    removed: usize,
}

/// What has to become of an entry.
enum Fate {
    Keep,
    Change(Kind),
    Remove,
}

impl Expectations {
    /// The file as it has to be after these results. Entries of rules that were not run, or that
    /// apply elsewhere, stay; those of rules that `is_known` does not know go.
    pub(in crate::runner) fn updated(
        &self,
        results: &[RuleResult],
        is_known: impl Fn(&str) -> bool,
    ) -> Result<Update, Error> {
        let refuse = |what: &str| Error::Usage(format!("{}: {what}", self.path.display()));
        let mut document: DocumentMut =
            self.text.parse().map_err(|error| refuse(&format!("{error}")))?;
        // Without entries, a comment is the trailer of the document; it is to stay at the top.
        let mut detached = String::new();
        if document.is_empty() {
            detached = document.trailing().as_str().unwrap_or_default().to_string();
            document.set_trailing("");
        }
        let entries = document.entry("deviation").or_insert(ArrayOfTables::new().into());
        let entries = entries.as_array_of_tables_mut().ok_or_else(|| {
            refuse("only entries that are written as [[deviation]] can be updated")
        })?;

        let path = self.path.clone();
        let mut update = Update { path, text: String::new(), added: 0, changed: 0, removed: 0 };
        update
            .revise(entries, &mut detached, |entry| fate(entry, results, &self.version, &is_known));
        for result in results {
            let Some(kind) = Kind::of(&result.outcome) else { continue };
            if self.of(&result.id).is_none() {
                let mut entry = new_entry(&result.id, kind, &self.version, entries);
                put_before(&mut entry, &std::mem::take(&mut detached));
                entries.push(entry);
                update.added += 1;
            }
        }
        let trailing = document.trailing().as_str().unwrap_or_default();
        document.set_trailing(format!("{detached}{trailing}"));
        update.text = document.to_string();
        Ok(update)
    }
}

impl Update {
    /// Whether the file has to be written.
    pub(in crate::runner) fn is_needed(&self) -> bool {
        self.added + self.changed + self.removed > 0
    }

    /// Changes and removes entries. `detached` takes the comments that stay of removed ones, until
    /// there is an entry to put them before.
    fn revise(
        &mut self,
        entries: &mut ArrayOfTables,
        detached: &mut String,
        fate: impl Fn(&Table) -> Fate,
    ) {
        let mut position = 0;
        while let Some(entry) = entries.get_mut(position) {
            match fate(entry) {
                Fate::Remove => {
                    detached.push_str(&detached_comment(entry));
                    entries.remove(position);
                    self.removed += 1;
                    continue;
                }
                Fate::Change(kind) => {
                    set_outcome(entry, kind);
                    self.changed += 1;
                }
                Fate::Keep => {}
            }
            put_before(entry, &std::mem::take(detached));
            position += 1;
        }
    }
}

fn fate(
    entry: &Table,
    results: &[RuleResult],
    version: &str,
    is_known: &impl Fn(&str) -> bool,
) -> Fate {
    let text = |key| entry.get(key).and_then(Item::as_str).unwrap_or_default();
    let condition = |key| condition(entry, key).map(str::to_string);
    if !is_known(text("rule")) {
        return Fate::Remove;
    }
    let asked = condition("version").and_then(|version| VersionReq::parse(&version).ok());
    let when = When { os: condition("os"), arch: condition("arch"), version: asked };
    if !when.holds_here(&numbers(version)) {
        return Fate::Keep;
    }
    let is_occasional = entry.get("sometimes").and_then(Item::as_bool).unwrap_or(false);
    match results.iter().find(|result| result.id == text("rule")) {
        None => Fate::Keep,
        Some(result) => match Kind::of(&result.outcome) {
            None if result.outcome == Outcome::Pass && is_occasional => Fate::Keep,
            None => Fate::Remove,
            Some(kind) if kind.name() == text("outcome") => Fate::Keep,
            Some(kind) => Fate::Change(kind),
        },
    }
}

/// What an entry says of where it applies.
fn condition<'e>(entry: &'e Table, key: &str) -> Option<&'e str> {
    entry.get("when").and_then(|when| when.get(key)).and_then(Item::as_str)
}

/// Changes the value, and nothing of the comment beside it.
fn set_outcome(entry: &mut Table, kind: Kind) {
    let mut outcome = Value::from(kind.name());
    if let Some(old) = entry.get("outcome").and_then(Item::as_value) {
        *outcome.decor_mut() = old.decor().clone();
    }
    entry["outcome"] = Item::Value(outcome);
}

fn new_entry(rule: &str, kind: Kind, version: &str, others: &ArrayOfTables) -> Table {
    let mut entry = Table::new();
    entry["rule"] = value(rule);
    entry["outcome"] = value(kind.name());
    entry["reason"] = value(UNEXPLAINED);
    // Other entries for the rule apply elsewhere; this one must not apply there, too.
    let others: Vec<&Table> = others
        .iter()
        .filter(|other| other.get("rule").and_then(Item::as_str) == Some(rule))
        .collect();
    if !others.is_empty() {
        let here = [("os", std::env::consts::OS), ("arch", std::env::consts::ARCH)];
        let mut here = InlineTable::from_iter(here);
        if others.iter().any(|other| condition(other, "version").is_some()) {
            here.insert("version", format!("={}", numbers(version)).into());
        }
        entry["when"] = value(here);
    }
    entry
}

/// The part of the comment before an entry that a blank line sets apart: it is about the file or a
/// part of it and not about the entry.
fn detached_comment(entry: &Table) -> String {
    let prefix = prefix(entry);
    prefix.rfind("\n\n").map_or(String::new(), |end| prefix[..end + 2].to_string())
}

/// Puts a comment before an entry and its own comment, a blank line between.
fn put_before(entry: &mut Table, comment: &str) {
    if !comment.is_empty() {
        let prefix = prefix(entry);
        let prefix = format!("{}\n\n{}", comment.trim_end(), prefix.trim_start_matches('\n'));
        entry.decor_mut().set_prefix(prefix);
    }
}

fn prefix(entry: &Table) -> String {
    let prefix = entry.decor().prefix().and_then(|prefix| prefix.as_str());
    prefix.unwrap_or_default().to_string()
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Update { path, added, changed, removed, .. } = self;
        write!(f, "{}: {added} added, {changed} changed, {removed} removed", path.display())?;
        if *added > 0 {
            write!(f, "; say why in place of `{UNEXPLAINED}`")?;
        }
        Ok(())
    }
}
