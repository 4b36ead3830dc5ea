//! Handles that do not keep the loop alive.

use super::fixture::Fixture;
use crate::ensure;
use crate::rule::{Case, Check, Level, Rule, Trial};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::plain(&WEAK_HANDLE, weak_handle)]
}

const WEAK_HANDLE: Rule = Rule {
    id: "LOOP-51",
    level: Level::Must,
    sentence: "A weak handle MUST upgrade while the loop or a `LoopHandle` lives, MUST NOT keep \
               either alive, and MUST be expired after.",
    why: "A callback that has to reach its own loop holds a weak handle, or it leaks the loop.",
    source: "calloop, documentation of LoopHandle::downgrade; calloop, test weak_loop_handle",
    check: "what the weak handle points to",
    needs: &[],
    alone: false,
};

fn weak_handle(t: &Trial) -> Check {
    let f = Fixture::new(t)?;
    let weak = f.handle.downgrade();
    let Fixture { event_loop, context, handle, .. } = f;
    drop((event_loop, context));
    ensure!(weak.upgrade().is_some(), "an upgrade while a handle lives", "none");
    ensure!(!weak.expired(), "not expired while a handle lives", "expired");
    drop(handle);
    ensure!(weak.upgrade().is_none(), "no upgrade after the last handle", "a handle");
    ensure!(weak.expired(), "expired after the last handle", "not expired");
    Ok(())
}
