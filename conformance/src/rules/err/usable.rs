//! A loop after a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::kit::{OnDrop, has, insert_once, insert_reader, raise};
use super::{Trouble, insert_trouble, panic_on_purpose};
use crate::adapter::{Adapter, Capability, Ping, Sender};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::trace::Trace;
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&USABLE, usable),
        Case::new::<A>(&PANIC_IN_DROP, panic_in_drop),
        Case::new::<A>(&STAYS, stays),
        Case::new::<A>(&CHANGED, changed),
    ]
}

const USABLE: Rule = Rule {
    id: "LOOP-15",
    level: Level::Must,
    sentence: "After a panic in a callback of any kind that the caller catches, the loop MUST be \
               usable: to dispatch, to insert and to remove, also the source that panicked.",
    why: "A host that runs plug-ins or requests catches their panics and goes on.",
    source: "tokio, test panic_in_task; std::panic::catch_unwind; calloop, documentation of \
             EventLoop",
    check: "what is borrowed, locked or taken out of its place while a callback runs, and whether a \
            guard puts it back",
    needs: &[Capability::Timers, Capability::Panics],
    alone: false,
};

fn usable<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, witness) = (t.trace(), Rc::new(()));
    let panicking = |name: &'static str| {
        let (trace, held) = (trace.clone(), witness.clone());
        move |_: &A::Handle| {
            let _ = &held;
            trace.mark(name);
            panic_on_purpose()
        }
    };
    let source = insert_once::<A>(&t.handle, Duration::ZERO, panicking("panic of a timer"))?;
    expect_usable(t, "panic of a timer", Some(source))?;
    if has::<A>(Capability::Descriptors) {
        let (wire, source) = insert_reader::<A>(&t.handle, panicking("panic of a descriptor"))?;
        wire.send();
        expect_usable(t, "panic of a descriptor", Some(source))?;
    }
    if has::<A>(Capability::Ping) {
        let (ping, source) = A::insert_ping(&t.handle, panicking("panic of a ping"))?;
        ping.ping();
        expect_usable(t, "panic of a ping", Some(source))?;
    }
    if has::<A>(Capability::Channel) {
        let panics = panicking("panic of a channel");
        let (sender, source) = A::insert_channel(&t.handle, move |handle, _| panics(handle))?;
        ensure!(sender.send(()).is_ok(), "the channel to take a message", "it was refused");
        expect_usable(t, "panic of a channel", Some(source))?;
    }
    if has::<A>(Capability::Signals) {
        let (signal, panics) = (Signal::SIGUSR2, panicking("panic of a signal"));
        let source =
            A::insert_signals(&t.handle, &[signal as i32], move |handle, _| panics(handle))?;
        raise(signal);
        expect_usable(t, "panic of a signal", Some(source))?;
    }
    if has::<A>(Capability::Idle) {
        drop(A::insert_idle(&t.handle, panicking("panic of an idle callback"))?);
        expect_usable(t, "panic of an idle callback", None)?;
    }
    let holders = Rc::strong_count(&witness) - 1;
    ensure_eq!(holders, 0, "sources that panicked, were removed, and keep what they have captured");
    Ok(())
}

/// Lets the callback that is due panic, and then uses the loop.
fn expect_usable<A: Adapter>(
    t: &mut Fixture<'_, A>,
    panic: &str,
    source: Option<A::Source>,
) -> Check {
    t.survive_until(panic, |trace| trace.count(panic) > 0)?;
    let after = t.trial.trace.count("after a panic");
    let removed = insert_once::<A>(&t.handle, Duration::ZERO, t.marker("removed"))?;
    A::remove(&t.handle, removed);
    source.into_iter().for_each(|source| A::remove(&t.handle, source));
    insert_once::<A>(&t.handle, Duration::ZERO, t.marker("after a panic"))?;
    t.dispatch_until(&format!("a timer to be called after the {panic}"), |trace: &Trace| {
        trace.count("after a panic") > after
    })?;
    t.poll()?;
    ensure_eq!(t.trial.trace.count(panic), 1, "calls that panicked ({panic})");
    ensure_eq!(t.trial.trace.count("removed"), 0, "calls of a source removed after the {panic}");
    Ok(())
}

