//! The rules about what calloop has since 0.14, a file for each group.

use super::calloop;
use super::cases::fixture;
use crate::rule::Case;

#[cfg(target_os = "linux")]
mod signals;
mod stream;
mod weak_handle;

/// Every such rule with its test.
pub(super) fn cases() -> Vec<Case> {
    let groups: &[fn() -> Vec<Case>] = &[
        weak_handle::cases,
        #[cfg(target_os = "linux")]
        signals::cases,
        stream::cases,
    ];
    groups.iter().flat_map(|cases| cases()).collect()
}
