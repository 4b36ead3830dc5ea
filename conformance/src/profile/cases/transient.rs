//! Parts of a source that come and go.

use std::marker::PhantomData;
use std::rc::Rc;

use super::calloop::channel::Channel;
use super::calloop::transient::TransientSource;
use super::calloop::{Dispatcher, Error, PostAction, RegistrationToken};
use super::fixture::{Context, Fixture};
use super::sources::{Puppet, Strings};
use crate::rule::{Case, Check, Deviation, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&ANSWERS_OF_THE_CHILD, answers_of_the_child),
        Case::plain(&CHILD_REMOVES_ITSELF, child_removes_itself),
        Case::plain(&CHILD_DISABLES_ITSELF, child_disables_itself),
        Case::plain(&REMOVE_AND_REPLACE, remove_and_replace),
        Case::plain(&MAP, map),
        Case::plain(&DISABLED_CHILD, disabled_child),
        Case::plain(&REPLACED_WHEN_EMPTY, replaced_when_empty),
        Case::plain(&EMPTY_BY_DEFAULT, empty_by_default),
        Case::plain(&RETRIED, retried),
    ]
}

type Child = Puppet<false>;
type Parent = Dispatcher<'static, TransientSource<Child>, Context>;

/// Inserts a transient source by itself, so that it is its own parent; the child answers `action`.
fn insert(
    f: &Fixture,
    name: &'static str,
    action: PostAction,
) -> Result<(Parent, RegistrationToken, Rc<Strings>), Deviation> {
    let (child, strings) = Puppet::new(name, f)?;
    let parent = Dispatcher::new(TransientSource::from(child), move |_, _, cx: &mut Context| {
        cx.mark("called");
        Ok(action)
    });
    let token = f.handle.register_dispatcher(parent.clone())?;
    Ok((parent, token, strings))
}

const ANSWERS_OF_THE_CHILD: Rule = Rule {
    id: "TRANS-01",
    level: Level::Must,
    sentence: "What the child of a `TransientSource` answers MUST be done to the child, and the \
               parent MUST stay in the loop.",
    why: "A part that is done, or pauses, does so without the others.",
    source: "calloop, documentation of TransientSource; calloop, test test_transient_passthrough",
    check: "how the child's answer is translated to Reregister, and what is done then",
    needs: &[],
    alone: false,
};

fn answers_of_the_child(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    for (action, done) in [
        (PostAction::Continue, &[][..]),
        (PostAction::Reregister, &["child.reregister"]),
        (PostAction::Disable, &["child.unregister"]),
        (PostAction::Remove, &["child.unregister", "child.drop"]),
    ] {
        let (parent, token, strings) = insert(&f, "child", action)?;
        let before = f.registrations.marks().len();
        strings.ping.ping();
        f.poll()?;
        let calls = f.registrations.marks().split_off(before);
        ensure_eq!(calls, done, "calls after the child answered {action:?}");
        // A parent that is gone would have an invalid token.
        parent.as_source_mut().remove();
        let outcome = f.handle.enable(&token);
        let is_gone = matches!(outcome, Err(Error::InvalidToken));
        ensure!(!is_gone, "a parent that stays", "a parent that is gone after {action:?}");
    }
    f.expect_marks(["called"; 4])
}

const CHILD_REMOVES_ITSELF: Rule = Rule {
    id: "TRANS-02",
    level: Level::Must,
    sentence: "A `TransientSource` whose child has answered `Remove` MUST be empty: `is_none` is \
               true and `map` calls nothing.",
    why: "The parent looks there whether the part is still in use.",
    source: "calloop, documentation of TransientSource::is_none and TransientSource::map; calloop, \
             test test_transient_drop",
    check: "when the child is dropped",
    needs: &[],
    alone: false,
};

