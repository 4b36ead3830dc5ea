//! Sources that the rules are tried with.

use std::cell::Cell;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use super::calloop::ping::{Ping, PingSource, make_ping};
use super::calloop::timer::TimeoutAction;
use super::calloop::{
    self, EventIterator, EventSource, Poll, PostAction, Readiness, Token, TokenFactory,
};
use super::fixture::{Context, Fixture};
use crate::rule::Deviation;
use crate::trace::Trace;

/// Any error of a source.
pub(super) type BoxError = Box<dyn std::error::Error + Sync + Send>;

/// A source that does as it is told, and tells what is done to it: hooks are marks of the trace,
/// what concerns its registration and its drop is in a record apart.
pub(super) struct Puppet<const HOOKS: bool> {
    pub(super) name: &'static str,
    strings: Rc<Strings>,
    pings: PingSource,
    /// The registration for the event that a hook asks for.
    asked: Option<Token>,
    trace: Trace,
    registrations: Trace,
}

/// What moves a [`Puppet`], in the hands of the test.
pub(super) struct Strings {
    /// Has its callback called.
    pub(super) ping: Ping,
    /// The method that fails at present.
    pub(super) failing: Cell<Option<&'static str>>,
    /// Whether `before_sleep` asks for an event.
    pub(super) asks: Cell<bool>,
    /// What `before_sleep` does the next time.
    pub(super) act: Cell<Option<Box<dyn FnOnce()>>>,
}

/// Why the callback of a [`Puppet`] is called.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Cue {
    Pinged,
    Asked,
}

impl<const HOOKS: bool> Puppet<HOOKS> {
    pub(super) fn new(
        name: &'static str,
        fixture: &Fixture,
    ) -> Result<(Self, Rc<Strings>), Deviation> {
        let (ping, pings) = make_ping()?;
        let strings = Rc::new(Strings {
            ping,
            failing: Cell::default(),
            asks: Cell::default(),
            act: Cell::default(),
        });
        let puppet = Puppet {
            name,
            strings: strings.clone(),
            pings,
            asked: None,
            trace: fixture.trace.clone(),
            registrations: fixture.registrations.clone(),
        };
        Ok((puppet, strings))
    }

    fn registration(&self, method: &'static str) -> calloop::Result<()> {
        self.registrations.mark(format_args!("{}.{method}", self.name));
        self.trace.note(format_args!("{}.{method}", self.name));
        self.fail_if_told(method)
    }

    fn fail_if_told(&self, method: &'static str) -> calloop::Result<()> {
        match self.strings.failing.get() {
            Some(failing) if failing == method => Err(torn_string().into()),
            _ => Ok(()),
        }
    }
}

/// The error of a puppet.
pub(super) fn torn_string() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "a string is torn")
}

/// A callback of a [`Puppet`] that marks its call and answers always the same.
pub(super) fn answering(
    action: PostAction,
) -> impl FnMut(Cue, &mut (), &mut Context) -> io::Result<PostAction> {
    move |_, &mut (), cx| {
        cx.mark("called");
        Ok(action)
    }
}

impl<const HOOKS: bool> EventSource for Puppet<HOOKS> {
    type Event = Cue;
    type Metadata = ();
    type Ret = io::Result<PostAction>;
    type Error = BoxError;

    const NEEDS_EXTRA_LIFECYCLE_EVENTS: bool = HOOKS;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut(Cue, &mut ()) -> io::Result<PostAction>,
    {
        if self.asked == Some(token) {
            self.strings.asks.set(false);
            return Ok(callback(Cue::Asked, &mut ())?);
        }
        let mut answer = Ok(PostAction::Continue);
        self.pings
            .process_events(readiness, token, |(), unit| answer = callback(Cue::Pinged, unit))?;
        Ok(answer?)
    }

    fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        self.registration("register")?;
        self.pings.register(poll, tokens)?;
        self.asked = Some(tokens.token());
        Ok(())
    }

    fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        self.registration("reregister")?;
        self.pings.reregister(poll, tokens)?;
        self.asked = Some(tokens.token());
        Ok(())
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        self.registration("unregister")?;
        self.pings.unregister(poll)
    }

    fn before_sleep(&mut self) -> calloop::Result<Option<(Readiness, Token)>> {
        self.trace.mark(format_args!("{}.before_sleep", self.name));
        self.strings.act.take().into_iter().for_each(|act| act());
        self.fail_if_told("before_sleep")?;
        Ok(self.asked.filter(|_| self.strings.asks.get()).map(|token| (Readiness::EMPTY, token)))
    }

    fn before_handle_events(&mut self, events: EventIterator<'_>) {
        self.trace.mark(format_args!("{}.before_handle_events", self.name));
        for _ in events {
            self.trace.mark(format_args!("{}.event", self.name));
        }
    }
}

impl<const HOOKS: bool> Drop for Puppet<HOOKS> {
    fn drop(&mut self) {
        self.registrations.mark(format_args!("{}.drop", self.name));
        self.trace.note(format_args!("{}.drop", self.name));
    }
}

/// A source of two, as composed as calloop's documentation has it: events of both go to one
/// callback, which is told whose they are, and what the parts want is joined.
pub(super) struct Pair<A, B> {
    first: A,
    second: B,
    join: Box<dyn FnMut(PostAction, PostAction) -> PostAction>,
}

/// Whose event it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    First,
    Second,
}

impl<A, B> Pair<A, B> {
    /// A pair that wants what its parts want, joined by `|`.
    pub(super) fn new(first: A, second: B) -> Self {
        Pair { first, second, join: Box::new(|first, second| first | second) }
    }

    /// The same with another way to join what the parts want.
    pub(super) fn joined_by(
        mut self,
        join: impl FnMut(PostAction, PostAction) -> PostAction + 'static,
    ) -> Self {
        self.join = Box::new(join);
        self
    }
}

/// What the parts of a [`Pair`] are answered in the name of the callback, which answers nothing.
pub(super) trait Answer {
    fn none() -> Self;
}

impl Answer for () {
    fn none() -> Self {}
}

impl Answer for TimeoutAction {
    fn none() -> Self {
        TimeoutAction::Drop
    }
}

impl Answer for io::Result<PostAction> {
    fn none() -> Self {
        Ok(PostAction::Continue)
    }
}

impl<A, B> EventSource for Pair<A, B>
where
    A: EventSource<Ret: Answer>,
    B: EventSource<Ret: Answer>,
{
    type Event = Part;
    type Metadata = ();
    type Ret = ();
    type Error = BoxError;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut(Part, &mut ()),
    {
        let first = self.first.process_events(readiness, token, |_, _| {
            callback(Part::First, &mut ());
            A::Ret::none()
        });
        let second = self.second.process_events(readiness, token, |_, _| {
            callback(Part::Second, &mut ());
            B::Ret::none()
        });
        Ok((self.join)(first.map_err(Into::into)?, second.map_err(Into::into)?))
    }

    fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        calloop::batch_register!(poll, tokens, self.first, self.second)
    }

    fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        calloop::batch_reregister!(poll, tokens, self.first, self.second)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        calloop::batch_unregister!(poll, self.first, self.second)
    }
}

/// Calls a function when it is dropped.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Two ends of a stream; the first has a byte to read.
pub(super) fn readable_stream() -> io::Result<(UnixStream, UnixStream)> {
    let (near, far) = UnixStream::pair()?;
    io::Write::write_all(&mut &far, b"!")?;
    Ok((near, far))
}
