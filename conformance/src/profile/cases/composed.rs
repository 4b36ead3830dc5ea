//! Sources made of others.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::calloop::channel::channel;
use super::calloop::futures::executor;
use super::calloop::generic::Generic;
use super::calloop::ping::{Ping, PingSource, make_ping};
use super::calloop::timer::Timer;
use super::calloop::{
    self, EventLoop, EventSource, Interest, Mode, Poll, PostAction, Readiness, Token, TokenFactory,
};
use super::fixture::Fixture;
use super::sources::{BoxError, Pair, Part, Puppet};
use crate::rule::{Case, Check, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&BOX_AND_REFERENCE, box_and_reference),
        Case::plain(&EVENTS_OF_PARTS, events_of_parts),
        Case::plain(&KEPT_BACK, kept_back),
        Case::plain(&BATCH_MACROS, batch_macros),
        Case::plain(&FINISHED_TIMER, finished_timer),
        Case::plain(&FINISHED_CHANNEL, finished_channel),
    ]
}

const BOX_AND_REFERENCE: Rule = Rule {
    id: "REG-25",
    level: Level::Must,
    sentence: "`Box<S>` and `&mut S` MUST be sources that behave as `S`, hooks included.",
    why: "Programs box sources to name their type, and lend sources to a loop that lives shorter.",
    source: "calloop, documentation of EventSource; calloop, test default_additional_events",
    check: "which methods and constants of the trait the two implementations pass on",
    needs: &[],
    alone: false,
};

fn box_and_reference(t: &Trial) -> Check {
    let f = Fixture::new(t)?;
    let (mut puppet, strings) = Puppet::<true>::new("puppet", &f)?;
    dispatch_once(&f, &strings.ping, &mut puppet)?;
    dispatch_once(&f, &strings.ping, Box::new(puppet))?;
    f.expect_marks([
        "puppet.before_sleep",
        "puppet.before_handle_events",
        "puppet.event",
        "called",
        "puppet.before_sleep",
        "puppet.before_handle_events",
        "puppet.event",
        "called",
    ])?;
    f.expect_registrations([
        "puppet.register",
        "puppet.unregister",
        "puppet.register",
        "puppet.unregister",
        "puppet.drop",
    ])
}

/// Has a puppet called once, in a loop of its own.
fn dispatch_once<S>(f: &Fixture, ping: &Ping, source: S) -> Check
where
    S: EventSource<Metadata = (), Ret = io::Result<PostAction>>,
{
    let mut event_loop: EventLoop<'_, ()> = EventLoop::try_new()?;
    let token = event_loop.handle().insert_source(source, |_, &mut (), &mut ()| {
        f.trace.mark("called");
        Ok(PostAction::Continue)
    })?;
    ping.ping();
    event_loop.dispatch(Duration::ZERO, &mut ())?;
    event_loop.handle().remove(token);
    Ok(())
}

const EVENTS_OF_PARTS: Rule = Rule {
    id: "REG-27",
    level: Level::Must,
    sentence: "Of a source made of several, the part MUST be called whose event it is, and no other.",
    why: "That is how sources compose: each part is handed every event, and knows its own.",
    source: "calloop, book, the ZeroMQ example; calloop, test multiple_tokens",
    check: "whether the factory's tokens differ, and each built-in source compares them",
    needs: &[],
    alone: false,
};

fn events_of_parts(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (ping, pings) = make_ping()?;
    let (sender, channel) = channel();
    let (executor, scheduler) = executor()?;
    let later = Timer::from_duration(Duration::from_secs(3600));
    let inner = Pair::new(pings, channel);
    let outer = Pair::new(inner, Pair::new(executor, later));
    f.handle.insert_source(outer, |part, &mut (), cx| cx.mark(&format!("{part:?}")))?;
    ping.ping();
    f.poll()?;
    f.expect_marks(["First"])?;
    sender.send(()).expect("the channel is there");
    f.poll()?;
    f.expect_marks(["First", "First"])?;
    scheduler.schedule(async {}).expect("the executor is there");
    f.poll()?;
    f.expect_marks(["First", "First", "Second"])?;
    (0..4).try_for_each(|ready| event_of_one_descriptor(t, ready))
}

/// Of four descriptors in two pairs one is ready.
fn event_of_one_descriptor(t: &Trial, ready: usize) -> Check {
    let mut f = Fixture::new(t)?;
    let mut peers = Vec::new();
    let mut part = |number| -> io::Result<_> {
        let (near, far) = UnixStream::pair()?;
        if number == ready {
            (&far).write_all(b"!")?;
        }
        peers.push(far);
        Ok(Generic::new(near, Interest::READ, Mode::Level))
    };
    let (first, second) = (Pair::new(part(0)?, part(1)?), Pair::new(part(2)?, part(3)?));
    f.handle.insert_source(Pair::new(first, second), |part, &mut (), cx| {
        cx.mark(&format!("{part:?}"));
    })?;
    let before = f.trace.marks().len();
    f.poll()?;
    let expected = if ready < 2 { "First" } else { "Second" };
    ensure_eq!(f.trace.marks()[before..], [expected], "called for descriptor {ready} of four");
    Ok(())
}

