//! Sources that can be reached while they are in the loop.

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::calloop::timer::{TimeoutAction, Timer};
use super::calloop::{Dispatcher, PostAction};
use super::fixture::{Context, Fixture};
use super::sources::{Puppet, answering};
use crate::rule::{Case, Check, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&IN_ITS_CALLBACK, in_its_callback),
        Case::plain(&TAKEN_OUT, taken_out),
        Case::plain(&INSERTED_AGAIN, inserted_again),
        Case::plain(&NAMED_AND_CLONED, named_and_cloned),
    ]
}

/// Whether the function panics.
fn panics<R>(function: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(function()))).is_err()
}

const IN_ITS_CALLBACK: Rule = Rule {
    id: "DISP-01",
    level: Level::Must,
    sentence: "`as_source_ref` and `as_source_mut` MUST panic inside the source's own callback.",
    why: "The source is in use there; a second reference to it would be undefined behaviour.",
    source: "calloop, documentation of Dispatcher::as_source_ref and Dispatcher::as_source_mut",
    check: "what guards the source while it is called",
    needs: &[],
    alone: false,
};

fn in_its_callback(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let own: Rc<OnceCell<Dispatcher<'static, Timer, Context>>> = Rc::default();
    let dispatcher = own.clone();
    let timer = Dispatcher::new(Timer::immediate(), move |_, &mut (), cx: &mut Context| {
        let own = own.get().expect("the test sets it");
        cx.mark(if panics(|| own.as_source_ref()) { "panic" } else { "reference" });
        cx.mark(if panics(|| own.as_source_mut()) { "panic" } else { "reference" });
        TimeoutAction::Drop
    });
    let _ = dispatcher.set(timer.clone());
    f.handle.register_dispatcher(timer)?;
    f.poll()?;
    f.expect_marks(["panic"; 2])
}

const TAKEN_OUT: Rule = Rule {
    id: "DISP-02",
    level: Level::Must,
    sentence: "`into_source_inner` MUST give the source back once it was removed, and panic while \
               it is in the loop or another clone of the `Dispatcher` exists.",
    why: "A connection is moved on to another part of the program, or another loop.",
    source: "calloop, documentation of Dispatcher::into_source_inner",
    check: "whether the loop keeps a reference after the removal",
    needs: &[],
    alone: false,
};

fn taken_out(t: &Trial) -> Check {
    let f = Fixture::new(t)?;
    let (puppet, _strings) = Puppet::<false>::new("puppet", &f)?;
    let dispatcher = Dispatcher::new(puppet, answering(PostAction::Continue));
    let token = f.handle.register_dispatcher(dispatcher.clone())?;
    let clone = dispatcher.clone();
    ensure!(panics(|| clone.into_source_inner()), "a panic while it is in the loop", "the source");
    f.handle.remove(token);
    let clone = dispatcher.clone();
    ensure!(panics(|| clone.into_source_inner()), "a panic while a clone exists", "the source");
    ensure_eq!(dispatcher.into_source_inner().name, "puppet", "source");
    f.expect_registrations(["puppet.register", "puppet.unregister", "puppet.drop"])
}

const INSERTED_AGAIN: Rule = Rule {
    id: "DISP-03",
    level: Level::Must,
    sentence: "A `Dispatcher` whose source was removed, and a source that was taken out of one, MUST \
               be free to be inserted again.",
    why: "What was removed for a while need not be made anew.",
    source: "calloop, documentation of Dispatcher and LoopHandle::register_dispatcher",
    check: "whether the removal leaves the source as unregistered as it was at first",
    needs: &[],
    alone: false,
};

fn inserted_again(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (puppet, strings) = Puppet::<false>::new("puppet", &f)?;
    let dispatcher = Dispatcher::new(puppet, answering(PostAction::Continue));
    for _ in 0..2 {
        let token = f.handle.register_dispatcher(dispatcher.clone())?;
        strings.ping.ping();
        f.poll()?;
        f.handle.remove(token);
    }
    let source = dispatcher.into_source_inner();
    f.handle.insert_source(source, answering(PostAction::Continue))?;
    strings.ping.ping();
    f.poll()?;
    f.expect_marks(["called"; 3])
}

const NAMED_AND_CLONED: Rule = Rule {
    id: "DISP-04",
    level: Level::Must,
    sentence: "A `Dispatcher` MUST have a type that can be named without that of its callback, and \
               its clones MUST reach the same source, in the loop and out of it.",
    why: "A program keeps it in a field, next to what changes the source.",
    source: "calloop, documentation of Dispatcher",
    check: "what the clones share",
    needs: &[],
    alone: false,
};

fn named_and_cloned(t: &Trial) -> Check {
    struct Watchdog {
        timer: Dispatcher<'static, Timer, Context>,
    }
    let f = Fixture::new(t)?;
    let timer = Timer::from_duration(Duration::from_secs(3600));
    let watchdog = Watchdog {
        timer: Dispatcher::new(timer, |_, &mut (), _: &mut Context| TimeoutAction::Drop),
    };
    let clone = watchdog.timer.clone();
    f.handle.register_dispatcher(watchdog.timer.clone())?;
    let deadline = Instant::now() + Duration::from_secs(60);
    clone.as_source_mut().set_deadline(deadline);
    let seen = watchdog.timer.as_source_ref().current_deadline();
    ensure_eq!(seen, Some(deadline), "deadline seen by the other clone");
    Ok(())
}
