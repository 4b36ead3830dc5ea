//! What a loop claims to tell, and to do about what a callback answers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::compare;
use crate::adapter::{Adapter, Capability, Failure, Interest, Next, SignalEvent, TimerNext};
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Level, Rule};
use crate::rules::fds::usual_mode;
use crate::rules::kit::{Wire, drain};
use crate::rules::signals::{is_blocked, to_thread};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![
        Case::new::<A>(&DEADLINE_TOLD, deadline_told),
        Case::new::<A>(&TIMER_REPEAT, timer_repeat),
        Case::new::<A>(&POST_ACTIONS, post_actions),
        Case::new::<A>(&FALLIBLE, fallible),
        Case::new::<A>(&SIGNALS, signals),
        Case::new::<A>(&FAN_OUT, fan_out),
        Case::new::<A>(&SHARING, sharing),
    ]
}

const WHY: &str = "The rules that rest on it are run or left out by it, and nobody sees what was left \
                   out for want of a word.";

const DEADLINE_TOLD: Rule = Rule {
    id: "CAP-110",
    level: Level::Should,
    sentence: "A loop SHOULD declare deadline-told if and only if the callback of a timer is told its \
               deadline.",
    why: WHY,
    source: "calloop, documentation of Timer: the event is the deadline",
    check: "deadline-told among the capabilities, and what the adapter passes on",
    needs: &[Capability::Timers],
    alone: false,
};

fn deadline_told<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let told = Rc::new(Cell::new(None));
    let tell = told.clone();
    A::insert_timer(&t.handle, Duration::from_millis(1), move |_, deadline| {
        tell.set(Some(deadline.is_some()));
        TimerNext::Stop
    })?;
    t.dispatch_until("the timer to fire", |_| told.get().is_some())?;
    let is_told = told.get() == Some(true);
    let seen = if is_told { "it was told" } else { "it was not told" };
    compare::<A>(Capability::DeadlineTold, is_told, seen)
}

const TIMER_REPEAT: Rule = Rule {
    id: "CAP-111",
    level: Level::Should,
    sentence: "A loop SHOULD declare timer-repeat if and only if a timer fires again that asks for \
               it.",
    why: WHY,
    source: "calloop, documentation of TimeoutAction::ToDuration",
    check: "timer-repeat among the capabilities, and what is done about the timer's answer",
    needs: &[Capability::Timers],
    alone: false,
};

fn timer_repeat<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let mut mark = t.marker("fired");
    A::insert_timer(&t.handle, Duration::ZERO, move |handle, _| {
        mark(handle);
        TimerNext::After(Duration::from_millis(1))
    })?;
    t.dispatch_until("the timer to fire", |trace| trace.count("fired") > 0)?;
    // A later timer tells when the first one has had its time.
    let mut mark = t.marker("later");
    A::insert_timer(&t.handle, Duration::from_millis(10), move |handle, _| {
        mark(handle);
        TimerNext::Stop
    })?;
    t.dispatch_until("a later timer to fire", |trace| trace.count("later") > 0)?;
    let fired = t.trial.trace.count("fired");
    compare::<A>(Capability::TimerRepeat, fired > 1, format_args!("it fired {fired} times"))
}

const POST_ACTIONS: Rule = Rule {
    id: "CAP-112",
    level: Level::Should,
    sentence: "A loop SHOULD declare post-actions if and only if the callback of a descriptor can \
               have it removed by its answer.",
    why: WHY,
    source: "calloop, documentation of PostAction",
    check: "post-actions among the capabilities, and what is done about the callback's answer",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn post_actions<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    let (trace, mode) = (t.trace(), usual_mode::<A>());
    A::insert_fd(&t.handle, fd, Interest::Read, mode, move |_, fd, _| {
        trace.mark("called");
        drain(fd);
        Next::Remove
    })?;
    wire.send();
    t.dispatch_until("a call", |trace| trace.count("called") == 1)?;
    t.deliver()?;
    // A descriptor that is removed is closed.
    let is_closed = rustix::io::read(&wire, &mut [0; 1]) == Ok(0);
    let seen = if is_closed { "it is closed" } else { "it is open after the next dispatch" };
    compare::<A>(Capability::PostActions, is_closed, seen)
}

