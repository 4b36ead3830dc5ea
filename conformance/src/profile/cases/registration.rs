//! Inserting, changing and removing sources.

use super::calloop::ping::make_ping;
use super::calloop::timer::{TimeoutAction, Timer};
use super::calloop::{Error, PostAction};
use super::fixture::{Context, Fixture};
use super::sources::{OnDrop, Puppet, answering};
use crate::rule::{Case, Check, Deviation, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&FAILED_INSERTION, failed_insertion),
        Case::plain(&FAILED_INSERTION_WITH_HOOKS, failed_insertion_with_hooks),
        Case::plain(&CHANGED_IN_ITS_CALLBACK, changed_in_its_callback),
        Case::plain(&ANSWER_BEATS_CHANGE, answer_beats_change),
        Case::plain(&UPDATE_IS_NOT_ENABLE, update_is_not_enable),
        Case::plain(&DROP_USES_THE_HANDLE, drop_uses_the_handle),
        Case::plain(&REMOVED_WITH_ERROR, removed_with_error),
    ]
}

const FAILED_INSERTION: Rule = Rule {
    id: "REG-53",
    level: Level::Must,
    sentence: "`insert_source` of a source that cannot register MUST give the source back in \
               `InsertError::inserted`, and MUST leave nothing of it in the loop.",
    why: "The caller mends what was wrong and tries again with the same source, or releases what \
          it holds.",
    source: "calloop, documentation of InsertError",
    check: "whether the slot is freed and every other reference to the source dropped",
    needs: &[],
    alone: false,
};

fn failed_insertion(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<false>::new("puppet", &f)?;
    strings.failing.set(Some("register"));
    strings.ping.ping();
    let Err(error) = f.handle.insert_source(puppet, answering(PostAction::Continue)) else {
        return Err(Deviation::new("an InsertError", "Ok"));
    };
    ensure!(matches!(error.error, Error::IoError(_)), "its IoError", "{:?}", error.error);
    f.poll()?;
    f.expect_marks([])?;
    strings.failing.set(None);
    ensure_eq!(error.inserted.name, "puppet", "source in the error");
    f.handle.insert_source(error.inserted, answering(PostAction::Continue))?;
    f.poll()?;
    f.expect_marks(["called"])?;
    f.expect_registrations(["puppet.register", "puppet.register"])
}

const FAILED_INSERTION_WITH_HOOKS: Rule = Rule {
    id: "REG-03",
    level: Level::Must,
    sentence: "After the failed insertion of a source with hooks the loop MUST go on without it.",
    why: "Insertion fails when descriptors run out or a device is gone; a loop that dies of it \
          takes the program along.",
    source: "calloop, documentation of InsertError and EventSource::before_sleep",
    check: "whether the source is put on the list of hooks before its registration succeeded",
    needs: &[],
    alone: false,
};

fn failed_insertion_with_hooks(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<true>::new("puppet", &f)?;
    strings.failing.set(Some("register"));
    let outcome = f.handle.insert_source(puppet, answering(PostAction::Continue));
    ensure!(outcome.is_err(), "an InsertError", "Ok");
    drop(outcome);
    let (innocent, _) = f.insert_ping("innocent")?;
    innocent.ping();
    f.poll()?;
    f.expect_marks(["innocent"])
}

const CHANGED_IN_ITS_CALLBACK: Rule = Rule {
    id: "REG-54",
    level: Level::Must,
    sentence: "`disable` or `update` of a source in its own callback MUST wait until the callback \
               has returned, and of several the last counts.",
    why: "The source is in use while its callback runs, and the caller need not know whose callback \
          it is in.",
    source: "calloop, documentation of LoopHandle::update and LoopHandle::disable; observed",
    check: "what is kept for later when the source is being called, and when it is done",
    needs: &[],
    alone: false,
};

fn changed_in_its_callback(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<false>::new("puppet", &f)?;
    let registrations = f.registrations.clone();
    let mut is_first = true;
    f.context.subject = Some(f.handle.insert_source(puppet, move |_, &mut (), cx| {
        let (handle, own) = (&cx.handle, cx.subject());
        if std::mem::take(&mut is_first) {
            let _ = (handle.disable(&own), handle.update(&own));
        } else {
            let _ = (handle.update(&own), handle.disable(&own));
        }
        registrations.mark("callback returns");
        Ok(PostAction::Continue)
    })?);
    for _ in 0..3 {
        strings.ping.ping();
        f.poll()?;
    }
    f.expect_registrations([
        "puppet.register",
        "callback returns",
        "puppet.reregister",
        "callback returns",
        "puppet.unregister",
    ])
}

