//! The hooks around a wait: `before_sleep` and `before_handle_events`.

use std::time::{Duration, Instant};

use super::calloop::PostAction;
use super::fixture::Fixture;
use super::sources::{Cue, Puppet, answering};
use crate::rule::{Case, Check, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&AROUND_EACH_WAIT, around_each_wait),
        Case::plain(&ASKED_FOR, asked_for),
        Case::plain(&OWN_EVENTS, own_events),
        Case::plain(&NOT_WHILE_DISABLED, not_while_disabled),
        Case::plain(&ONCE_A_WAIT, once_a_wait),
        Case::plain(&PAIRED_ON_ERROR, paired_on_error),
        Case::plain(&ASKED_FOR_ONCE, asked_for_once),
        Case::plain(&IDLE_FROM_A_HOOK, idle_from_a_hook),
        Case::plain(&HOOK_ORDER, hook_order),
    ]
}

const AROUND_EACH_WAIT: Rule = Rule {
    id: "HOOK-01",
    level: Level::Must,
    sentence: "A source with `NEEDS_EXTRA_LIFECYCLE_EVENTS` MUST have `before_sleep` called before \
               each wait and `before_handle_events` after it, before any event; a source without \
               it neither.",
    why: "Two readers of one queue, as in Wayland, announce that they will read before they wait, \
          and read or take it back when they wake.",
    source: "calloop, documentation of EventSource::before_sleep and before_handle_events",
    check: "where in a dispatch the two are called, and for whom",
    needs: &[],
    alone: false,
};

fn around_each_wait(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (hooked, _strings) = Puppet::<true>::new("hooked", &f)?;
    let (plain, strings) = Puppet::<false>::new("plain", &f)?;
    f.handle.insert_source(plain, answering(PostAction::Continue))?;
    f.handle.insert_source(hooked, answering(PostAction::Continue))?;
    strings.ping.ping();
    f.poll()?;
    f.poll()?;
    f.expect_marks([
        "hooked.before_sleep",
        "hooked.before_handle_events",
        "called",
        "hooked.before_sleep",
        "hooked.before_handle_events",
    ])
}

const ASKED_FOR: Rule = Rule {
    id: "HOOK-02",
    level: Level::Must,
    sentence: "If `before_sleep` returns a readiness and a token, the dispatch MUST NOT wait, and \
               the source MUST be called with just these, before the events of the wait.",
    why: "A source that has read ahead holds events that the kernel knows nothing of.",
    source: "calloop, documentation of EventSource::before_sleep; calloop, test \
             additional_events_synthetic",
    check: "what becomes of the hook's result",
    needs: &[],
    alone: false,
};

fn asked_for(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<true>::new("puppet", &f)?;
    f.handle.insert_source(puppet, |cue, &mut (), cx| {
        cx.mark(if cue == Cue::Asked { "asked for" } else { "pinged" });
        Ok(PostAction::Continue)
    })?;
    strings.asks.set(true);
    let start = Instant::now();
    f.dispatch(Duration::from_secs(60))?;
    ensure!(start.elapsed() < Duration::from_secs(60), "a dispatch that does not wait", "a wait");
    strings.asks.set(true);
    strings.ping.ping();
    f.poll()?;
    f.expect_marks([
        "puppet.before_sleep",
        "puppet.before_handle_events",
        "asked for",
        "puppet.before_sleep",
        "puppet.before_handle_events",
        "puppet.event",
        "asked for",
        "pinged",
    ])
}

const OWN_EVENTS: Rule = Rule {
    id: "HOOK-03",
    level: Level::Must,
    sentence: "`before_handle_events` MUST be lent the events that the wait brought for the source, \
               and those of no other.",
    why: "It decides there whether to read what it has announced, or to take the announcement back.",
    source: "calloop, documentation of EventSource::before_handle_events; calloop, issue 149",
    check: "what the iterator filters by",
    needs: &[],
    alone: false,
};

fn own_events(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    for name in ["one", "two", "three"] {
        let (puppet, strings) = Puppet::<true>::new(name, &f)?;
        f.handle.insert_source(puppet, answering(PostAction::Continue))?;
        if name != "two" {
            strings.ping.ping();
        }
    }
    f.poll()?;
    let events = ["one.event", "two.event", "three.event"].map(|event| f.trace.count(event));
    ensure_eq!(events, [1, 0, 1], "events of each");
    ensure_eq!(f.trace.count("called"), 2, "calls");
    Ok(())
}

const NOT_WHILE_DISABLED: Rule = Rule {
    id: "HOOK-04",
    level: Level::Must,
    sentence: "The hooks MUST NOT be called while their source is disabled, nor after its removal.",
    why: "Who disabled a source counts on silence.",
    source: "calloop, documentation of LoopHandle::disable; calloop, test additional_events",
    check: "whether disabling takes the source off the list of hooks, and enabling puts it back",
    needs: &[],
    alone: false,
};

fn not_while_disabled(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, _strings) = Puppet::<true>::new("puppet", &f)?;
    let token = f.handle.insert_source(puppet, answering(PostAction::Continue))?;
    f.handle.disable(&token)?;
    f.poll()?;
    f.expect_marks([])?;
    f.handle.enable(&token)?;
    f.poll()?;
    f.handle.remove(token);
    f.poll()?;
    f.expect_marks(["puppet.before_sleep", "puppet.before_handle_events"])
}

