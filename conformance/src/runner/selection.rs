//! Which rules of which loops a run is about.

use std::collections::BTreeSet;

use glob::Pattern;

use super::{Error, Options, Suite};
use crate::rule::{Case, Level, Rule};
use crate::spec::{UNTESTABLE, Untestable};

/// What a RULE on the command line stands for.
enum Filter {
    Exact(String),
    Part(String),
    Glob(Pattern),
}

impl Filter {
    fn new(text: &str, exact: bool) -> Result<Self, Error> {
        let id = text.to_ascii_uppercase();
        if exact {
            return Ok(Filter::Exact(id));
        }
        if !id.contains(['*', '?', '[']) {
            return Ok(Filter::Part(id));
        }
        let pattern = Pattern::new(&id)
            .map_err(|error| Error::Usage(format!("`{text}` is not a pattern: {error}")))?;
        Ok(Filter::Glob(pattern))
    }

    fn matches(&self, id: &str) -> bool {
        match self {
            Filter::Exact(whole) => id == whole,
            Filter::Part(part) => id.contains(part.as_str()),
            Filter::Glob(pattern) => pattern.matches(id),
        }
    }
}

/// What the options ask for of a rule, apart from its loop.
struct Asked<'o> {
    options: &'o Options,
    wanted: Vec<Filter>,
    unwanted: Vec<Filter>,
}

impl<'o> Asked<'o> {
    fn new(options: &'o Options) -> Result<Self, Error> {
        let filters = |texts: &[String]| -> Result<Vec<Filter>, Error> {
            texts.iter().map(|text| Filter::new(text, options.exact)).collect()
        };
        Ok(Asked { options, wanted: filters(&options.rules)?, unwanted: filters(&options.skip)? })
    }

    fn has(&self, id: &str, group: &str, level: Level) -> bool {
        let Options { groups, levels, .. } = self.options;
        (self.wanted.is_empty() || self.wanted.iter().any(|filter| filter.matches(id)))
            && !self.unwanted.iter().any(|filter| filter.matches(id))
            && (groups.is_empty() || groups.iter().any(|name| name.eq_ignore_ascii_case(group)))
            && (levels.is_empty() || levels.contains(&level))
    }
}

/// The rules without a test that are asked for.
pub(super) fn untestable(options: &Options) -> Result<Vec<&'static Untestable>, Error> {
    let asked = Asked::new(options)?;
    let is_asked_for = |rule: &&Untestable| asked.has(rule.id, rule.group(), rule.level);
    Ok(UNTESTABLE.iter().filter(is_asked_for).collect())
}

/// A loop, and which of its rules are asked for.
#[derive(Debug)]
pub(super) struct Selected<'s> {
    pub(super) suite: &'s Suite,
    pub(super) cases: Vec<&'s Case>,
}

/// The loops and rules that are asked for, in the order of the suites.
///
/// # Errors
///
/// If a name or pattern matches nothing or all of them together do, unless that is permitted; if
/// two loops or two rules of one loop have one name.
pub(super) fn select<'s>(
    suites: &'s [Suite],
    options: &Options,
) -> Result<Vec<Selected<'s>>, Error> {
    refuse_duplicates(suites)?;
    let asked = Asked::new(options)?;
    let loops = loops(suites, options)?;
    refuse_unknown(&loops, options, &asked.wanted)?;
    let is_selected = |suite: &Suite, case: &Case| {
        let Rule { id, level, .. } = *case.rule;
        asked.has(id, case.rule.group(), level)
            && (!options.ignored || !suite.lacks(case).is_empty())
    };
    let select = |suite: &'s Suite| {
        let cases = suite.cases.iter().filter(|case| is_selected(suite, case)).collect();
        Selected { suite, cases }
    };
    let mut selected: Vec<Selected<'_>> = loops.into_iter().map(select).collect();
    let may_be_none = options.lenient && (!asked.wanted.is_empty() || options.ignored);
    if selected.iter().all(|selected| selected.cases.is_empty()) && !may_be_none {
        return Err(Error::Usage("no rule is left to run by these options together".into()));
    }
    if let Some(shard) = options.shard {
        for Selected { cases, .. } in &mut selected {
            let mut position = 0..;
            let is_in = |position: usize| position % shard.parts == shard.part - 1;
            cases.retain(|_| position.next().is_some_and(is_in));
        }
    }
    Ok(selected)
}

/// In place of the name of a loop: each that is here.
const ALL: &str = "all";

/// Whether no loop is asked for by its name.
pub(super) fn is_of_all_loops(options: &Options) -> bool {
    options.loops.is_empty() || options.loops.iter().any(|name| name == ALL)
}

fn loops<'s>(suites: &'s [Suite], options: &Options) -> Result<Vec<&'s Suite>, Error> {
    for name in options.loops.iter().filter(|name| *name != ALL) {
        let Some(suite) = suites.iter().find(|suite| suite.name == name) else {
            let known: Vec<&str> = suites.iter().map(|suite| suite.name).collect();
            let known = known.join(", ");
            return Err(Error::Usage(format!("no loop is called `{name}`; there are: {known}")));
        };
        if let Some(absence) = suite.absence() {
            return Err(Error::CouldNotRun(absence));
        }
    }
    let is_asked_for = |suite: &&Suite| {
        suite.missing.is_none()
            && (is_of_all_loops(options) || options.loops.iter().any(|it| it == suite.name))
    };
    Ok(suites.iter().filter(is_asked_for).collect())
}

/// Results are told apart by the names of loops and rules, so these have to be unique.
fn refuse_duplicates(suites: &[Suite]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for suite in suites {
        let name = suite.name;
        if !names.insert(name) {
            return Err(Error::CouldNotRun(format!("two loops are called `{name}`")));
        }
        let mut ids = BTreeSet::new();
        if let Some(case) = suite.cases.iter().find(|case| !ids.insert(case.rule.id)) {
            let id = case.rule.id;
            return Err(Error::CouldNotRun(format!("{name} has two rules with the id {id}")));
        }
    }
    Ok(())
}

fn refuse_unknown(suites: &[&Suite], options: &Options, wanted: &[Filter]) -> Result<(), Error> {
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    for (filter, text) in wanted.iter().zip(&options.rules) {
        if !options.lenient && !cases().any(|case| filter.matches(case.rule.id)) {
            return Err(Error::Usage(format!(
                "`{text}` is not the id of a rule, a part of one or a pattern of some; \
                 --list shows them all"
            )));
        }
    }
    for name in &options.groups {
        if !cases().any(|case| case.rule.group().eq_ignore_ascii_case(name)) {
            let groups: BTreeSet<&str> = cases().map(|case| case.rule.group()).collect();
            let groups = groups.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Error::Usage(format!("no group is called `{name}`; there are: {groups}")));
        }
    }
    Ok(())
}