const PANIC_IN_DROP: Rule = Rule {
    id: "ERR-108",
    level: Level::Must,
    sentence: "A panic in the `Drop` of what a removed source has captured MUST reach the caller or \
               be contained, and MUST leave the loop usable and the source removed.",
    why: "What a callback captures is the user's own code; its mistakes must not spread.",
    source: "Rust reference, on destructors and panics; glib, tests on finalization",
    check: "what is half done when the source is dropped",
    needs: &[Capability::Timers, Capability::Panics],
    alone: false,
};

fn panic_in_drop<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let insert = |t: &Fixture<'_, A>| {
        let (trace, mut is_dropped) = (t.trace(), false);
        let captured = OnDrop(move || {
            if !std::mem::replace(&mut is_dropped, true) {
                trace.mark("panic in drop");
                panic_on_purpose()
            }
        });
        let trace = t.trace();
        insert_once::<A>(&t.handle, Duration::ZERO, move |_| {
            let _ = &captured;
            trace.mark("removed timer");
        })
    };
    let source = insert(t)?;
    // The panic is either contained or ours.
    let _ = catch_unwind(AssertUnwindSafe(|| A::remove(&t.handle, source)));
    expect_usable(t, "panic in drop", None)?;

    if has::<A>(Capability::Descriptors) {
        let (source, trace) = (insert(t)?, t.trace());
        let mut source = Some(source);
        let (wire, _reader) = insert_reader::<A>(&t.handle, move |handle| {
            if let Some(source) = source.take() {
                A::remove(handle, source);
            }
            trace.mark("remover returned");
        })?;
        wire.send();
        t.survive_until("the second drop", |trace| trace.count("panic in drop") > 1)?;
        insert_once::<A>(&t.handle, Duration::ZERO, t.marker("at the end"))?;
        t.dispatch_until("a timer to be called", |trace| trace.count("at the end") > 0)?;
    }
    // A loop that calls timers first may have called the second one before it was removed.
    let calls = t.trial.trace.count("removed timer");
    ensure!(calls <= 1, "at most one call of a timer that was removed", "{calls}");
    Ok(())
}

const STAYS: Rule = Rule {
    id: "ERR-111",
    level: Level::Should,
    sentence: "A source whose callback has panicked SHOULD stay in the loop and be called for its \
               next event.",
    why: "The caller who catches a panic expects the loop it had before; a listener that is gone \
          without a word refuses clients for ever.",
    source: "observed of calloop 0.14.5; tokio, test panic_in_task",
    check: "whether the callback is taken out of its source while it runs",
    needs: &[Capability::Panics, Capability::Level],
    alone: false,
};

fn stays<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let wire = insert_trouble(t, Trouble::Panic)?;
    for panics in 1..=3 {
        t.survive_until("the callback to be called again", |trace| {
            trace.count("trouble") >= panics
        })?;
        wire.send();
    }
    Ok(())
}

const CHANGED: Rule = Rule {
    id: "ERR-112",
    level: Level::Must,
    sentence: "A source whose callback has panicked MUST be silent once it was disabled, and be called \
               again once it was enabled.",
    why: "To silence what has panicked is the first thing that whoever catches the panic does.",
    source: "calloop, documentation of LoopHandle::disable; std::panic::catch_unwind",
    check: "whether the source still counts as being called, so that changes wait for its return",
    needs: &[Capability::Panics, Capability::Disable, Capability::Ping],
    alone: false,
};

fn changed<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (trace, mut is_first) = (t.trace(), true);
    let (ping, source) = A::insert_ping(&t.handle, move |_| {
        trace.mark("called");
        if std::mem::take(&mut is_first) {
            panic_on_purpose();
        }
    })?;
    ping.ping();
    t.survive_until("the panic", |trace| trace.count("called") == 1)?;
    A::disable(&t.handle, &source)?;
    ping.ping();
    t.expect_silence()?;
    A::enable(&t.handle, &source)?;
    t.dispatch_until("a call once the source is enabled", |trace| trace.count("called") == 2)
}
