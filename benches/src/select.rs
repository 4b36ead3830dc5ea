//! Picking what is measured by name, and putting together what belongs together.

use std::collections::BTreeSet;
use std::fmt;

use crate::engine::{Bench, Role};
use crate::latency::Probe;

/// Work on an engine, by its names.
pub(crate) trait Named {
    /// What the work is called.
    const KIND: &'static str;

    /// The work's name, as `ready`.
    fn name(&self) -> &str;
    /// Its sizes, as `ready=100`.
    fn parameters(&self) -> &str;
    /// Both, as `ready/ready=100`.
    fn id(&self) -> String;
    /// The engine's name.
    fn engine(&self) -> &str;
    /// What the engine is in a comparison.
    fn role(&self) -> Role;
}

impl Named for Bench {
    const KIND: &'static str = "workload";

    fn name(&self) -> &str {
        self.spec.name
    }

    fn parameters(&self) -> &str {
        &self.spec.parameters
    }

    fn id(&self) -> String {
        self.spec.id()
    }

    fn engine(&self) -> &str {
        &self.engine.name
    }

    fn role(&self) -> Role {
        self.role
    }
}

impl Named for Probe {
    const KIND: &'static str = "scenario";

    fn name(&self) -> &str {
        self.spec.name
    }

    fn parameters(&self) -> &str {
        &self.spec.parameters
    }

    fn id(&self) -> String {
        self.spec.id()
    }

    fn engine(&self) -> &str {
        &self.engine.name
    }

    fn role(&self) -> Role {
        self.role
    }
}

/// Keeps the benchmarks of these workloads on these engines, with their floors; an empty list
/// keeps all. A workload is named with its parameters, as `ready/ready=100`; with some of them, as
/// `ready/mode=edge`, for every size that has them; or with none, as `ready`, for every size.
///
/// # Errors
///
/// If a name is not among the benchmarks.
pub fn select<S: AsRef<str>>(
    benches: Vec<Bench>,
    workloads: &[S],
    engines: &[S],
) -> Result<Vec<Bench>, Unknown> {
    pick(benches, workloads, engines)
}

/// Keeps the work with these names on these engines, as [`select`] does.
pub(crate) fn pick<T: Named, S: AsRef<str>>(
    items: Vec<T>,
    names: &[S],
    engines: &[S],
) -> Result<Vec<T>, Unknown> {
    let mut wanted = BTreeSet::new();
    for name in names.iter().map(AsRef::as_ref) {
        let ids = named(&items, name);
        if ids.is_empty() {
            return Err(Unknown::new(T::KIND, name, items.iter().map(T::id)));
        }
        wanted.extend(ids);
    }
    for engine in engines.iter().map(AsRef::as_ref) {
        if !items.iter().any(|item| item.engine() == engine) {
            let known = items.iter().map(|item| item.engine().to_string());
            return Err(Unknown::new("engine", engine, known));
        }
    }
    let is_wanted = |item: &T| {
        (names.is_empty() || wanted.contains(&item.id()))
            && (engines.is_empty()
                || item.role() == Role::Floor
                || engines.iter().any(|name| item.engine() == name.as_ref()))
    };
    Ok(items.into_iter().filter(is_wanted).collect())
}

/// The work that a name means, with all its parameters.
fn named<T: Named>(items: &[T], name: &str) -> BTreeSet<String> {
    let Some((work, parameters)) = name.split_once('/') else {
        return items.iter().filter(|item| item.name() == name).map(T::id).collect();
    };
    if items.iter().any(|item| item.id() == name) {
        return BTreeSet::from([name.to_string()]);
    }
    let is_meant = |item: &&T| {
        let has = |wanted: &str| item.parameters().split(',').any(|own| own == wanted);
        item.name() == work && parameters.split(',').all(has)
    };
    items.iter().filter(is_meant).map(T::id).collect()
}

/// The same work on every engine, row by row, in the order of each row's first.
pub(crate) fn rows<'t, T: Named>(
    items: impl IntoIterator<Item = &'t T>,
) -> Vec<(String, Vec<&'t T>)> {
    let mut rows: Vec<(String, Vec<&T>)> = Vec::new();
    for item in items {
        let id = item.id();
        match rows.iter_mut().find(|(known, _)| *known == id) {
            Some((_, row)) => row.push(item),
            None => rows.push((id, vec![item])),
        }
    }
    rows
}

/// A name that no benchmark has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `workload`, `scenario` or `engine`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// Those that there are.
    pub known: BTreeSet<String>,
}

impl Unknown {
    fn new(kind: &'static str, name: &str, known: impl Iterator<Item = String>) -> Self {
        Unknown { kind, name: name.to_string(), known: known.collect() }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unknown { kind, name, known } = self;
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        write!(f, "there is no {kind} `{name}`; there are: {}", known.join(", "))
    }
}

impl std::error::Error for Unknown {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;

    fn names(workloads: &[&str], engines: &[&str]) -> Vec<String> {
        let benches = select(builtin(), workloads, engines).expect("these exist");
        benches.iter().map(Bench::to_string).collect()
    }

    #[test]
    fn floors_come_with_the_engines() {
        assert_eq!(
            names(&["ping", "ready/ready=10"], &["calloop-ref"]),
            [
                "ping on epoll",
                "ping/timer=far on epoll",
                "ready/ready=10 on epoll",
                "ping on calloop-ref",
                "ping/timer=far on calloop-ref",
                "ready/ready=10 on calloop-ref",
            ]
        );
    }

    #[test]
    fn nothing_asked_for_is_everything() {
        assert_eq!(names(&[], &[]).len(), builtin().len());
    }

    #[test]
    fn a_name_alone_is_every_size() {
        assert_eq!(names(&["timer-fire"], &["calloop-0.14"]).len(), 6);
    }

    #[test]
    fn some_of_the_parameters_are_every_size_that_has_them() {
        let edge = names(&["ready/mode=edge"], &["calloop-0.14"]);
        assert!(edge.len() > 4 && edge.iter().all(|name| name.contains("mode=edge")), "{edge:?}");
        let level = names(&["ready/ready=100"], &["calloop-0.14"]);
        assert_eq!(level, ["ready/ready=100 on epoll", "ready/ready=100 on calloop-0.14"]);
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known() {
        let unknown = select(builtin(), &["pong"], &[]).unwrap_err().to_string();
        assert!(
            unknown.starts_with("there is no workload `pong`; there are: async-read, cascade/")
        );
        assert!(unknown.contains("ping, ping-life, ping-pong, ping-storm/threads=1"), "{unknown}");
        let unknown = select(builtin(), &[], &["kalloop"]).unwrap_err().to_string();
        assert!(unknown.contains(
            "no engine `kalloop`; there are: boxed-callbacks, boxed-futures, calloop-0.13"
        ));
    }
}
