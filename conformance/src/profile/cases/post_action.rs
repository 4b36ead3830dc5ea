//! What a source may ask for after its events.

use std::rc::Rc;

use super::calloop::{Error, PostAction, RegistrationToken};
use super::fixture::Fixture;
use super::sources::{Puppet, Strings, answering};
use crate::rule::{Case, Check, Deviation, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&CONTINUE, continue_),
        Case::plain(&REREGISTER, reregister),
        Case::plain(&DISABLE, disable),
        Case::plain(&REMOVE, remove),
        Case::plain(&REMOVED_BY_HAND, removed_by_hand),
        Case::plain(&JOINED, joined),
        Case::plain(&FAILED_CHANGE, failed_change),
        Case::plain(&FAILED_REMOVAL, failed_removal),
    ]
}

/// Inserts a puppet that always answers `action`.
fn insert(f: &Fixture, action: PostAction) -> Result<(Rc<Strings>, RegistrationToken), Deviation> {
    let (puppet, strings) = Puppet::<false>::new("puppet", f)?;
    let token = f.handle.insert_source(puppet, answering(action))?;
    Ok((strings, token))
}

const CONTINUE: Rule = Rule {
    id: "POST-01",
    level: Level::Must,
    sentence: "After `PostAction::Continue` a source MUST stay registered as it is.",
    why: "It is the usual answer, and has to cost nothing.",
    source: "calloop, documentation of PostAction::Continue",
    check: "which of the registration methods are called after the callback",
    needs: &[],
    alone: false,
};

fn continue_(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (strings, _) = insert(&f, PostAction::Continue)?;
    for _ in 0..2 {
        strings.ping.ping();
        f.poll()?;
    }
    f.expect_marks(["called"; 2])?;
    f.expect_registrations(["puppet.register"])
}

const REREGISTER: Rule = Rule {
    id: "POST-02",
    level: Level::Must,
    sentence: "After `PostAction::Reregister` the source's `reregister` MUST be called once, when \
               its events are processed.",
    why: "A source that has changed what it waits for, or has to arm a one-shot event again, says \
          so that way.",
    source: "calloop, documentation of PostAction::Reregister",
    check: "what is called after the callback, and how often",
    needs: &[],
    alone: false,
};

fn reregister(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (strings, _) = insert(&f, PostAction::Reregister)?;
    for _ in 0..2 {
        strings.ping.ping();
        f.poll()?;
    }
    f.expect_marks(["called"; 2])?;
    f.expect_registrations(["puppet.register", "puppet.reregister", "puppet.reregister"])
}

const DISABLE: Rule = Rule {
    id: "POST-03",
    level: Level::Must,
    sentence: "`PostAction::Disable` MUST unregister the source and keep it, so that `enable` \
               brings it back with what has arrived meanwhile.",
    why: "A source that is to pause, as a listener without room for a connection, loses nothing.",
    source: "calloop, documentation of PostAction::Disable",
    check: "whether it does what LoopHandle::disable does",
    needs: &[],
    alone: false,
};

fn disable(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (strings, token) = insert(&f, PostAction::Disable)?;
    strings.ping.ping();
    f.poll()?;
    strings.ping.ping();
    f.expect_quiet()?;
    f.expect_marks(["called"])?;
    f.handle.enable(&token)?;
    f.poll()?;
    f.expect_marks(["called"; 2])?;
    f.expect_registrations([
        "puppet.register",
        "puppet.unregister",
        "puppet.register",
        "puppet.unregister",
    ])
}

const REMOVE: Rule = Rule {
    id: "POST-04",
    level: Level::Must,
    sentence: "`PostAction::Remove` MUST unregister and drop the source, and make its token \
               invalid, before the dispatch returns.",
    why: "A source that is done releases what it holds, by itself.",
    source: "calloop, documentation of PostAction::Remove",
    check: "whether it does what LoopHandle::remove does",
    needs: &[],
    alone: false,
};

fn remove(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (strings, token) = insert(&f, PostAction::Remove)?;
    strings.ping.ping();
    f.poll()?;
    f.expect_registrations(["puppet.register", "puppet.unregister", "puppet.drop"])?;
    let outcome = f.handle.enable(&token);
    ensure!(matches!(outcome, Err(Error::InvalidToken)), "Error::InvalidToken", "{outcome:?}");
    strings.ping.ping();
    f.expect_quiet()?;
    f.expect_marks(["called"])
}

