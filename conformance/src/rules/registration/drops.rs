//! What is dropped with a source, and what that may do.

use std::any::Any;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::adapter::{Adapter, Capability};
use crate::ensure_eq;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::rules::fds::{watch, watch_and};
use crate::rules::kit::{FAR, OnDrop, Wire, has, insert_once};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&DROPPED_ONCE, dropped_once),
        Case::new::<A>(&DROPPED_AT_ONCE, dropped_at_once),
        Case::new::<A>(&CLOSED, closed),
        Case::new::<A>(&DROP_USES_THE_LOOP, drop_uses_the_loop),
    ]
}

/// A source whose callback has captured a value.
struct Inserted<A: Adapter> {
    kind: &'static str,
    source: A::Source,
    /// What the source might end without.
    _partner: Box<dyn Any>,
}

impl<A: Adapter> Inserted<A> {
    fn new(kind: &'static str, source: A::Source, partner: impl Any) -> Self {
        Inserted { kind, source, _partner: Box::new(partner) }
    }
}

/// One of each kind that the loop has; each callback captures what `value` makes for its kind.
fn one_of_each<A: Adapter, V: 'static>(
    t: &Fixture<'_, A>,
    value: impl Fn(&'static str) -> V,
) -> Result<Vec<Inserted<A>>, Deviation> {
    let mut sources = Vec::new();
    let captured = value("timer");
    let source = insert_once::<A>(&t.handle, FAR, move |_| _ = &captured)?;
    sources.push(Inserted::new("timer", source, ()));
    if has::<A>(Capability::Descriptors) {
        let (captured, (wire, fd)) = (value("descriptor"), Wire::new()?);
        let source = watch_and(t, fd, "descriptor", move |_| _ = &captured)?;
        sources.push(Inserted::new("descriptor", source, wire));
    }
    if has::<A>(Capability::Ping) {
        let captured = value("ping");
        let (ping, source) = A::insert_ping(&t.handle, move |_| _ = &captured)?;
        sources.push(Inserted::new("ping", source, ping));
    }
    if has::<A>(Capability::Channel) {
        let captured = value("channel");
        let (sender, source) = A::insert_channel::<(), _>(&t.handle, move |_, _| _ = &captured)?;
        sources.push(Inserted::new("channel", source, sender));
    }
    Ok(sources)
}

/// What marks the drop of a kind of source.
fn marking<A: Adapter>(t: &Fixture<'_, A>) -> impl Fn(&'static str) -> OnDrop<Box<dyn FnMut()>> {
    let trace = t.trace();
    move |kind| {
        let trace = trace.clone();
        OnDrop(Box::new(move || trace.mark(format_args!("{kind} dropped"))))
    }
}

const DROPPED_ONCE: Rule = Rule {
    id: "REG-22",
    level: Level::Must,
    sentence: "What a callback has captured MUST be dropped exactly once, by the end of the dispatch \
               after its removal at the latest.",
    why: "It holds connections, locks and memory that are counted on to be released.",
    source: "glib, tests source_finalize_*; sd-event, documentation of \
             sd_event_source_set_destroy_callback",
    check: "who holds the callback after the removal, and whether a name keeps it",
    needs: &[Capability::Timers],
    alone: false,
};

fn dropped_once<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut kinds = Vec::new();
    // Removed from outside, then by a callback.
    for inserted in one_of_each(t, marking(t))? {
        kinds.push(inserted.kind);
        A::remove(&t.handle, inserted.source);
    }
    t.deliver()?;
    expect_drops(t, &kinds, 1, "its removal")?;
    let mut all = one_of_each(t, marking(t))?;
    insert_once::<A>(&t.handle, Duration::ZERO, move |handle| {
        all.drain(..).for_each(|inserted| A::remove(handle, inserted.source));
    })?;
    t.dispatch_until("the drop of what a timer removed", |trace| {
        trace.marks().len() >= 2 * kinds.len()
    })?;
    t.deliver()?;
    expect_drops(t, &kinds, 2, "its removal by a callback")
}

