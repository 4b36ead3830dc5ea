//! The asynchronous part of a program: an executor for its tasks, adapted sockets, a stream, and a
//! future that the program is about.

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use futures_util::stream;

use super::calloop::futures::executor;
use super::calloop::stream::StreamSource;
use super::calloop::timer::TimeoutFuture;
use super::calloop::{EventLoop, LoopHandle};

const BLOCK: usize = 300_000;

async fn send(handle: LoopHandle<'static, State>, socket: UnixStream) -> std::io::Result<usize> {
    let mut socket = handle.adapt_io(socket)?;
    // More than the socket holds, so that it has to wait for the reader.
    socket.write_all(&vec![1; BLOCK]).await?;
    socket.close().await?;
    Ok(BLOCK)
}

async fn receive(handle: LoopHandle<'static, State>, socket: UnixStream) -> std::io::Result<usize> {
    let mut socket = handle.adapt_io(socket)?;
    let mut received = Vec::new();
    socket.read_to_end(&mut received).await?;
    Ok(received.iter().map(|byte| usize::from(*byte)).sum())
}

#[derive(Default)]
struct State {
    sizes: Vec<usize>,
    items: Vec<&'static str>,
}

#[test]
fn two_tasks_pass_a_large_block() {
    let mut event_loop: EventLoop<State> = EventLoop::try_new().unwrap();
    let handle = event_loop.handle();
    let (executor, scheduler) = executor().unwrap();
    handle
        .insert_source(executor, |outcome: std::io::Result<usize>, &mut (), state: &mut State| {
            state.sizes.push(outcome.expect("the sockets work"));
        })
        .unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    scheduler.schedule(receive(handle.clone(), far)).unwrap();
    scheduler.schedule(send(handle.clone(), near)).unwrap();

    let mut state = State::default();
    while state.sizes.len() < 2 {
        event_loop.dispatch(Duration::from_secs(10), &mut state).unwrap();
    }
    assert_eq!(state.sizes, [BLOCK; 2]);
}

#[test]
fn a_program_is_one_future_beside_its_sources() {
    let mut event_loop: EventLoop<State> = EventLoop::try_new().unwrap();
    let handle = event_loop.handle();
    let items = StreamSource::new(stream::iter(["first", "second"])).unwrap();
    handle
        .insert_source(items, |item, _, state: &mut State| {
            state.items.push(item.unwrap_or("that was all"));
        })
        .unwrap();

    // The future borrows from here; its tasks share what they have without locks.
    let log = RefCell::new(Vec::new());
    let shared = Rc::new("shared");
    let program = async {
        for step in 0..3 {
            TimeoutFuture::from_duration(&handle, Duration::from_millis(2)).await;
            log.borrow_mut().push((step, *shared));
        }
        log.borrow().len()
    };
    let mut state = State::default();
    let outcome = event_loop.block_on(program, &mut state, |_| {}).unwrap();
    assert_eq!(outcome, Some(3));
    assert_eq!(state.items, ["first", "second", "that was all"]);
}