const REMOVED_BY_HAND: Rule = Rule {
    id: "POST-05",
    level: Level::Must,
    sentence: "Whatever a source answers that was removed in its own callback, it MUST be \
               unregistered and dropped before the dispatch returns, which MUST succeed.",
    why: "The callback need not know that its source is on the way out.",
    source: "calloop, documentation of LoopHandle::remove; calloop, test kill_source",
    check: "whether the answer is applied to a slot that is empty, or somebody else's by now",
    needs: &[],
    alone: false,
};

fn removed_by_hand(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    for action in
        [PostAction::Continue, PostAction::Reregister, PostAction::Disable, PostAction::Remove]
    {
        let before = f.registrations.marks().len();
        let (puppet, strings) = Puppet::<false>::new("puppet", &f)?;
        f.context.subject = Some(f.handle.insert_source(puppet, move |_, &mut (), cx| {
            cx.handle.remove(cx.subject());
            Ok(action)
        })?);
        strings.ping.ping();
        f.poll()?;
        let calls = f.registrations.marks().split_off(before);
        let end = ["puppet.unregister", "puppet.drop"];
        ensure!(calls.ends_with(&end.map(String::from)), format_args!("{end:?}"), "{calls:?}");
    }
    Ok(())
}

const JOINED: Rule = Rule {
    id: "POST-06",
    level: Level::Must,
    sentence: "Two equal `PostAction`s MUST join to the same, and two that differ to `Reregister`.",
    why: "A source of several answers for all its parts: what one wants must not be done to all.",
    source: "calloop, documentation of PostAction's BitOr and BitOrAssign",
    check: "the implementations of `|` and `|=`",
    needs: &[],
    alone: false,
};

fn joined(_: &Trial) -> Check {
    let all =
        [PostAction::Continue, PostAction::Reregister, PostAction::Disable, PostAction::Remove];
    for one in all {
        for other in all {
            let expected = if one == other { one } else { PostAction::Reregister };
            ensure_eq!(one | other, expected, "{one:?} | {other:?}");
            let mut joined = one;
            joined |= other;
            ensure_eq!(joined, expected, "{one:?} |= {other:?}");
        }
    }
    Ok(())
}

const FAILED_CHANGE: Rule = Rule {
    id: "POST-07",
    level: Level::Must,
    sentence: "If what a `PostAction` asks for fails, in `reregister` or in `unregister` after \
               `Disable`, the dispatch MUST return that error.",
    why: "The source may be deaf from now on; who runs the loop has to know.",
    source: "calloop, documentation of EventLoop::dispatch and EventSource::reregister",
    check: "whether the result of the registration method is looked at",
    needs: &[],
    alone: false,
};

fn failed_change(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    for (action, method) in
        [(PostAction::Reregister, "reregister"), (PostAction::Disable, "unregister")]
    {
        let (strings, _) = insert(&f, action)?;
        strings.failing.set(Some(method));
        strings.ping.ping();
        let outcome = f.poll();
        let expected = format!("Error::IoError of `{method}`");
        ensure!(matches!(outcome, Err(Error::IoError(_))), expected, "{outcome:?}");
    }
    f.expect_marks(["called"; 2])
}

const FAILED_REMOVAL: Rule = Rule {
    id: "POST-08",
    level: Level::Must,
    sentence: "After `PostAction::Remove` the source MUST be gone and the dispatch succeed, also if \
               `unregister` fails.",
    why: "A source that goes because its descriptor is broken may not be able to unregister it.",
    source: "calloop, documentation of PostAction::Remove",
    check: "what becomes of the error: it is worth a log entry, no more",
    needs: &[],
    alone: false,
};

fn failed_removal(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (strings, token) = insert(&f, PostAction::Remove)?;
    strings.failing.set(Some("unregister"));
    strings.ping.ping();
    f.poll()?;
    let outcome = f.handle.update(&token);
    ensure!(matches!(outcome, Err(Error::InvalidToken)), "Error::InvalidToken", "{outcome:?}");
    f.expect_registrations(["puppet.register", "puppet.unregister", "puppet.drop"])
}