fn expect_drops<A: Adapter>(
    t: &Fixture<'_, A>,
    kinds: &[&str],
    expected: usize,
    after: &str,
) -> Check {
    for kind in kinds {
        let drops = t.trial.trace.count(&format!("{kind} dropped"));
        ensure_eq!(drops, expected, "drops of what a {kind} has captured, after {after}");
    }
    Ok(())
}

const DROPPED_AT_ONCE: Rule = Rule {
    id: "REG-106",
    level: Level::Should,
    sentence: "A source that is removed outside of its own callback SHOULD be dropped, with what it \
               captured, before the removal returns.",
    why: "A program that removes its sources to leave does not dispatch again.",
    source: "calloop, documentation of LoopHandle::remove; libuv differs, see uv_close",
    check: "what waits for the next dispatch to be released",
    needs: &[Capability::Timers],
    alone: false,
};

fn dropped_at_once<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for inserted in one_of_each(t, marking(t))? {
        A::remove(&t.handle, inserted.source);
        expect_drops(t, &[inserted.kind], 1, "its removal, without a dispatch")?;
    }
    Ok(())
}

const CLOSED: Rule = Rule {
    id: "REG-107",
    level: Level::Must,
    sentence: "The descriptor of a removed source MUST be closed, by the end of the dispatch after \
               its removal at the latest.",
    why: "The other side waits for the end, and a process has few descriptors.",
    source: "sd-event, documentation of sd_event_source_set_io_fd_own; close(2)",
    check: "what else holds the descriptor: a duplicate, a list of what is to be unregistered",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn closed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (mut far, near) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let source = watch(t, near.into(), "called")?;
    t.deliver()?;
    let before = far.read(&mut [0]).map_err(|error| error.kind());
    ensure_eq!(before, Err(std::io::ErrorKind::WouldBlock), "what the peer reads meanwhile");
    A::remove(&t.handle, source);
    t.deliver()?;
    let after = far.read(&mut [0]).map_err(|error| error.kind());
    ensure_eq!(after, Ok(0), "what the peer reads after the removal: the end");
    t.expect_marks::<&str>(&[])
}

const DROP_USES_THE_LOOP: Rule = Rule {
    id: "REG-108",
    level: Level::Must,
    sentence: "The drop of what a removed source has captured MUST be able to use the loop: to \
               insert others, and to remove some.",
    why: "A connection that is dropped removes its timers: that is what Drop is for.",
    source: "glib, tests of finalization from a source's own callbacks; calloop, changelog of 0.3.1",
    check: "what is borrowed or locked while the source is dropped",
    needs: &[Capability::Timers],
    alone: false,
};

fn drop_uses_the_loop<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    // What a source holds removes another and inserts a third when it is dropped.
    let meddling = |t: &Fixture<'_, A>| {
        let (handle, trace) = (t.handle.clone(), t.trace());
        move |kind: &'static str| {
            let (handle, trace) = (handle.clone(), trace.clone());
            let inserted = insert_once::<A>(&handle, FAR, |_| {});
            let mut removes = inserted.ok();
            OnDrop(move || {
                trace.mark(format_args!("{kind} dropped"));
                removes.take().into_iter().for_each(|source| A::remove(&handle, source));
                let mark = trace.clone();
                let called = move |_: &A::Handle| mark.mark(format_args!("{kind} had it called"));
                if let Err(failure) = insert_once::<A>(&handle, Duration::ZERO, called) {
                    trace.mark(format_args!("{kind}: not inserted: {failure}"));
                }
            })
        }
    };
    for by_a_callback in [false, true] {
        let mut sources = one_of_each(t, meddling(t))?;
        let kinds: Vec<_> = sources.iter().map(|inserted| inserted.kind).collect();
        let calls = if by_a_callback { 2 } else { 1 };
        if by_a_callback {
            insert_once::<A>(&t.handle, Duration::ZERO, move |handle| {
                sources.drain(..).for_each(|inserted| A::remove(handle, inserted.source));
            })?;
        } else {
            sources.drain(..).for_each(|inserted| A::remove(&t.handle, inserted.source));
        }
        for kind in kinds {
            let called = format!("{kind} had it called");
            let what = format!("a call of what the drop of a {kind}'s callback inserted");
            t.dispatch_until(&what, |trace| trace.count(&called) == calls)?;
        }
    }
    Ok(())
}