const KEPT_BACK: Rule = Rule {
    id: "REG-57",
    level: Level::Must,
    sentence: "A wake-up that a source keeps back from its part MUST be told again in the next \
               dispatch, until the part has answered it.",
    why: "A source that waits for something else first leaves an event where it is, as one does with \
          a descriptor that is level-triggered.",
    source: "observed of calloop 0.14.5, whose pings are level-triggered descriptors",
    check: "whether a wake-up counts as answered once the source was called",
    needs: &[],
    alone: false,
};

/// A ping that keeps back its first events.
struct Hesitant {
    pings: PingSource,
    times: usize,
}

impl EventSource for Hesitant {
    type Event = ();
    type Metadata = ();
    type Ret = ();
    type Error = BoxError;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut((), &mut ()),
    {
        if self.times > 0 {
            self.times -= 1;
            return Ok(PostAction::Continue);
        }
        Ok(self.pings.process_events(readiness, token, callback)?)
    }

    fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        self.pings.register(poll, tokens)
    }

    fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        self.pings.reregister(poll, tokens)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        self.pings.unregister(poll)
    }
}

fn kept_back(t: &Trial) -> Check {
    const TIMES: usize = 3;
    let mut f = Fixture::new(t)?;
    let (ping, pings) = make_ping()?;
    f.handle
        .insert_source(Hesitant { pings, times: TIMES }, |(), &mut (), cx| cx.mark("called"))?;
    ping.ping();
    for _ in 0..TIMES {
        f.poll()?;
    }
    f.expect_marks([])?;
    f.poll()?;
    f.expect_marks(["called"])?;
    f.expect_quiet()
}

const BATCH_MACROS: Rule = Rule {
    id: "REG-28",
    level: Level::Must,
    sentence: "`batch_register!`, `batch_reregister!` and `batch_unregister!` MUST call the sources \
               in the order given and stop at the first that fails.",
    why: "Tokens are handed out in that order, and what was done before the failure can be undone.",
    source: "calloop, documentation of batch_register!; calloop, test test_batch_operations",
    check: "what the macros expand to",
    needs: &[],
    alone: false,
};

fn batch_macros(t: &Trial) -> Check {
    let f = Fixture::new(t)?;
    let (a, _) = Puppet::<false>::new("a", &f)?;
    let (b, strings) = Puppet::<false>::new("b", &f)?;
    let token = f.handle.insert_source(Pair::new(a, b), |_, &mut (), _| {})?;
    f.handle.update(&token)?;
    strings.failing.set(Some("reregister"));
    ensure!(f.handle.update(&token).is_err(), "the error of the second", "Ok");
    f.handle.disable(&token)?;
    f.expect_registrations([
        "a.register",
        "b.register",
        "a.reregister",
        "b.reregister",
        "a.reregister",
        "b.reregister",
        "a.unregister",
        "b.unregister",
    ])?;
    let before = f.registrations.marks().len();
    let (a, strings) = Puppet::<false>::new("a", &f)?;
    let (b, _) = Puppet::<false>::new("b", &f)?;
    strings.failing.set(Some("register"));
    let outcome = f.handle.insert_source(Pair::new(a, b), |_, &mut (), _| {});
    ensure!(outcome.is_err(), "the error of the first", "Ok");
    ensure_eq!(f.registrations.marks()[before..], ["a.register"], "calls up to the failure");
    Ok(())
}

const FINISHED_TIMER: Rule = Rule {
    id: "POST-09",
    level: Level::Must,
    sentence: "A timer that was answered `TimeoutAction::Drop` MUST NOT fire again because its \
               parent is registered anew.",
    why: "`PostAction::Remove` joined with another part's answer is `Reregister`, so that every \
          source of two with a timer would be called without end.",
    source: "calloop, documentation of PostAction's BitOr and of TimeoutAction::Drop",
    check: "whether the timer keeps its deadline once it is over",
    needs: &[],
    alone: false,
};

fn finished_timer(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (_ping, pings) = make_ping()?;
    f.handle.insert_source(Pair::new(Timer::immediate(), pings), |part, &mut (), cx| {
        cx.mark(&format!("{part:?}"));
    })?;
    f.poll()?;
    f.expect_quiet()?;
    f.expect_marks(["First"])
}

const FINISHED_CHANNEL: Rule = Rule {
    id: "POST-10",
    level: Level::Must,
    sentence: "A channel whose senders are gone MUST report `Closed` once and be quiet, also in a \
               parent that goes on without it.",
    why: "The end of a channel is acted on once; a loop that is woken for it again and again never \
          sleeps.",
    source: "calloop, issue 78; calloop, documentation of channel::Event::Closed",
    check: "whether the channel keeps in mind that it has reported its end",
    needs: &[],
    alone: false,
};

fn finished_channel(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (ping, pings) = make_ping()?;
    let (sender, channel) = channel::<()>();
    f.handle.insert_source(Pair::new(pings, channel), |part, &mut (), cx| {
        cx.mark(match part {
            Part::First => "ping",
            Part::Second => "closed",
        });
    })?;
    drop(sender);
    f.poll()?;
    f.expect_quiet()?;
    f.expect_marks(["closed"])?;
    ping.ping();
    f.poll()?;
    f.expect_quiet()?;
    f.expect_marks(["closed", "ping"])
}