const ANSWER_BEATS_CHANGE: Rule = Rule {
    id: "REG-51",
    level: Level::Must,
    sentence: "What was asked for a source in its own callback MUST be done only if the source \
               answers `PostAction::Continue`; otherwise its answer counts.",
    why: "The source answers last, and knows best what it needs.",
    source: "calloop, documentation of PostAction; observed of 0.14.5",
    check: "which of the two is looked at first after the callback",
    needs: &[],
    alone: false,
};

fn answer_beats_change(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<false>::new("puppet", &f)?;
    f.context.subject = Some(f.handle.insert_source(puppet, |_, &mut (), cx| {
        cx.mark("called");
        let _ = cx.handle.disable(&cx.subject());
        Ok(PostAction::Reregister)
    })?);
    for _ in 0..2 {
        strings.ping.ping();
        f.poll()?;
    }
    f.expect_registrations(["puppet.register", "puppet.reregister", "puppet.reregister"])?;
    f.expect_marks(["called"; 2])
}

const UPDATE_IS_NOT_ENABLE: Rule = Rule {
    id: "REG-55",
    level: Level::Should,
    sentence: "`update` of a disabled source SHOULD NOT bring it back.",
    why: "Who disabled a source counts on silence until `enable`, whatever others change meanwhile.",
    source: "calloop, documentation of LoopHandle::disable and LoopHandle::update",
    check: "whether `update` looks at the state of the source before it registers it",
    needs: &[],
    alone: false,
};

fn update_is_not_enable(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let token = f.handle.insert_source(Timer::immediate(), |_, &mut (), cx| {
        cx.mark("disabled timer");
        TimeoutAction::Drop
    })?;
    f.handle.disable(&token)?;
    let outcome = f.handle.update(&token);
    f.trace.note(format_args!("update answered {outcome:?}"));
    f.expect_quiet()?;
    f.handle.enable(&token)?;
    f.poll()?;
    f.expect_marks(["disabled timer"])
}

const DROP_USES_THE_HANDLE: Rule = Rule {
    id: "REG-23",
    level: Level::Must,
    sentence: "What `remove` drops, the source and what its callback has captured, MUST be able to \
               use the `LoopHandle`.",
    why: "A connection that closes removes its timer and its other sources: that is what Drop is for.",
    source: "calloop, changelog of 0.3.1: dropping a source may remove another",
    check: "whether the registry is borrowed while the removed source is dropped",
    needs: &[],
    alone: false,
};

fn drop_uses_the_handle(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (sibling, sibling_token) = f.insert_ping("sibling")?;
    let (_ping, source) = make_ping()?;
    let handle = f.handle.clone();
    let captured = OnDrop(move || {
        handle.remove(sibling_token);
        let _ = handle.insert_idle(|cx| cx.mark("idle"));
        let inserted = handle.insert_source(Timer::immediate(), |_, &mut (), cx: &mut Context| {
            cx.mark("timer");
            TimeoutAction::Drop
        });
        drop(inserted);
    });
    let token = f.handle.insert_source(source, move |(), &mut (), _| {
        let _ = &captured;
    })?;
    sibling.ping();
    f.handle.remove(token);
    f.poll()?;
    f.expect_marks(["timer", "idle"])
}

const REMOVED_WITH_ERROR: Rule = Rule {
    id: "REG-24",
    level: Level::Must,
    sentence: "`remove` of a source whose `unregister` fails MUST remove it all the same, its hooks \
               included.",
    why: "A descriptor that is gone cannot be unregistered; its source must not bring the loop down.",
    source: "calloop, documentation of LoopHandle::remove and EventSource::before_sleep",
    check: "whether the source is taken off the list of hooks before or after it is unregistered",
    needs: &[],
    alone: false,
};

fn removed_with_error(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<true>::new("puppet", &f)?;
    let token = f.handle.insert_source(puppet, answering(PostAction::Continue))?;
    strings.failing.set(Some("unregister"));
    strings.ping.ping();
    f.handle.remove(token);
    let (innocent, _) = f.insert_ping("innocent")?;
    innocent.ping();
    f.poll()?;
    f.expect_marks(["innocent"])?;
    f.expect_registrations(["puppet.register", "puppet.unregister", "puppet.drop"])
}
