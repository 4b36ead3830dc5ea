//! The rules as a document: SPEC.md, and what `--spec` prints.

mod defects;
mod groups;
mod untestable;

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::adapter::Capability;
use crate::rule::{Case, Level, Rule};

pub use defects::{DEFECTS, Defect};
pub use groups::{GROUPS, Group};
pub use untestable::{UNTESTABLE, Untestable};

/// Rules in full, in Markdown: by group, and by number within it.
pub(crate) fn document(cases: &[&Case], untestable: &[&Untestable]) -> String {
    let mut groups: BTreeMap<usize, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        groups.entry(groups::position(case.rule.group())).or_default().push(case);
    }
    for cases in groups.values_mut() {
        cases.sort_by_key(|case| case.rule.number());
    }
    let mut text = String::from(PREFACE);
    contents(&mut text, &groups, untestable);
    for (position, cases) in &groups {
        heading(&mut text, cases[0].rule.group(), groups::title(*position));
        cases.iter().for_each(|case| rule(&mut text, case));
    }
    if !untestable.is_empty() {
        text.push_str(UNTESTED);
        untestable.iter().for_each(|rule| untested(&mut text, rule));
    }
    capabilities(&mut text, cases);
    text
}

const PREFACE: &str = "\
# Specification of a callback event loop

A rule is one sentence, with an id that is never given to another rule. MUST, SHOULD and MAY are
meant as in RFC 2119. A rule that names [capabilities](#capabilities) holds for the loops that have
all of them; one for calloop's interface holds for the crates that have this interface, and says in
its words what any loop could keep in its own.

This text is made of the rules as they are tested, by
`UPDATE_DOCUMENTS=1 cargo test -p conformance --test catalogue`.
";

const UNTESTED: &str = "
## Rules that cannot be tested

They hold all the same: who writes a loop has to see to them without the help of a test.
";

/// The groups, with how many rules each has.
fn contents(text: &mut String, groups: &BTreeMap<usize, Vec<&Case>>, untestable: &[&Untestable]) {
    text.push_str(
        "\n| group | about | MUST | SHOULD | MAY |\n| --- | --- | ---: | ---: | ---: |\n",
    );
    let count = |cases: &[&Case], level| cases.iter().filter(|it| it.rule.level == level).count();
    for (position, cases) in groups {
        let group = cases[0].rule.group();
        let [must, should, may] = LEVELS.map(|level| count(cases, level));
        let (anchor, title) = (group.to_lowercase(), groups::title(*position));
        let _ = writeln!(text, "| [{group}](#{anchor}) | {title} | {must} | {should} | {may} |");
    }
    let all: Vec<&Case> = groups.values().flatten().copied().collect();
    let [must, should, may] = LEVELS.map(|level| count(&all, level));
    let _ = writeln!(text, "| all {} | | {must} | {should} | {may} |", all.len());
    if !untestable.is_empty() {
        let anchor = "[Rules that cannot be tested](#rules-that-cannot-be-tested)";
        let _ = writeln!(text, "\n{anchor}: {}.", untestable.len());
    }
}

const LEVELS: [Level; 3] = [Level::Must, Level::Should, Level::May];

fn heading(text: &mut String, group: &str, title: &str) {
    let _ = writeln!(text, "\n## {group}\n\n{title}");
}

fn rule(text: &mut String, case: &Case) {
    let Rule { id, level, sentence, why, source, check, needs, .. } = case.rule;
    let whom = if case.is_generic { "any loop" } else { "calloop's interface" };
    let needs: Vec<String> = needs.iter().map(|need| format!("`{need}`")).collect();
    let with = if needs.is_empty() { String::new() } else { format!(" with {}", needs.join(", ")) };
    let _ = writeln!(text, "\n### {id}\n\n**{level}**, for {whom}{with}\n");
    let [sentence, why, source, check] = [*sentence, *why, *source, *check].map(escaped);
    let _ = writeln!(text, "{sentence}\n\n- Why: {why}\n- Source: {source}\n- Check: {check}");
}

fn untested(text: &mut String, rule: &Untestable) {
    let Untestable { id, level, sentence, obstacle } = rule;
    let [sentence, obstacle] = [*sentence, *obstacle].map(escaped);
    let _ = writeln!(text, "\n### {id}\n\n**{level}**\n\n{sentence}\n\n- Not tested: {obstacle}");
}

/// What the rules need, with its meaning.
fn capabilities(text: &mut String, cases: &[&Case]) {
    let rules = |capability: &Capability| {
        cases.iter().filter(|case| case.rule.needs.contains(capability)).count()
    };
    text.push_str(
        "\n## Capabilities\n\nWhat a loop may have or lack, and how loops may differ.\n\n",
    );
    text.push_str("| capability | meaning | rules that need it |\n| --- | --- | ---: |\n");
    for capability in Capability::ALL {
        let (meaning, rules) = (capability.meaning().trim(), rules(capability));
        let _ = writeln!(text, "| `{capability}` | {meaning} | {rules} |");
    }
}

/// The table of [`DEFECTS`], in Markdown: `outcome` says what comes of a rule on the loop at a
/// position.
pub(crate) fn defects(loops: &[String], outcome: impl Fn(usize, &str) -> String) -> String {
    let mut text = String::from(DEFECTS_PREFACE);
    let _ = writeln!(text, "\n| rule | defect | {} |", loops.join(" | "));
    let _ = writeln!(text, "| --- | --- |{}", " --- |".repeat(loops.len()));
    for Defect { rule, what } in DEFECTS {
        let group = rule.to_lowercase();
        let outcomes: Vec<String> =
            (0..loops.len()).map(|position| outcome(position, rule)).collect();
        let _ = writeln!(
            text,
            "| [{rule}](SPEC.md#{group}) | {} | {} |",
            escaped(what),
            outcomes.join(" | ")
        );
    }
    text
}

const DEFECTS_PREFACE: &str = "\
# Defects of calloop

What calloop 0.14.5 does on Linux that no loop should, each shown by a rule of its own, and what
comes of that rule on the loops that come with the suite. The expectation files say why.

This text is made of the list in `src/spec/defects.rs` and of the expectation files, by
`UPDATE_DOCUMENTS=1 cargo test -p conformance --test catalogue`.
";

/// Text that Markdown shows as it is: outside of code, `<` begins an element.
fn escaped(text: &str) -> String {
    let part = |(position, part): (usize, &str)| match position % 2 {
        0 => part.replace('<', "\\<"),
        _ => part.to_string(),
    };
    text.split('`').enumerate().map(part).collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_code_is_escaped() {
        assert_eq!(escaped("a <b> `c<d>` <e"), "a \\<b> `c<d>` \\<e");
    }
}
