//! Whom an error is told to.

use super::super::fds::usual_mode;
use super::kit::{Wire, drain};
use super::{Trouble, insert_trouble};
use crate::adapter::{Adapter, Capability, Failure, Interest, Next};
use crate::fixture::{Fixture, PATIENCE};
use crate::rule::{Case, Check, Level, Rule};
use crate::{ensure, ensure_eq};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&RETURNED, returned),
        Case::new::<A>(&STAYS, stays),
        Case::new::<A>(&EACH_TOLD, each_told),
    ]
}

const RETURNED: Rule = Rule {
    id: "ERR-105",
    level: Level::Must,
    sentence: "An error of a callback MUST be returned by the dispatch, or the run, in which it was \
               called, with its text, and the next one MUST succeed.",
    why: "Whoever runs the loop decides whether to go on, and needs to know why.",
    source: "calloop, documentation of EventLoop::dispatch and Error::OtherError",
    check: "whether the error is logged, swallowed or kept for later",
    needs: &[Capability::FallibleCallbacks, Capability::Descriptors],
    alone: false,
};

fn returned<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let limit = Some(t.trial.limit(PATIENCE));
    let wire = insert_trouble(t, Trouble::Error)?;
    let is_right = |outcome: &Result<(), Failure>| match outcome {
        Err(Failure::Callback(text)) => text.contains("on purpose"),
        _ => false,
    };
    let outcome = t.dispatch(limit).map(drop);
    ensure!(is_right(&outcome), "the callback's error, by dispatch", "{outcome:?}");
    t.poll()?;
    if A::capabilities().has(Capability::Stop) {
        wire.send();
        let mut iterations = 0;
        let stopper = t.event_loop.stopper()?;
        let outcome = t.event_loop.run(limit, |_| {
            iterations += 1;
            if iterations > 10 {
                crate::adapter::Stop::stop(&stopper);
            }
        });
        ensure!(is_right(&outcome), "the callback's error, by run", "{outcome:?}");
        t.poll()?;
    }
    Ok(())
}

const STAYS: Rule = Rule {
    id: "ERR-106",
    level: Level::Should,
    sentence: "A source whose callback has failed SHOULD stay in the loop and be called for its next \
               event.",
    why: "An error may pass, and whoever wants the source gone can remove it.",
    source: "observed of calloop 0.14.5; calloop, documentation of EventLoop::dispatch",
    check: "what is done about the source on the path of the error",
    needs: &[Capability::FallibleCallbacks, Capability::Level],
    alone: false,
};

fn stays<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let wire = insert_trouble(t, Trouble::Error)?;
    for failures in 1..=3 {
        t.survive_until("the callback to be called again", |trace| {
            trace.count("trouble") >= failures
        })?;
        wire.send();
    }
    Ok(())
}

const EACH_TOLD: Rule = Rule {
    id: "ERR-107",
    level: Level::Must,
    sentence: "If several callbacks fail, each error MUST be returned by a dispatch of its own, and \
               each callback be called once.",
    why: "An error that is swallowed because there was another one is found years later.",
    source: "calloop, documentation of EventLoop::dispatch: it returns the error of a source",
    check: "whether a batch that has failed goes on with the next source or begins anew",
    needs: &[Capability::FallibleCallbacks, Capability::Descriptors],
    alone: false,
};

fn each_told<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const TEXTS: [&str; 4] = ["error a", "error b", "error c", "error d"];
    let mut wires = Vec::new();
    for text in TEXTS {
        let (trace, (wire, fd)) = (t.trace(), Wire::new()?);
        A::insert_fd(&t.handle, fd, Interest::Read, usual_mode::<A>(), move |_, fd, _| {
            drain(fd);
            trace.mark(text);
            Next::Fail(text)
        })?;
        wire.send();
        wires.push(wire);
    }
    let mut told = Vec::new();
    for _ in 0..4 * TEXTS.len() {
        match t.poll() {
            Err(Failure::Callback(text)) => told.push(text),
            Err(failure) => return Err(failure.into()),
            Ok(_) => {}
        }
    }
    for text in TEXTS {
        let count = told.iter().filter(|told| told.contains(text)).count();
        ensure_eq!(count, 1, "how often a dispatch returned {text}");
        ensure_eq!(t.trial.trace.count(text), 1, "calls of the callback of {text}");
    }
    Ok(())
}
