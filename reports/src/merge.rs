//! Putting records together: the parts of a run that was split, or runs about different things.

use std::collections::BTreeSet;
use std::fmt;

use crate::record::{Conformance, Record, RuleResult, Shard};

/// Why records cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MergeError {
    /// There are none.
    Nothing,
    /// Parts of one run and something else, or parts of runs that were split otherwise.
    Mixed,
    /// A run of so many parts, and those that are not there.
    Incomplete {
        /// How many there have to be.
        parts: usize,
        /// Which are not there, from 1 on.
        missing: Vec<usize>,
    },
    /// The same was run twice; it is named.
    Twice(String),
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MergeError::Nothing => f.write_str("there is no record to merge"),
            MergeError::Mixed => f.write_str(
                "the records are not the parts of one run: they were split in different ways",
            ),
            MergeError::Incomplete { parts, missing } => {
                let missing: Vec<String> = missing.iter().map(usize::to_string).collect();
                write!(
                    f,
                    "of the {parts} parts of the run these are missing: {}",
                    missing.join(", ")
                )
            }
            MergeError::Twice(what) => write!(f, "{what} is in two of the records; keep one"),
        }
    }
}

impl std::error::Error for MergeError {}

impl Record {
    /// Puts records together.
    ///
    /// The parts of a run that was split make the whole run again, with its results in their order;
    /// all of them have to be there, in any order. Records of whole runs have to be about different
    /// things: their results and measurements follow each other. The machine is that of the first
    /// part or record.
    ///
    /// # Errors
    ///
    /// If there is no record, a part is missing, or something is in two of them.
    pub fn merge(mut records: Vec<Record>) -> Result<Record, MergeError> {
        let is_split = check_parts(&records)?;
        records.sort_by_key(|record| record.shard.map(|shard| shard.part));
        let mut rest = records.into_iter();
        let mut whole = rest.next().ok_or(MergeError::Nothing)?;
        whole.shard = None;
        let mut conformance = vec![std::mem::take(&mut whole.conformance)];
        for record in rest {
            // RFC 3339 in UTC sorts as text.
            whole.started = whole.started.min(record.started);
            whole.measurements.extend(record.measurements);
            whole.latencies.extend(record.latencies);
            whole.kill_table = whole.kill_table.or(record.kill_table);
            for missing in record.missing {
                if !whole.missing.contains(&missing) {
                    whole.missing.push(missing);
                }
            }
            conformance.push(record.conformance);
        }
        whole.conformance = join(conformance, is_split);
        refuse_duplicates(&whole)?;
        Ok(whole)
    }
}

/// Whether the records are the parts of one run; fails if they are not all of them, or mixed.
fn check_parts(records: &[Record]) -> Result<bool, MergeError> {
    let shards: Vec<Shard> = records.iter().filter_map(|record| record.shard).collect();
    let Some(Shard { parts, .. }) = shards.first().copied() else { return Ok(false) };
    if shards.len() != records.len() || shards.iter().any(|shard| shard.parts != parts) {
        return Err(MergeError::Mixed);
    }
    let mut there = BTreeSet::new();
    for Shard { part, parts } in shards {
        if !there.insert(part) {
            return Err(MergeError::Twice(format!("part {part} of {parts}")));
        }
    }
    let missing: Vec<usize> = (1..=parts).filter(|part| !there.contains(part)).collect();
    if missing.is_empty() { Ok(true) } else { Err(MergeError::Incomplete { parts, missing }) }
}

/// The results of all records by loop. A run that is split deals its rules to the parts in turn.
fn join(records: Vec<Vec<Conformance>>, is_split: bool) -> Vec<Conformance> {
    let mut loops: Vec<(Conformance, Vec<Vec<RuleResult>>)> = Vec::new();
    for mut conformance in records.into_iter().flatten() {
        let results = std::mem::take(&mut conformance.results);
        match loops.iter_mut().find(|(other, _)| other.subject == conformance.subject) {
            Some((_, parts)) => parts.push(results),
            None => loops.push((conformance, vec![results])),
        }
    }
    let join = |(mut conformance, parts): (Conformance, Vec<Vec<RuleResult>>)| {
        conformance.results =
            if is_split { collect_in_turn(parts) } else { parts.into_iter().flatten().collect() };
        conformance
    };
    loops.into_iter().map(join).collect()
}

fn collect_in_turn(parts: Vec<Vec<RuleResult>>) -> Vec<RuleResult> {
    let mut parts: Vec<_> = parts.into_iter().map(Vec::into_iter).collect();
    let mut results = Vec::new();
    loop {
        let before = results.len();
        results.extend(parts.iter_mut().filter_map(Iterator::next));
        if results.len() == before {
            return results;
        }
    }
}