const FALLIBLE: Rule = Rule {
    id: "CAP-113",
    level: Level::Should,
    sentence: "A loop SHOULD declare fallible-callbacks if and only if the failure of a callback is \
               what its dispatch returns.",
    why: WHY,
    source: "calloop, documentation of EventLoop::dispatch; sd-event disables the source instead",
    check: "fallible-callbacks among the capabilities, and what is done about the callback's answer",
    needs: &[Capability::Descriptors],
    alone: false,
};

fn fallible<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let (wire, fd) = Wire::new()?;
    let (trace, mode) = (t.trace(), usual_mode::<A>());
    A::insert_fd(&t.handle, fd, Interest::Read, mode, move |_, fd, _| {
        trace.mark("called");
        drain(fd);
        Next::Fail("as the rule has it")
    })?;
    wire.send();
    let outcome = loop {
        let outcome = t.dispatch(Some(Duration::from_millis(100)));
        if outcome.is_err() || t.trial.trace.count("called") > 0 {
            break outcome;
        }
    };
    let is_so = matches!(&outcome, Err(Failure::Callback(text)) if text.contains("as the rule"));
    compare::<A>(Capability::FallibleCallbacks, is_so, format_args!("{outcome:?}"))
}

const SIGNALS: Rule = Rule {
    id: "CAP-114",
    level: Level::Should,
    sentence: "A loop SHOULD declare signal-info if and only if it tells who sent a signal, and \
               signal-mask if and only if it blocks what it watches.",
    why: WHY,
    source: "signalfd(2); sigaction(2), SA_SIGINFO; pthread_sigmask(3)",
    check: "signal-info and signal-mask among the capabilities",
    needs: &[Capability::Signals],
    alone: false,
};

fn signals<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let event: Rc<Cell<Option<SignalEvent>>> = Rc::default();
    let told = event.clone();
    let numbers = [Signal::SIGUSR1 as i32];
    A::insert_signals(&t.handle, &numbers, move |_, event| told.set(Some(event)))?;
    let blocked = is_blocked(Signal::SIGUSR1)?;
    let seen = if blocked { "SIGUSR1 is blocked" } else { "SIGUSR1 is not blocked" };
    compare::<A>(Capability::SignalMask, blocked, seen)?;
    to_thread(Signal::SIGUSR1)?;
    t.dispatch_until("a report of SIGUSR1", |_| event.get().is_some())?;
    let is_told = event.get().is_some_and(|event| event.pid.is_some() && event.uid.is_some());
    compare::<A>(Capability::SignalInfo, is_told, format_args!("{:?}", event.get()))
}

const FAN_OUT: Rule = Rule {
    id: "CAP-115",
    level: Level::Should,
    sentence: "A loop SHOULD declare signal-fan-out if and only if every source of a signal is told \
               of it.",
    why: WHY,
    source: "signalfd(2): a signal is read once; wayland and tokio tell all who watch it",
    check: "signal-fan-out among the capabilities",
    needs: &[Capability::Signals, Capability::SignalSharing],
    alone: false,
};

fn fan_out<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let reports = Rc::new(RefCell::new([0; 2]));
    for source in 0..2 {
        let reports = reports.clone();
        A::insert_signals(&t.handle, &[Signal::SIGUSR1 as i32], move |_, _| {
            reports.borrow_mut()[source] += 1;
        })?;
    }
    to_thread(Signal::SIGUSR1)?;
    t.dispatch_until("a report of SIGUSR1", |_| reports.borrow().iter().sum::<i32>() > 0)?;
    t.expect_silence()?;
    let reports = *reports.borrow();
    let seen = format!("{} reports to one, {} to the other", reports[0], reports[1]);
    compare::<A>(Capability::SignalFanOut, reports[0] > 0 && reports[1] > 0, seen)
}

const SHARING: Rule = Rule {
    id: "CAP-119",
    level: Level::Should,
    sentence: "A loop SHOULD declare signal-sharing if and only if several of its sources can watch \
               one signal.",
    why: WHY,
    source: "sd_event_add_signal(3): only a single handler may be installed for a signal",
    check: "signal-sharing among the capabilities",
    needs: &[Capability::Signals],
    alone: false,
};

fn sharing<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let watch = || A::insert_signals(&t.handle, &[Signal::SIGUSR1 as i32], |_, _| {});
    let _first = watch()?;
    let second = watch();
    compare::<A>(Capability::SignalSharing, second.is_ok(), format_args!("{:?}", second.err()))
}