const ONCE_A_WAIT: Rule = Rule {
    id: "HOOK-05",
    level: Level::Must,
    sentence: "`before_sleep` MUST be called once a wait, however often the source was updated.",
    why: "A hook that takes a lock or announces a read is wrong when it is called twice, and a loop \
          that calls it ever more often slows down for ever.",
    source: "calloop, documentation of EventSource::before_sleep",
    check: "whether updating a source adds it to the list of hooks again",
    needs: &[],
    alone: false,
};

fn once_a_wait(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, _strings) = Puppet::<true>::new("puppet", &f)?;
    let token = f.handle.insert_source(puppet, answering(PostAction::Continue))?;
    for updates in 0..4 {
        let before = f.trace.count("puppet.before_sleep");
        f.poll()?;
        let calls = f.trace.count("puppet.before_sleep") - before;
        ensure_eq!(calls, 1, "calls in one wait after {updates} updates");
        f.handle.update(&token)?;
    }
    Ok(())
}

const PAIRED_ON_ERROR: Rule = Rule {
    id: "HOOK-06",
    level: Level::Must,
    sentence: "A `before_sleep` that succeeded MUST be followed by `before_handle_events`, also if \
               the `before_sleep` of another source fails.",
    why: "What the first has announced or locked, the second takes back; without it other threads \
          wait for ever.",
    source: "calloop, documentation of EventSource::before_handle_events",
    check: "what a dispatch does before it returns the error of a hook",
    needs: &[],
    alone: false,
};

fn paired_on_error(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let mut failing = None;
    for name in ["one", "failing", "three"] {
        let (puppet, strings) = Puppet::<true>::new(name, &f)?;
        f.handle.insert_source(puppet, answering(PostAction::Continue))?;
        failing = failing.or((name == "failing").then_some(strings));
    }
    let failing = failing.expect("one of the three");
    failing.failing.set(Some("before_sleep"));
    ensure!(f.poll().is_err(), "the error of the hook", "Ok");
    failing.failing.set(None);
    f.poll()?;
    for name in ["one", "three"] {
        let sleeps = f.trace.count(&format!("{name}.before_sleep"));
        let handles = f.trace.count(&format!("{name}.before_handle_events"));
        ensure_eq!(handles, sleeps, "calls of {name}.before_handle_events");
    }
    Ok(())
}

const ASKED_FOR_ONCE: Rule = Rule {
    id: "HOOK-10",
    level: Level::Must,
    sentence: "What a `before_sleep` asked for MUST be delivered once, also if the dispatch then \
               fails and the hook asks for the same again.",
    why: "The source has one event in memory; a second call finds it gone.",
    source: "calloop, documentation of EventSource::before_sleep",
    check: "what becomes of the events asked for when a later hook fails",
    needs: &[],
    alone: false,
};

fn asked_for_once(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (asking, asking_strings) = Puppet::<true>::new("asking", &f)?;
    let (failing, failing_strings) = Puppet::<true>::new("failing", &f)?;
    f.handle.insert_source(asking, answering(PostAction::Continue))?;
    f.handle.insert_source(failing, answering(PostAction::Continue))?;
    asking_strings.asks.set(true);
    failing_strings.failing.set(Some("before_sleep"));
    ensure!(f.poll().is_err(), "the error of the hook", "Ok");
    failing_strings.failing.set(None);
    f.poll()?;
    f.poll()?;
    ensure_eq!(f.trace.count("called"), 1, "calls for one event asked for");
    Ok(())
}

const IDLE_FROM_A_HOOK: Rule = Rule {
    id: "HOOK-07",
    level: Level::Should,
    sentence: "A hook SHOULD be able to insert an idle callback, which runs in the same dispatch.",
    why: "What a hook notices but cannot do itself it puts off to the end of the dispatch.",
    source: "observed of calloop 0.14.5",
    check: "what is borrowed while hooks are called",
    needs: &[],
    alone: false,
};

fn idle_from_a_hook(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<true>::new("puppet", &f)?;
    f.handle.insert_source(puppet, answering(PostAction::Continue))?;
    let handle = f.handle.clone();
    strings.act.set(Some(Box::new(move || {
        let _ = handle.insert_idle(|cx| cx.mark("idle"));
    })));
    f.poll()?;
    f.expect_marks(["puppet.before_sleep", "puppet.before_handle_events", "idle"])
}

const HOOK_ORDER: Rule = Rule {
    id: "HOOK-09",
    level: Level::Should,
    sentence: "Hooks SHOULD be called in the order in which their sources were last enabled.",
    why: "Locks that several hooks take are taken in one order.",
    source: "observed of calloop 0.14.5",
    check: "where in the list a source that is enabled again comes",
    needs: &[],
    alone: false,
};

fn hook_order(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let mut tokens = Vec::new();
    for name in ["one", "two"] {
        let (puppet, _strings) = Puppet::<true>::new(name, &f)?;
        tokens.push(f.handle.insert_source(puppet, answering(PostAction::Continue))?);
    }
    f.poll()?;
    f.handle.disable(&tokens[0])?;
    f.handle.enable(&tokens[0])?;
    f.poll()?;
    f.expect_marks([
        "one.before_sleep",
        "two.before_sleep",
        "one.before_handle_events",
        "two.before_handle_events",
        "two.before_sleep",
        "one.before_sleep",
        "two.before_handle_events",
        "one.before_handle_events",
    ])
}
