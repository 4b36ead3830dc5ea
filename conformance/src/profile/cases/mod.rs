//! The rules of the profile, a file for each group. `calloop` is the crate under test.

use super::calloop;
use crate::rule::Case;

mod hooks;

/// Every rule of the profile with its test.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(hooks::cases());
    cases
}
