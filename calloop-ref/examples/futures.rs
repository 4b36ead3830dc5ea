//! Futures in the loop: two that talk over a socket, and what they resolve to.
//!
//! `cargo run -p calloop-ref --features executor,futures-io --example futures`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::os::unix::net::UnixStream;
use std::time::Duration;

use calloop_ref::futures::executor;
use calloop_ref::io::Async;
use calloop_ref::timer::TimeoutFuture;
use calloop_ref::{EventLoop, LoopHandle};
use futures_util::io::{AsyncReadExt, AsyncWriteExt};

type Outcome = std::io::Result<String>;

/// Lets a client ask and a server answer.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut event_loop: EventLoop<'static, Vec<Outcome>> = EventLoop::try_new()?;
    let handle = event_loop.handle();

    // The executor is a source, its events are what the futures resolve to.
    let (source, scheduler) = executor()?;
    handle.insert_source(source, |outcome, _, outcomes: &mut Vec<Outcome>| {
        outcomes.push(outcome);
    })?;

    let (near, far) = UnixStream::pair()?;
    scheduler.schedule(client(handle.adapt_io(near)?))?;
    scheduler.schedule(server(handle.adapt_io(far)?, handle.clone()))?;

    let mut outcomes = Vec::new();
    while outcomes.len() < 2 {
        event_loop.dispatch(None, &mut outcomes)?;
    }
    for outcome in outcomes {
        println!("{}", outcome?);
    }
    Ok(())
}

async fn client(mut stream: Async<'static, UnixStream>) -> Outcome {
    stream.write_all(b"how are you?").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(format!("the client heard: {answer}"))
}

async fn server(
    mut stream: Async<'static, UnixStream>,
    handle: LoopHandle<'static, Vec<Outcome>>,
) -> Outcome {
    let mut question = [0; 64];
    let count = stream.read(&mut question).await?;
    TimeoutFuture::from_duration(&handle, Duration::from_millis(5)).await;
    stream.write_all(b"fine").await?;
    Ok(format!("the server heard: {}", String::from_utf8_lossy(&question[..count])))
}
