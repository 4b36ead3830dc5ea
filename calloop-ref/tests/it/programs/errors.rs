//! Errors of a program's own, on their way through callbacks and the loop to `main`.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use super::calloop::generic::Generic;
use super::calloop::{self, EventLoop, Interest, Mode, PostAction};

#[derive(Debug, PartialEq)]
struct Garbled(u8);

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the protocol has no command {}", self.0)
    }
}

impl std::error::Error for Garbled {}

/// The errors of callbacks that can fail in several ways, made by `?` alone.
type CallbackError = Box<dyn std::error::Error + Sync + Send>;

#[derive(Debug)]
enum ProgramError {
    Protocol(u8),
    Loop(calloop::Error),
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramError::Protocol(command) => write!(f, "a peer sent {command}"),
            ProgramError::Loop(error) => write!(f, "the event loop: {error}"),
        }
    }
}

impl From<calloop::Error> for ProgramError {
    fn from(error: calloop::Error) -> Self {
        match error {
            calloop::Error::OtherError(other) => match other.downcast::<Garbled>() {
                Ok(garbled) => ProgramError::Protocol(garbled.0),
                Err(other) => ProgramError::Loop(calloop::Error::OtherError(other)),
            },
            other => ProgramError::Loop(other),
        }
    }
}

fn understand(command: u8) -> Result<(), Garbled> {
    if command.is_ascii_alphabetic() { Ok(()) } else { Err(Garbled(command)) }
}

/// Counts commands, for `times` dispatches.
fn run(commands: &[u8], times: usize) -> Result<u32, (u32, ProgramError)> {
    let mut understood = 0;
    let mut attempt = || -> Result<(), ProgramError> {
        let mut event_loop: EventLoop<u32> = EventLoop::try_new()?;
        let (near, mut far) = UnixStream::pair().map_err(calloop::Error::from)?;
        far.write_all(commands).map_err(calloop::Error::from)?;
        let source: Generic<_, CallbackError> =
            Generic::new_with_error(near, Interest::READ, Mode::Level);
        event_loop
            .handle()
            .insert_source(source, |_, stream, understood| {
                let mut command = [0];
                (&**stream).read_exact(&mut command)?;
                understand(command[0])?;
                *understood += 1;
                Ok(PostAction::Continue)
            })
            // The source is lost here, which is what a program wants that gives up.
            .map_err(calloop::Error::from)?;
        for _ in 0..times {
            event_loop.dispatch(Duration::ZERO, &mut understood)?;
        }
        Ok(())
    };
    let outcome = attempt();
    outcome.map(|()| understood).map_err(|error| (understood, error))
}

#[test]
fn the_error_of_a_callback_comes_out_of_the_loop() {
    assert_eq!(run(b"abc", 5).expect("all are commands"), 3);
    let (understood, error) = run(b"ab!", 5).expect_err("the last is none");
    assert!(matches!(error, ProgramError::Protocol(b'!')), "{error:?}");
    assert_eq!(understood, 2);
    assert_eq!(error.to_string(), "a peer sent 33");
    let other = ProgramError::from(calloop::Error::InvalidToken).to_string();
    assert!(other.starts_with("the event loop: ") && other.contains("token"), "{other}");
}

#[test]
fn a_loop_goes_on_after_an_error_that_its_program_ignores() {
    let mut event_loop: EventLoop<u32> = EventLoop::try_new().unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"!a").unwrap();
    let source: Generic<_, CallbackError> =
        Generic::new_with_error(near, Interest::READ, Mode::Level);
    event_loop
        .handle()
        .insert_source(source, |_, stream, understood| {
            let mut command = [0];
            (&**stream).read_exact(&mut command)?;
            understand(command[0])?;
            *understood += 1;
            Ok(PostAction::Continue)
        })
        .unwrap();
    let mut understood = 0;
    let error = event_loop.dispatch(Duration::ZERO, &mut understood).expect_err("it is no command");
    assert!(error.to_string().contains("the protocol has no command 33"), "{error}");
    event_loop.dispatch(Duration::ZERO, &mut understood).unwrap();
    assert_eq!(understood, 1);
}

#[test]
fn a_source_that_cannot_be_inserted_comes_back() {
    let event_loop: EventLoop<()> = EventLoop::try_new().unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    let (near, handle) = (Rc::new(near), event_loop.handle());
    let ends = |_: calloop::Readiness, _: &mut _, (): &mut ()| Ok(PostAction::Remove);
    let first = Generic::new(near.clone(), Interest::READ, Mode::Level);
    handle.insert_source(first, ends).unwrap();

    let second = Generic::new(near.clone(), Interest::WRITE, Mode::Level);
    let refused = handle.insert_source(second, ends).expect_err("it is in the loop already");
    let calloop::Error::IoError(error) = refused.error else { panic!("{}", refused.error) };
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert!(Rc::ptr_eq(&refused.inserted.unwrap(), &near));
}
