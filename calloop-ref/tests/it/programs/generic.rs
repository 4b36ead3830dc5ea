//! Any descriptor as a source: a line-based service on a Unix socket, and its two directions.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use super::calloop::generic::Generic;
use super::calloop::{Dispatcher, EventLoop, Interest, LoopHandle, LoopSignal, Mode, PostAction};

struct Service {
    handle: LoopHandle<'static, Service>,
    signal: LoopSignal,
}

/// Answers each line in capitals; the end of a connection ends the service.
fn serve(service: &Service, stream: UnixStream) -> std::io::Result<()> {
    let reader = BufReader::new(stream.try_clone()?);
    let mut lines = reader.lines();
    let source = Generic::new(stream, Interest::READ, Mode::Level);
    let inserted = service.handle.insert_source(source, move |readiness, stream, service| {
        assert!(readiness.readable);
        match lines.next() {
            Some(line) => {
                writeln!(&mut &**stream, "{}", line?.to_uppercase())?;
                Ok(PostAction::Continue)
            }
            None => {
                service.signal.stop();
                Ok(PostAction::Remove)
            }
        }
    });
    inserted.map(drop).map_err(|error| std::io::Error::other(error.to_string()))
}

#[test]
fn a_listener_inserts_its_connections() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("service");
    let listener = UnixListener::bind(&path).unwrap();
    let mut event_loop: EventLoop<Service> = EventLoop::try_new().unwrap();
    event_loop
        .handle()
        .insert_source(
            Generic::new(listener, Interest::READ, Mode::Level),
            |_, listener, service: &mut Service| {
                let (stream, _) = listener.accept()?;
                serve(service, stream)?;
                Ok(PostAction::Continue)
            },
        )
        .unwrap();

    let client = thread::spawn(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
        ["one", "two"].map(|line| {
            writeln!(stream, "{line}").unwrap();
            answers.next().expect("an answer").unwrap()
        })
    });
    let mut service = Service { handle: event_loop.handle(), signal: event_loop.get_signal() };
    event_loop.run(None, &mut service, |_| {}).unwrap();
    assert_eq!(client.join().unwrap(), ["ONE", "TWO"]);
}

/// What there is to send; when it is sent, the source turns from writing to reading.
struct Exchange {
    unsent: Vec<u8>,
    received: Vec<u8>,
    is_sent: bool,
    is_over: bool,
}

#[test]
fn a_source_turns_from_writing_to_reading() {
    const SIZE: usize = 1 << 20;
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let echo = thread::spawn(move || {
        let mut all = vec![0; SIZE];
        (&far).read_exact(&mut all).unwrap();
        (&far).write_all(&all).unwrap();
    });

    let mut event_loop: EventLoop<Exchange> = EventLoop::try_new().unwrap();
    let source = Generic::new(near, Interest::WRITE, Mode::Level);
    let dispatcher = Dispatcher::new(source, |readiness, stream, exchange: &mut Exchange| {
        if readiness.writable && !exchange.unsent.is_empty() {
            let count = (&**stream).write(&exchange.unsent)?;
            exchange.unsent.drain(..count);
            exchange.is_sent = exchange.unsent.is_empty();
        } else if readiness.readable {
            let mut buffer = [0; 65536];
            let count = (&**stream).read(&mut buffer)?;
            exchange.received.extend_from_slice(&buffer[..count]);
            exchange.is_over = count == 0;
        }
        Ok(if exchange.is_over { PostAction::Remove } else { PostAction::Continue })
    });
    let token = event_loop.handle().register_dispatcher(dispatcher.clone()).unwrap();

    let sent: Vec<u8> = (0..SIZE).map(|number| number as u8).collect();
    let mut exchange =
        Exchange { unsent: sent.clone(), received: Vec::new(), is_sent: false, is_over: false };
    while !exchange.is_over {
        event_loop.dispatch(Duration::from_secs(10), &mut exchange).unwrap();
        if std::mem::take(&mut exchange.is_sent) {
            dispatcher.as_source_mut().interest = Interest::READ;
            event_loop.handle().update(&token).unwrap();
        }
    }
    echo.join().unwrap();
    assert!(exchange.received == sent, "all came back as it was");
}
