//! Who catches whom: the rules that a loop with a known fault does not keep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rules, as rows, and the faulty loops, as columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct KillTable {
    /// The version of the suite that made it.
    pub suite: String,
    /// When it was begun, as RFC 3339 in UTC.
    pub started: String,
    /// Tells apart what it was made of: equal for equal faults and rules.
    pub digest: String,
    /// The rules that were run, in the order of the specification.
    pub rules: Vec<Row>,
    /// The faulty loops.
    pub faults: Vec<Fault>,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// MUST, SHOULD or MAY.
    pub level: String,
    /// Changes with its test.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

/// A faulty loop.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Fault {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub group: String,
    /// What is wrong with it, in a sentence.
    pub what: String,
    /// Changes with what was done to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Why more rules catch it than one mistake should be caught by, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broad: Option<String>,
    /// The rules that it does not keep; it keeps the others.
    pub caught: Vec<Catch>,
    /// Whether the comparison with the model finds it, if that was tried.
    #[serde(default)]
    pub found_by_model: Option<bool>,
}

/// A rule that a faulty loop does not keep.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Catch {
    /// The rule.
    pub rule: String,
    /// How it ended: `fail`, `timeout` or `crash`.
    pub outcome: String,
    /// Whether the fault names the rule, which then has to catch it.
    pub is_named: bool,
}

impl KillTable {
    /// How a rule ended for a faulty loop that does not keep it.
    pub fn outcome(&self, rule: &str, fault: &str) -> Option<&Catch> {
        let fault = self.faults.iter().find(|column| column.name == fault)?;
        fault.caught.iter().find(|catch| catch.rule == rule)
    }

    /// How many rules of other groups than those of the rules that a fault names it does not keep
    /// either: what it breaks besides what it is about.
    pub fn bycatch(fault: &Fault) -> usize {
        fn group(catch: &Catch) -> &str {
            catch.rule.split_once('-').map_or(&*catch.rule, |(group, _)| group)
        }
        let named: Vec<&str> = fault.caught.iter().filter(|it| it.is_named).map(group).collect();
        fault.caught.iter().filter(|catch| !named.contains(&group(catch))).count()
    }

    /// How many faulty loops do not keep a rule.
    pub fn catches(&self, rule: &str) -> usize {
        let catches = |fault: &&Fault| fault.caught.iter().any(|catch| catch.rule == rule);
        self.faults.iter().filter(catches).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_answers_for_each_place() {
        let caught = |rule: &str| Catch {
            rule: rule.to_string(),
            outcome: "fail".to_string(),
            is_named: true,
        };
        let fault = |name: &str, caught: Vec<Catch>| Fault {
            name: name.to_string(),
            caught,
            ..Fault::default()
        };
        let faults = vec![fault("one", vec![caught("A-01")]), fault("two", vec![caught("A-01")])];
        let table = KillTable { faults, ..KillTable::default() };
        assert_eq!(table.outcome("A-01", "two"), Some(&caught("A-01")));
        assert_eq!(table.outcome("A-02", "two"), None);
        assert_eq!((table.catches("A-01"), table.catches("A-02")), (2, 0));
    }

    #[test]
    fn what_is_caught_besides_is_of_other_groups() {
        let caught = [("A-01", true), ("A-02", false), ("B-01", false), ("AB-01", false)];
        let caught = caught.map(|(rule, is_named)| Catch {
            rule: rule.to_string(),
            outcome: "fail".to_string(),
            is_named,
        });
        let fault = Fault { caught: caught.to_vec(), ..Fault::default() };
        assert_eq!(KillTable::bycatch(&fault), 2);
    }
}
