//! A source for a message queue as of ZeroMQ: a socket whose one descriptor is only a hint, in both
//! directions, with a channel for what is to be sent.
//!
//! The queue stands in for the library. What makes such a source hard is all there: its descriptor is
//! edge-triggered and says only that something may have changed, so that one has to look, and has to
//! look also after each sending.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use super::calloop::channel::{self, Channel, Sender};
use super::calloop::generic::Generic;
use super::calloop::ping::{Ping, PingSource, make_ping};
use super::calloop::transient::TransientSource;
use super::calloop::{
    self, EventLoop, EventSource, Interest, LoopSignal, Mode, Poll, PostAction, Readiness, Token,
    TokenFactory,
};

type Message = Vec<u8>;

/// One end of a queue in both directions, with room for three messages in each.
struct Socket {
    inbox: Arc<Mutex<VecDeque<Message>>>,
    outbox: Arc<Mutex<VecDeque<Message>>>,
    hint: UnixStream,
}

impl Socket {
    fn pair() -> io::Result<(Socket, Socket)> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        let (one, other) = (Arc::<Mutex<_>>::default(), Arc::<Mutex<_>>::default());
        let first = Socket { inbox: one.clone(), outbox: other.clone(), hint: near };
        Ok((first, Socket { inbox: other, outbox: one, hint: far }))
    }

    /// Gives the message back if there is no room.
    fn send(&self, message: Message) -> Result<(), Message> {
        let mut outbox = self.outbox.lock().unwrap();
        if outbox.len() == 3 {
            return Err(message);
        }
        outbox.push_back(message);
        self.tell();
        Ok(())
    }

    fn receive(&self) -> Option<Message> {
        let message = self.inbox.lock().unwrap().pop_front()?;
        // The other end may send again.
        self.tell();
        Some(message)
    }

    fn tell(&self) {
        let _ = (&self.hint).write(&[0]);
    }

    /// The library forgets its hints when it is asked what they were about.
    fn forget_hints(&self) {
        while (&self.hint).read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.hint.as_fd()
    }
}

/// The queue as a source: its events are the messages.
struct Queue {
    socket: Generic<Socket>,
    /// What is to be sent. It may end before the messages do.
    orders: TransientSource<Channel<Message>>,
    /// Has the socket looked at once more, since no edge will tell.
    again: Ping,
    look: PingSource,
    unsent: VecDeque<Message>,
}

impl Queue {
    fn new(socket: Socket) -> io::Result<(Queue, Sender<Message>)> {
        let (sender, orders) = channel::channel();
        let (again, look) = make_ping()?;
        // There may be messages already.
        again.ping();
        let socket = Generic::new(socket, Interest::READ, Mode::Edge);
        let queue = Queue { socket, orders: orders.into(), again, look, unsent: VecDeque::new() };
        Ok((queue, sender))
    }
}

impl EventSource for Queue {
    type Event = Message;
    type Metadata = ();
    type Ret = io::Result<()>;
    type Error = Box<dyn std::error::Error + Sync + Send>;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut(Message, &mut ()) -> io::Result<()>,
    {
        let unsent = &mut self.unsent;
        let mut action = self.orders.process_events(readiness, token, |event, _| {
            if let channel::Event::Msg(message) = event {
                unsent.push_back(message);
            }
        })?;
        action |= self.look.process_events(readiness, token, |(), _| {})?;
        action |= self.socket.process_events(readiness, token, |_, _| Ok(PostAction::Continue))?;

        // Whatever it was: send what there is room for, and take what there is.
        let socket = self.socket.get_ref();
        socket.forget_hints();
        while let Some(message) = self.unsent.pop_front() {
            if let Err(message) = socket.send(message) {
                self.unsent.push_front(message);
                break;
            }
        }
        if let Some(message) = socket.receive() {
            // One in each turn; others have theirs.
            self.again.ping();
            callback(message, &mut ())?;
        }
        Ok(action)
    }

    fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        calloop::batch_register!(poll, tokens, self.socket, self.orders, self.look)
    }

    fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        calloop::batch_reregister!(poll, tokens, self.socket, self.orders, self.look)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        calloop::batch_unregister!(poll, self.socket, self.orders, self.look)
    }
}

struct State {
    replies: Vec<Message>,
    signal: LoopSignal,
}

#[test]
fn a_client_and_a_server_exchange_more_than_the_queue_holds() {
    const COUNT: u8 = 10;
    let (near, far) = Socket::pair().unwrap();
    let (client, requests) = Queue::new(near).unwrap();
    let (server, answers) = Queue::new(far).unwrap();
    let mut event_loop: EventLoop<State> = EventLoop::try_new().unwrap();
    let serves = event_loop.handle().insert_source(server, move |mut request, &mut (), _| {
        request.push(b'!');
        answers.send(request).map_err(io::Error::other)
    });
    serves.map_err(|refused| refused.error).unwrap();
    let asks = event_loop.handle().insert_source(client, |reply, _, state| {
        state.replies.push(reply);
        if state.replies.len() == usize::from(COUNT) {
            state.signal.stop();
        }
        Ok(())
    });
    asks.map_err(|refused| refused.error).unwrap();

    (0..COUNT).for_each(|number| requests.send(vec![number]).unwrap());
    // The orders end long before the replies have come.
    drop(requests);
    let mut state = State { replies: Vec::new(), signal: event_loop.get_signal() };
    event_loop.run(None, &mut state, |_| {}).unwrap();
    let expected: Vec<Message> = (0..COUNT).map(|number| vec![number, b'!']).collect();
    assert_eq!(state.replies, expected);
}
