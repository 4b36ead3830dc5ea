//! What one loop is held to.

use std::path::PathBuf;

use reports::record::{Missing, Subject};

use super::programs::Modelled;
use crate::adapter::{Adapter, Capabilities, Capability};
use crate::rule::Case;
use crate::{erased, spec};

/// A loop, the rules that it is held to, and its expectation file. The loop's type is forgotten, so
/// that one program can hold several loops to the rules.
#[derive(Debug)]
pub struct Suite {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) capabilities: Capabilities,
    pub(super) cases: Vec<Case>,
    pub(super) expectations: Option<ExpectationFile>,
    /// What performs programs on the loop, if its adapter is known.
    pub(super) modelled: Option<Modelled>,
    /// What this machine lacks for the loop to be here.
    pub(super) missing: Option<Missing>,
}

/// Where an expectation file is, and what it says.
#[derive(Clone, Debug)]
pub(super) struct ExpectationFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Suite {
    /// A loop and the rules that hold for any loop.
    pub fn of<A: Adapter>() -> Self {
        let cases = erased::cases::<A>();
        let suite = Suite::new(A::NAME, &A::version(), A::capabilities(), cases);
        Suite { modelled: Some(Modelled::of::<A>()), ..suite }
    }

    /// A loop and just these rules.
    pub fn new(
        name: &'static str,
        version: &str,
        capabilities: Capabilities,
        cases: Vec<Case>,
    ) -> Self {
        let version = version.to_string();
        let (expectations, modelled, missing) = (None, None, None);
        Suite { name, version, capabilities, cases, expectations, modelled, missing }
    }

    /// A loop that is not on this machine. It is told of, and held to no rules.
    pub fn not_here(name: &'static str, missing: Missing) -> Self {
        let suite = Suite::new(name, "", Capabilities::NONE, Vec::new());
        Suite { missing: Some(missing), ..suite }
    }

    /// The name of the loop.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Further rules, such as those of a profile.
    #[must_use]
    pub fn with_cases(mut self, cases: Vec<Case>) -> Self {
        self.cases.extend(cases);
        self
    }

    /// The same rules for a loop that says to have this, too, and has nothing known of it: what comes
    /// of a declaration that is wrong.
    #[must_use]
    pub fn claiming(mut self, capabilities: &[Capability]) -> Self {
        self.capabilities = self.capabilities.with(capabilities);
        self.expectations = None;
        self
    }

    /// What is known of the loop: the path of its expectation file, relative to the package, for
    /// messages and for `--update-expectations`, and its text, usually by [`include_str!`].
    #[must_use]
    pub fn with_expectations(mut self, path: impl Into<PathBuf>, text: &str) -> Self {
        self.expectations = Some(ExpectationFile { path: path.into(), text: text.to_string() });
        self
    }

    /// The rules that the loop is held to.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// These rules in full, and those that cannot be tested, in Markdown.
    pub fn specification(&self) -> String {
        let cases: Vec<&Case> = self.cases.iter().collect();
        let untestable: Vec<_> = spec::UNTESTABLE.iter().collect();
        spec::document(&cases, &untestable)
    }

    /// The text of the expectation file, if there is one.
    pub fn expectations(&self) -> Option<&str> {
        self.expectations.as_ref().map(|file| file.text.as_str())
    }

    /// That the loop is not here, and what it takes, if so.
    pub fn absence(&self) -> Option<String> {
        let Missing { what, mend, .. } = self.missing.as_ref()?;
        Some(format!("{what}: not here; {mend}"))
    }

    /// Whether the loop is held to the rule of this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.cases.iter().any(|case| case.rule.id == id)
    }

    /// The capabilities that a rule needs and the loop does not declare.
    pub(super) fn lacks(&self, case: &Case) -> Vec<Capability> {
        let needs = case.rule.needs.iter().copied();
        needs.filter(|need| !self.capabilities.has(*need)).collect()
    }

    pub(super) fn subject(&self) -> Subject {
        Subject { name: self.name.to_string(), version: self.version.clone() }
    }
}