fn child_removes_itself(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (parent, _, strings) = insert(&f, "child", PostAction::Remove)?;
    ensure!(!parent.as_source_ref().is_none(), "a child before", "none");
    ensure_eq!(parent.as_source_mut().map(|child| child.name), Some("child"), "map before");
    strings.ping.ping();
    f.poll()?;
    ensure!(parent.as_source_ref().is_none(), "no child after it has answered Remove", "a child");
    ensure_eq!(parent.as_source_mut().map(|child| child.name), None, "map after");
    Ok(())
}

const CHILD_DISABLES_ITSELF: Rule = Rule {
    id: "TRANS-03",
    level: Level::Must,
    sentence: "A child that has answered `Disable` MUST be kept, silent, and come back when its \
               parent is inserted again.",
    why: "A part that pauses is still there when it is wanted.",
    source: "calloop, documentation of TransientSource; calloop, test test_transient_disable",
    check: "what the parent's registration does with a child that is disabled",
    needs: &[],
    alone: false,
};

fn child_disables_itself(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (parent, token, strings) = insert(&f, "child", PostAction::Disable)?;
    strings.ping.ping();
    f.poll()?;
    strings.ping.ping();
    f.expect_quiet()?;
    f.expect_marks(["called"])?;
    f.handle.remove(token);
    f.handle.register_dispatcher(parent)?;
    f.poll()?;
    f.expect_marks(["called"; 2])
}

const REMOVE_AND_REPLACE: Rule = Rule {
    id: "TRANS-04",
    level: Level::Must,
    sentence: "From `remove` or `replace` on the former child MUST be silent; with the parent's next \
               registration it MUST be unregistered, then the new one registered, then the former \
               dropped.",
    why: "Both may use one descriptor, which cannot be registered twice nor be closed while it is.",
    source: "calloop, documentation of TransientSource::replace; calloop, issue 104",
    check: "the order in which the parent's reregister works",
    needs: &[],
    alone: false,
};

fn remove_and_replace(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (parent, token, old) = insert(&f, "old", PostAction::Continue)?;
    let (child, new) = Puppet::new("new", &f)?;
    new.ping.ping();
    old.ping.ping();
    parent.as_source_mut().replace(child);
    f.poll()?;
    f.expect_marks([])?;
    f.handle.update(&token)?;
    f.expect_registrations(["old.register", "old.unregister", "new.register", "old.drop"])?;
    f.poll()?;
    f.expect_marks(["called"])?;
    new.ping.ping();
    parent.as_source_mut().remove();
    f.poll()?;
    f.handle.update(&token)?;
    f.expect_marks(["called"])?;
    ensure_eq!(
        f.registrations.marks()[4..],
        ["new.unregister", "new.drop"],
        "calls for the removal"
    );
    Ok(())
}

const MAP: Rule = Rule {
    id: "TRANS-05",
    level: Level::Must,
    sentence: "`map` MUST call its function with the child that is to be used from now on: after \
               `replace` the new one, after `remove` none.",
    why: "The parent changes the part that will be registered, not the one that goes.",
    source: "calloop, documentation of TransientSource::map; calloop, test test_transient_map",
    check: "which of two children `map` sees",
    needs: &[],
    alone: false,
};

fn map(t: &Trial) -> Check {
    let f = Fixture::new(t)?;
    let (parent, token, _) = insert(&f, "old", PostAction::Continue)?;
    let (child, _) = Puppet::new("new", &f)?;
    let seen = |parent: &Parent| parent.as_source_mut().map(|child| child.name);
    ensure_eq!(seen(&parent), Some("old"), "child before");
    parent.as_source_mut().replace(child);
    ensure_eq!(seen(&parent), Some("new"), "child after `replace`");
    f.handle.update(&token)?;
    ensure_eq!(seen(&parent), Some("new"), "child after the update");
    parent.as_source_mut().remove();
    ensure_eq!(seen(&parent), None, "child after `remove`");
    Ok(())
}