fn refuse_duplicates(record: &Record) -> Result<(), MergeError> {
    let rules = record.conformance.iter().flat_map(|conformance| {
        let of = &conformance.subject;
        conformance
            .results
            .iter()
            .map(move |rule| format!("{} of {} {}", rule.id, of.name, of.version))
    });
    let measurements = record.measurements.iter().map(|it| {
        format!("{} {} of {} by {}", it.workload, it.parameters, it.engine.name, it.meter)
    });
    let latencies = record.latencies.iter().map(|it| {
        format!("the latency of {} {} of {}", it.workload, it.parameters, it.engine.name)
    });
    let mut seen = BTreeSet::new();
    for what in rules.chain(measurements).chain(latencies) {
        if !seen.insert(what.clone()) {
            return Err(MergeError::Twice(what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Measurement, Outcome, Subject};

    fn rule(id: &str) -> RuleResult {
        RuleResult {
            id: id.into(),
            level: "MUST".into(),
            sentence: String::new(),
            why: String::new(),
            check: String::new(),
            outcome: Outcome::Pass,
            expected: None,
            detail: None,
            elapsed_ms: 1,
            repeat: String::new(),
        }
    }

    fn subject(name: &str) -> Subject {
        Subject { name: name.into(), version: "1".into() }
    }

    fn conformance(name: &str, ids: &[&str]) -> Conformance {
        let results = ids.iter().map(|id| rule(id)).collect();
        Conformance { subject: subject(name), capabilities: vec!["idle".into()], results }
    }

    fn record(started: &str, conformance: &[Conformance]) -> Record {
        Record { started: started.into(), conformance: conformance.to_vec(), ..Record::default() }
    }

    /// A run of two loops, dealt to its parts as the runner does it.
    fn split(whole: &Record, parts: usize) -> Vec<Record> {
        let part = |part: usize| {
            let mut record = whole.clone();
            record.shard = Some(Shard { part, parts });
            for conformance in &mut record.conformance {
                let mut position = 0..;
                conformance
                    .results
                    .retain(|_| position.next().is_some_and(|it| it % parts == part - 1));
            }
            record
        };
        (1..=parts).map(part).collect()
    }

    #[test]
    fn parts_make_the_whole_in_its_order() {
        let ids = ["B-01", "A-01", "A-10", "A-02", "C-01", "A-03", "B-02"];
        for length in 0..=ids.len() {
            let loops = [conformance("one", &ids[..length]), conformance("two", &ids)];
            let whole = record("2026-01-01T00:00:00Z", &loops);
            for parts in 1..=9 {
                let mut split = split(&whole, parts);
                split.reverse();
                assert_eq!(Record::merge(split).unwrap(), whole, "{length} rules, {parts} parts");
            }
        }
    }

    #[test]
    fn a_part_that_is_missing_or_strange_is_refused() {
        let whole = record("", &[conformance("one", &["A-01", "A-02", "A-03"])]);
        let parts = split(&whole, 4);
        let merge = |positions: &[usize]| {
            Record::merge(positions.iter().map(|position| parts[*position].clone()).collect())
        };
        let incomplete =
            |missing: &[usize]| Err(MergeError::Incomplete { parts: 4, missing: missing.to_vec() });
        assert_eq!(merge(&[]), Err(MergeError::Nothing));
        assert_eq!(merge(&[3, 1]), incomplete(&[1, 3]));
        assert_eq!(merge(&[0, 1, 2]), incomplete(&[4]));
        assert_eq!(merge(&[0, 1, 2, 2]), Err(MergeError::Twice("part 3 of 4".into())));
        assert!(merge(&[0, 1, 2, 3]).is_ok());
        let mixed = |other: &Record| Record::merge(vec![parts[0].clone(), other.clone()]);
        assert_eq!(mixed(&whole), Err(MergeError::Mixed));
        assert_eq!(mixed(&split(&whole, 2)[1]), Err(MergeError::Mixed));
    }

    #[test]
    fn runs_about_different_things_stand_side_by_side() {
        let one = record("2026-01-02T00:00:00Z", &[conformance("one", &["A-01"])]);
        let more = record("2026-01-01T00:00:00Z", &[conformance("one", &["A-02"])]);
        let measurement = Measurement {
            workload: "ping".into(),
            parameters: String::new(),
            engine: subject("one"),
            is_floor: false,
            meter: "wall".into(),
            unit: "ns".into(),
            per: "event".into(),
            samples: vec![1.0],
            ..Measurement::default()
        };
        let measured = Record { measurements: vec![measurement], ..record("", &[]) };
        let two = record("2026-01-03T00:00:00Z", &[conformance("two", &["A-01"])]);
        let merge = |records: &[&Record]| Record::merge(records.iter().copied().cloned().collect());
        let whole = merge(&[&one, &more, &two]).unwrap();
        assert_eq!(whole.started, "2026-01-01T00:00:00Z");
        let loops = [conformance("one", &["A-01", "A-02"]), conformance("two", &["A-01"])];
        assert_eq!(whole.conformance, loops);
        assert_eq!(merge(&[&one, &measured]).unwrap().measurements.len(), 1);

        assert_eq!(merge(&[&one, &one]), Err(MergeError::Twice("A-01 of one 1".into())));
        let twice = merge(&[&measured, &measured]).unwrap_err().to_string();
        assert_eq!(twice, "ping  of one by wall is in two of the records; keep one");
    }
}
