//! Picking benchmarks by name.

use std::collections::BTreeSet;
use std::fmt;

use crate::engine::Bench;

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
    let mut wanted = BTreeSet::new();
    for workload in workloads.iter().map(AsRef::as_ref) {
        let ids = named(&benches, workload);
        if ids.is_empty() {
            let known = benches.iter().map(|bench| bench.spec.id());
            return Err(Unknown::new("workload", workload, known));
        }
        wanted.extend(ids);
    }
    for engine in engines.iter().map(AsRef::as_ref) {
        if !benches.iter().any(|bench| bench.engine.name == engine) {
            let known = benches.iter().map(|bench| bench.engine.name.clone());
            return Err(Unknown::new("engine", engine, known));
        }
    }
    let is_wanted = |bench: &Bench| {
        (workloads.is_empty() || wanted.contains(&bench.spec.id()))
            && (engines.is_empty()
                || bench.is_floor()
                || engines.iter().any(|name| bench.engine.name == name.as_ref()))
    };
    Ok(benches.into_iter().filter(is_wanted).collect())
}

/// The workloads that a name means, with all their parameters.
fn named(benches: &[Bench], name: &str) -> BTreeSet<String> {
    let Some((workload, parameters)) = name.split_once('/') else {
        let of_name = benches.iter().filter(|bench| bench.spec.name == name);
        return of_name.map(|bench| bench.spec.id()).collect();
    };
    if benches.iter().any(|bench| bench.spec.id() == name) {
        return BTreeSet::from([name.to_string()]);
    }
    let is_meant = |bench: &&Bench| {
        let has = |wanted: &str| bench.spec.parameters.split(',').any(|own| own == wanted);
        bench.spec.name == workload && parameters.split(',').all(has)
    };
    benches.iter().filter(is_meant).map(|bench| bench.spec.id()).collect()
}

/// A name that no benchmark has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `workload` or `engine`.
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