const DISABLED_CHILD: Rule = Rule {
    id: "TRANS-06",
    level: Level::Must,
    sentence: "A parent whose child is disabled MUST be free to be updated, disabled and enabled.",
    why: "The parent is registered anew for its other parts, whatever state this one is in.",
    source: "calloop, documentation of TransientSource and LoopHandle::update",
    check: "whether a child that is unregistered is unregistered again",
    needs: &[],
    alone: false,
};

fn disabled_child(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (_parent, token, strings) = insert(&f, "child", PostAction::Disable)?;
    strings.ping.ping();
    f.poll()?;
    f.handle.update(&token)?;
    f.handle.disable(&token)?;
    strings.ping.ping();
    f.expect_quiet()?;
    f.handle.enable(&token)?;
    f.poll()?;
    f.expect_marks(["called"; 2])
}

const REPLACED_WHEN_EMPTY: Rule = Rule {
    id: "TRANS-07",
    level: Level::Should,
    sentence: "`replace` of a `TransientSource` that is empty SHOULD put the new child in.",
    why: "A part that has ended is started again; to drop it without a word is never wanted.",
    source: "calloop, documentation of TransientSource::replace",
    check: "what `replace` does when there is nothing to replace",
    needs: &[],
    alone: false,
};

fn replaced_when_empty(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (parent, token, first) = insert(&f, "first", PostAction::Remove)?;
    first.ping.ping();
    f.poll()?;
    let (child, second) = Puppet::new("second", &f)?;
    parent.as_source_mut().replace(child);
    f.handle.update(&token)?;
    second.ping.ping();
    f.poll()?;
    f.expect_marks(["called"; 2])
}

const EMPTY_BY_DEFAULT: Rule = Rule {
    id: "TRANS-08",
    level: Level::Must,
    sentence: "`TransientSource::default()` MUST be there for every source, and be empty.",
    why: "A part that comes later starts out empty; channels, pings and timers have no default.",
    source: "calloop, documentation of TransientSource, which uses it for a channel",
    check: "whether Default is derived, so that it asks the same of the child",
    needs: &[],
    alone: false,
};

fn empty_by_default(_: &Trial) -> Check {
    /// Where a type has no default, what the trait offers is found in its place.
    struct Probe<T>(PhantomData<T>);
    trait Otherwise<T> {
        fn default_of() -> Option<T> {
            None
        }
    }
    impl<T> Otherwise<T> for Probe<T> {}
    impl<T: Default> Probe<T> {
        fn default_of() -> Option<T> {
            Some(T::default())
        }
    }
    // The probe itself: a number has a default, a file has none.
    ensure_eq!(Probe::<u32>::default_of(), Some(0), "default of a number");
    ensure!(Probe::<std::fs::File>::default_of().is_none(), "no default of a file", "one");
    let default = Probe::<TransientSource<Channel<()>>>::default_of();
    let is_empty = default.map(|transient| transient.is_none());
    ensure_eq!(is_empty, Some(true), "whether the default for a channel, if any, is empty");
    Ok(())
}

const RETRIED: Rule = Rule {
    id: "TRANS-09",
    level: Level::Should,
    sentence: "When the registration of a new child fails, the next registration of its parent \
               SHOULD try it again.",
    why: "What failed for want of descriptors succeeds later.",
    source: "calloop, documentation of TransientSource::replace and LoopHandle::update",
    check: "in what state a failure leaves the child",
    needs: &[],
    alone: false,
};

fn retried(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (parent, token, _) = insert(&f, "old", PostAction::Continue)?;
    let (child, strings) = Puppet::new("new", &f)?;
    strings.failing.set(Some("register"));
    parent.as_source_mut().replace(child);
    ensure!(f.handle.update(&token).is_err(), "the error of the child", "Ok");
    strings.failing.set(None);
    f.handle.update(&token)?;
    strings.ping.ping();
    f.poll()?;
    f.expect_marks(["called"])
}
