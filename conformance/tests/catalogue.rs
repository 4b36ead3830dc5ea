//! The rules as data: what their text has to be like, and the documents that are made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use conformance::adapter::Capability;
use conformance::rule::{Level, Rule};
use conformance::runner::{Suite, built_in};
use conformance::spec::{DEFECTS, GROUPS, UNTESTABLE};

/// The rules of all built-in loops, each once.
fn rules() -> Vec<&'static Rule> {
    let mut rules = BTreeMap::new();
    for suite in built_in::all() {
        for case in suite.cases() {
            rules.entry(case.rule.id).or_insert(case.rule);
        }
    }
    rules.into_values().collect()
}

/// Fails with all complaints at once.
fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn ids_are_unique_and_well_formed() {
    let mut complaints = Vec::new();
    let groups: BTreeSet<&str> = GROUPS.iter().map(|group| group.name).collect();
    for suite in built_in::all() {
        let ids: Vec<&str> = suite.cases().iter().map(|case| case.rule.id).collect();
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "an id is used twice: {ids:?}");
    }
    let untestable = UNTESTABLE.iter().map(|rule| rule.id);
    let mut seen = BTreeSet::new();
    for id in rules().into_iter().map(|rule| rule.id).chain(untestable) {
        if !seen.insert(id) {
            complaints.push(format!("{id} is the id of a rule with a test and of one without"));
        }
        let (group, number) = id.split_once('-').unwrap_or((id, ""));
        if !groups.contains(group) {
            complaints.push(format!("{id}: enter its group in src/spec/groups.rs"));
        }
        let value: u32 = number.parse().unwrap_or(0);
        if value == 0 || format!("{value:02}") != number {
            complaints.push(format!("{id} has to end in a number, as 07 or 107"));
        }
    }
    assert_none(complaints);
}

/// Whether a text has this word, which is all of its letters in capitals.
fn says(sentence: &str, level: Level) -> bool {
    let word = level.to_string();
    sentence.split(|letter: char| !letter.is_alphanumeric()).any(|it| it == word)
}

#[test]
fn sentences_say_how_binding_they_are() {
    let untestable = UNTESTABLE.iter().map(|rule| (rule.id, rule.level, rule.sentence));
    let tested = rules().into_iter().map(|rule| (rule.id, rule.level, rule.sentence));
    let mut complaints = Vec::new();
    for (id, level, sentence) in tested.chain(untestable) {
        // The strictest word of the sentence is its level.
        let strictest =
            [Level::Must, Level::Should, Level::May].into_iter().find(|it| says(sentence, *it));
        if strictest != Some(level) {
            let word = strictest.map_or("none".to_string(), |it| it.to_string());
            complaints.push(format!("{id} is a {level} rule, its strictest word is {word}"));
        }
        let is_begun = sentence.starts_with(|it: char| it.is_uppercase() || "`~".contains(it));
        if !is_begun || !sentence.ends_with('.') {
            complaints.push(format!("{id} is not a whole sentence: {sentence}"));
        }
    }
    assert_none(complaints);
}

#[test]
fn nothing_is_left_open() {
    let mut complaints = Vec::new();
    for Rule { id, sentence, why, source, check, needs, .. } in rules() {
        for (name, text) in
            [("sentence", sentence), ("why", why), ("source", source), ("check", check)]
        {
            if text.trim().len() < 10 {
                complaints.push(format!("{id} says too little in `{name}`: {text:?}"));
            }
            if text.contains("  ") || text.trim() != *text || text.contains("TODO") {
                complaints.push(format!("{id} is not neat in `{name}`: {text:?}"));
            }
        }
        let unique: BTreeSet<&Capability> = needs.iter().collect();
        if unique.len() != needs.len() {
            complaints.push(format!("{id} needs something twice: {needs:?}"));
        }
    }
    for rule in UNTESTABLE {
        assert!(rule.obstacle.len() > 20, "{} says why it is not tested", rule.id);
    }
    assert_none(complaints);
}

/// The text of all files of a directory and those below.
fn text_below(directory: &Path) -> String {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let texts = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() { text_below(&path) } else { fs::read_to_string(path).expect("text") }
    });
    texts.collect()
}

/// A capability that no rule needs or asks for can be declared by mistake, and nothing tells.
#[test]
fn every_capability_matters_to_a_rule() {
    let rules = text_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules"));
    let matters = |capability: &&Capability| {
        let name = format!("Capability::{capability:?}");
        let mut after = rules.split(&name).skip(1);
        after.any(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    let idle: Vec<_> = Capability::ALL.iter().filter(|it| !matters(it)).collect();
    assert!(idle.is_empty(), "no rule is about these: {idle:?}");
}

/// The rules that a loop is known not to keep.
fn deviations(suite: &Suite) -> BTreeSet<String> {
    #[derive(serde::Deserialize)]
    struct File {
        deviation: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        rule: String,
    }
    let Some(text) = suite.expectations() else { return BTreeSet::new() };
    let file: File = toml::from_str(text).expect("an expectation file");
    file.deviation.into_iter().map(|entry| entry.rule).collect()
}

#[test]
fn each_defect_has_a_rule_that_shows_it() {
    let of_calloop = deviations(&built_in::calloop_0_14());
    let of_reference = deviations(&built_in::calloop_ref());
    let rules: BTreeSet<&str> = rules().into_iter().map(|rule| rule.id).collect();
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    for defect in DEFECTS {
        let rule = defect.rule;
        let wrong = [
            (!rules.contains(rule), "there is no such rule"),
            (!of_calloop.contains(rule), "it is no known deviation of calloop 0.14"),
            (of_reference.contains(rule), "calloop-ref does not keep it either"),
            (!seen.insert(rule), "it is listed twice"),
        ];
        for (_, what) in wrong.iter().filter(|(is_wrong, _)| *is_wrong) {
            complaints.push(format!("src/spec/defects.rs: {rule}: {what}"));
        }
    }
    assert_none(complaints);
}

#[test]
fn findings_that_are_named_are_there() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in fs::read_dir(package.join("expectations")).expect("the directory is there") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("text");
        for (position, _) in text.match_indices("(findings/") {
            let name = text[position + 1..].split(')').next().expect("the rest of the text");
            assert!(package.join(name).exists(), "there is no {name}");
            count += 1;
        }
    }
    assert!(count > 0, "some deviations are findings");
}

/// Compares a document with what is made of the rules, or writes it.
fn assert_current(name: &str, text: &str) {
    const UPDATE: &str = "UPDATE_DOCUMENTS";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let found = fs::read_to_string(&path).unwrap_or_default();
    if found == text {
        return;
    }
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, text).expect("the document can be written");
        return;
    }
    let differs = found.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = differs.unwrap_or(found.lines().count().min(text.lines().count())) + 1;
    panic!(
        "conformance/{name} is not current from line {line} on; write it by\n\n    \
         {UPDATE}=1 cargo test -p conformance --test catalogue\n"
    );
}

#[test]
fn the_specification_is_current() {
    assert_current("SPEC.md", &built_in::calloop_ref().specification());
}

#[test]
fn the_table_of_defects_is_current() {
    assert_current("DEFECTS.md", &built_in::defects().expect("the expectation files are right"));
}
