//! A source made of two: text from a stream, and a word when none came for a while.
//!
//! `cargo run -p calloop-ref --example custom_source`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use calloop_ref::generic::Generic;
use calloop_ref::timer::{TimeoutAction, Timer};
use calloop_ref::{self as calloop, EventLoop, EventSource, Interest, Mode, PostAction, Readiness};
use calloop_ref::{Poll, Token, TokenFactory, batch_register, batch_reregister, batch_unregister};

const PATIENCE: Duration = Duration::from_millis(20);

/// Its event is a text, or `None` for silence.
struct Conversation {
    stream: Generic<UnixStream>,
    silence: Timer,
}

impl EventSource for Conversation {
    type Event = Option<String>;
    type Metadata = ();
    type Ret = ();
    type Error = io::Error;

    fn process_events<F>(
        &mut self,
        ready: Readiness,
        token: Token,
        mut callback: F,
    ) -> io::Result<PostAction>
    where
        F: FnMut(Option<String>, &mut ()),
    {
        // A part whose token it is not answers `Continue`.
        let action = self.stream.process_events(ready, token, |_, stream| {
            let mut buffer = [0; 1024];
            let count = (&**stream).read(&mut buffer)?;
            callback(Some(String::from_utf8_lossy(&buffer[..count]).into_owned()), &mut ());
            Ok(if count == 0 { PostAction::Remove } else { PostAction::Reregister })
        })?;
        if action == PostAction::Reregister {
            self.silence.set_duration(PATIENCE);
        }
        self.silence.process_events(ready, token, |_, unit| {
            callback(None, unit);
            TimeoutAction::ToDuration(PATIENCE)
        })?;
        // With the stream the whole ends.
        Ok(action)
    }

    fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        batch_register!(poll, tokens, self.stream, self.silence)
    }

    fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        batch_reregister!(poll, tokens, self.stream, self.silence)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        batch_unregister!(poll, self.stream, self.silence)
    }
}

/// Hears one word, then nothing more.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (near, mut far) = UnixStream::pair()?;
    let stream = Generic::new(near, Interest::READ, Mode::Level);
    let silence = Timer::from_duration(Duration::MAX);
    let mut event_loop: EventLoop<'_, ()> = EventLoop::try_new()?;
    let signal = event_loop.get_signal();
    let source = Conversation { stream, silence };
    event_loop.handle().insert_source(source, move |text, _, ()| match text {
        Some(text) => println!("{text}"),
        None => signal.stop(),
    })?;
    far.write_all(b"hello")?;
    event_loop.run(None, &mut (), |()| {})?;
    println!("then nothing for {PATIENCE:?}");
    Ok(())
}
