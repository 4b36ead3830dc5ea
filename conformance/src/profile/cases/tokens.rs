//! Tokens: of sources in the loop, and of registrations inside a source.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::calloop::generic::Generic;
use super::calloop::{
    self, Dispatcher, Error, EventSource, Interest, Mode, Poll, PostAction, Readiness, Token,
    TokenFactory,
};
use super::fixture::{Context, Fixture};
use super::sources::readable_stream;
use crate::rule::{Case, Check, Level, Rule, Trial};
use crate::{ensure, ensure_eq};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::plain(&TOKEN_OF_A_REMOVED_SOURCE, token_of_a_removed_source),
        Case::plain(&TOKENS_NEVER_RETURN, tokens_never_return),
        Case::plain(&SUB_TOKENS, sub_tokens),
        Case::plain(&DISPATCHER_TWICE, dispatcher_twice),
    ]
}

const TOKEN_OF_A_REMOVED_SOURCE: Rule = Rule {
    id: "REG-56",
    level: Level::Must,
    sentence: "With the token of a removed source, `enable`, `disable` and `update` MUST return \
               `Error::InvalidToken`, and `remove` MUST do nothing.",
    why: "Sources remove themselves; who still has the token of one finds out without harm.",
    source: "calloop, documentation of Error::InvalidToken; calloop, test invalid_token",
    check: "whether the generation of the token is compared in every method",
    needs: &[],
    alone: false,
};

fn token_of_a_removed_source(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (_ping, removed) = f.insert_ping("removed")?;
    f.handle.remove(removed);
    // It takes the place of the first.
    let (stranger, _) = f.insert_ping("stranger")?;
    for (name, outcome) in [
        ("enable", f.handle.enable(&removed)),
        ("disable", f.handle.disable(&removed)),
        ("update", f.handle.update(&removed)),
    ] {
        let is_invalid = matches!(outcome, Err(Error::InvalidToken));
        ensure!(is_invalid, format_args!("{name}: Error::InvalidToken"), "{name}: {outcome:?}");
    }
    f.handle.remove(removed);
    stranger.ping();
    f.poll()?;
    f.expect_marks(["stranger"])
}

const TOKENS_NEVER_RETURN: Rule = Rule {
    id: "REG-52",
    level: Level::Must,
    sentence: "A `RegistrationToken` MUST NOT equal that of any source that was removed before.",
    why: "Programs keep tokens in maps; after a day of connections that come and go, an old token \
          must not name a stranger.",
    source: "calloop, pull request 156; calloop, test reuse",
    check: "how many bits the generation of a slot has: 16 are used up in seconds",
    needs: &[],
    alone: false,
};

fn tokens_never_return(t: &Trial) -> Check {
    /// One more than a 16-bit generation can tell apart.
    const REUSES: usize = (1 << 16) + 1;
    let mut f = Fixture::new(t)?;
    let (_ping, first) = f.insert_ping("first")?;
    f.handle.remove(first);
    for reuse in 1..=REUSES {
        let token = f.handle.insert_source(Nothing { tokens: 0 }, |(), &mut (), _| {})?;
        ensure!(token != first, "a token of its own", "the first token, after {reuse} reuses");
        f.handle.remove(token);
    }
    f.poll()?;
    Ok(())
}

/// A source that only asks for tokens.
struct Nothing {
    tokens: usize,
}

impl EventSource for Nothing {
    type Event = ();
    type Metadata = ();
    type Ret = ();
    type Error = std::io::Error;

    fn process_events<F>(&mut self, _: Readiness, _: Token, _: F) -> Result<PostAction, Self::Error>
    where
        F: FnMut((), &mut ()),
    {
        Ok(PostAction::Continue)
    }

    fn register(&mut self, _: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        for _ in 0..self.tokens {
            tokens.token();
        }
        Ok(())
    }

    fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        self.register(poll, tokens)
    }

    fn unregister(&mut self, _: &mut Poll) -> calloop::Result<()> {
        Ok(())
    }
}

const SUB_TOKENS: Rule = Rule {
    id: "REG-21",
    level: Level::Must,
    sentence: "One source MUST get 65 535 tokens from its `TokenFactory`, and the factory MUST panic \
               before it hands out a token twice.",
    why: "A source with two parts of one token would mistake the events of one for the other's.",
    source: "calloop, test overflow_subid, on 64-bit targets",
    check: "what happens when the sub-id overflows",
    needs: &[],
    alone: false,
};

fn sub_tokens(t: &Trial) -> Check {
    const MAX: usize = (1 << 16) - 1;
    let f = Fixture::new(t)?;
    f.handle.insert_source(Nothing { tokens: MAX }, |(), &mut (), _| {})?;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        f.handle.insert_source(Nothing { tokens: MAX + 2 }, |(), &mut (), _| {})
    }));
    ensure!(outcome.is_err(), "a panic for more tokens than there are", "tokens");
    Ok(())
}

const DISPATCHER_TWICE: Rule = Rule {
    id: "REG-26",
    level: Level::Should,
    sentence: "Registering a `Dispatcher` a second time SHOULD fail and leave the first \
               registration working.",
    why: "Twice in the loop is a slip; it must not cost the source that is there.",
    source: "epoll_ctl(2), EEXIST; observed of calloop 0.14.5 for descriptors",
    check: "whether the failed registration undoes the first",
    needs: &[],
    alone: false,
};

fn dispatcher_twice(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    let (near, _far) = readable_stream()?;
    let source = Generic::new(near, Interest::READ, Mode::Level);
    let dispatcher = Dispatcher::new(source, |_, _, cx: &mut Context| {
        cx.mark("called");
        Ok(PostAction::Continue)
    });
    let first = f.handle.register_dispatcher(dispatcher.clone())?;
    let second = f.handle.register_dispatcher(dispatcher.clone());
    let kind = second.map_err(|error| std::io::Error::from(error).kind());
    ensure_eq!(kind, Err(std::io::ErrorKind::AlreadyExists), "second registration");
    f.poll()?;
    f.expect_marks(["called"])?;
    f.handle.remove(first);
    f.poll()?;
    f.expect_marks(["called"])
}
