//! The names of sources, and how long they mean one.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::adapter::{Adapter, Capability, Interest, TimerNext};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::{usual_mode, watch};
use crate::rules::kit::{FAR, Wire, has, insert_once};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&NAMES_ONE_SOURCE, names_one_source),
        Case::new::<A>(&FOR_EVER, for_ever),
        Case::new::<A>(&STAYS_AWAY, stays_away),
    ]
}

const NAMES_ONE_SOURCE: Rule = Rule {
    id: "REG-19",
    level: Level::Must,
    sentence: "The name of a removed source MUST NOT reach a source that was inserted after it.",
    why: "Names are kept beside what they name; one that is removed late would take a stranger's \
          source away.",
    source: "calloop, issue 155 and test reuse; glib, documentation of g_source_remove, on reissued \
             ids",
    check: "whether a name is more than a position: it needs a number that grows with each reuse",
    needs: &[Capability::Timers],
    alone: false,
};

/// Does all that can be done to a source that is gone. Errors are what should come of it.
fn meddle<A: Adapter>(handle: &A::Handle, stale: &A::Source) {
    if has::<A>(Capability::Disable) {
        let _ = A::disable(handle, stale);
    }
    A::remove(handle, stale.clone());
}

fn names_one_source<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    const REUSES: u32 = 1_500;
    let calls = Rc::new(Cell::new(0));
    let mut stale = insert_once::<A>(&t.handle, FAR, |_| {})?;
    A::remove(&t.handle, stale.clone());
    for number in 1..=REUSES {
        let counter = calls.clone();
        let source = insert_once::<A>(&t.handle, Duration::ZERO, move |_| {
            counter.set(counter.get() + 1);
        })?;
        meddle::<A>(&t.handle, &stale);
        t.deliver_until(|| calls.get() == number)?;
        ensure!(
            calls.get() == number,
            format_args!("a call of source {number}, not reached by the name of the one before"),
            "none"
        );
        stale = source;
    }
    Ok(())
}

const FOR_EVER: Rule = Rule {
    id: "REG-20",
    level: Level::Must,
    sentence: "However often the place of a source is used again, its name MUST NOT reach another.",
    why: "A program that serves a connection a second comes to 65 536 of them in a day, and to an \
          error that nobody can repeat.",
    source: "glib, test mainloop_overflow",
    check: "how many bits count the reuses of a place, and what happens when they run out",
    needs: &[Capability::Timers],
    alone: false,
};

/// Where a counter of some bits is back at its beginning, or would be if it were advanced twice for
/// each source; and now and then, so that nothing piles up.
fn is_suspicious(reuses: usize) -> bool {
    (reuses.saturating_sub(1)..=reuses + 1).any(usize::is_power_of_two) || reuses % 256 == 0
}

fn for_ever<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let first = insert_once::<A>(&t.handle, FAR, |_| {})?;
    A::remove(&t.handle, first.clone());
    for reuses in 1..=(1 << 16) + 1 {
        if !is_suspicious(reuses) {
            let source = A::insert_timer(&t.handle, Duration::ZERO, |_, _| TimerNext::Stop)?;
            A::remove(&t.handle, source);
            continue;
        }
        let name = format!("source {reuses}");
        let source = insert_once::<A>(&t.handle, Duration::ZERO, t.marker(&name))?;
        A::remove(&t.handle, first.clone());
        t.deliver()?;
        let calls = t.trial.trace.count(&name);
        ensure!(
            calls == 1,
            format_args!("a call of source {reuses}, not removed by the name of the first"),
            "{calls} calls"
        );
        A::remove(&t.handle, source);
    }
    Ok(())
}

const STAYS_AWAY: Rule = Rule {
    id: "REG-18",
    level: Level::Must,
    sentence: "`enable`, `disable` and `update` of a removed source MUST NOT bring it back.",
    why: "Its callback would use what its program has released.",
    source: "calloop, test invalid_token; Revolt, tests of invalid callback ids",
    check: "what is looked up under the name, and whether the removal took it out",
    needs: &[Capability::Timers, Capability::Disable, Capability::Descriptors],
    alone: false,
};

fn stays_away<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    let descriptor = watch(t, fd, "descriptor")?;
    let timer = insert_once::<A>(&t.handle, Duration::ZERO, t.marker("timer"))?;
    for (kind, source) in [("descriptor", descriptor), ("timer", timer)] {
        A::disable(&t.handle, &source)?;
        wire.send();
        A::remove(&t.handle, source.clone());
        let mut answers = vec![A::enable(&t.handle, &source), A::disable(&t.handle, &source)];
        if has::<A>(Capability::Update) && kind == "descriptor" {
            answers.push(A::update_fd(&t.handle, &source, Interest::Read, usual_mode::<A>()));
        }
        answers.push(A::enable(&t.handle, &source));
        t.trial.trace.note(format_args!("changes of the removed {kind}: {answers:?}"));
    }
    t.expect_silence()
}
