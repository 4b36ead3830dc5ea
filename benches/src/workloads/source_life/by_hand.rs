//! The same lives by hand.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use conformance::adapter::Failure;

use super::{FAR, Kind, SourceLife, refused};
use crate::baselines::Poller;
use crate::raw::{self, SignalFd};
use crate::tally::Tally;
use crate::workload::Run;
use crate::workloads::signal::{Blocked, SIGNAL};

impl SourceLife {
    /// How each is made, all are called and each is removed.
    fn by_hand<T: 'static>(
        self,
        tally: Rc<Tally>,
        mut create: impl FnMut(u64) -> Result<T, Failure> + 'static,
        mut invoke: impl FnMut(&mut Vec<T>) -> Result<(), Failure> + 'static,
        mut destroy: impl FnMut(T) -> Result<(), Failure> + 'static,
    ) -> Run {
        Run::in_part(tally, move |measure| {
            self.live(measure, &mut create, &mut invoke, &mut destroy, || Ok(()))
        })
    }
}

pub(super) fn prepare<P: Poller>(life: SourceLife, tally: Rc<Tally>) -> Result<Run, Failure> {
    match life.kind {
        Kind::Fd => descriptors::<P>(life, tally, 1, |eventfd| raw::clear(eventfd)),
        Kind::Ping => descriptors::<P>(life, tally, 0, P::acknowledge),
        Kind::Signal => signals::<P>(life, tally),
        Kind::Timer => Ok(timers(life, tally)),
        Kind::Channel => Ok(channels(life, tally)),
        Kind::Idle => Ok(callbacks(life, tally)),
        Kind::Executor => Ok(futures(life, tally)),
    }
}

/// Eventfds that are readable from the start, or are raised when they are to be called.
fn descriptors<P: Poller>(
    life: SourceLife,
    tally: Rc<Tally>,
    readable: u32,
    acknowledge: impl Fn(&OwnedFd) -> Result<(), Failure> + 'static,
) -> Result<Run, Failure> {
    let poller = Rc::new(RefCell::new(P::new()?));
    let (adding, removing) = (poller.clone(), poller.clone());
    let seen = tally.clone();
    let create = move |number| {
        let eventfd = raw::eventfd(readable)?;
        adding.borrow_mut().add(&eventfd, number)?;
        Ok(eventfd)
    };
    let invoke = move |living: &mut Vec<OwnedFd>| {
        if readable == 0 {
            living.iter().try_for_each(raw::raise)?;
        }
        while seen.awaited() > 0 {
            for number in poller.borrow_mut().poll()? {
                acknowledge(&living[number as usize])?;
                seen.saw(number);
            }
        }
        Ok(())
    };
    let destroy = move |eventfd| removing.borrow_mut().remove(&eventfd);
    Ok(life.by_hand(tally, create, invoke, destroy))
}

fn signals<P: Poller>(life: SourceLife, tally: Rc<Tally>) -> Result<Run, Failure> {
    let poller = Rc::new(RefCell::new(P::new()?));
    let (adding, removing) = (poller.clone(), poller.clone());
    let seen = tally.clone();
    let create = move |number| {
        let mask = Blocked::new()?;
        let signals = mask.signalfd()?;
        adding.borrow_mut().add(signals.as_fd(), number)?;
        Ok((signals, mask))
    };
    let invoke = move |living: &mut Vec<(SignalFd, Blocked)>| {
        raw::signal_this_thread(SIGNAL as i32)?;
        for number in poller.borrow_mut().poll()? {
            living[number as usize].0.read_signal().map_err(std::io::Error::from)?;
            seen.saw(number);
        }
        Ok(())
    };
    let destroy =
        move |(signals, _mask): (SignalFd, Blocked)| removing.borrow_mut().remove(signals.as_fd());
    Ok(life.by_hand(tally, create, invoke, destroy))
}

/// A tree of deadlines, from which the due are taken and put back for later.
fn timers(life: SourceLife, tally: Rc<Tally>) -> Run {
    type Key = (Instant, u64);

    let timers: Rc<RefCell<BTreeMap<Key, u64>>> = Rc::default();
    let (adding, removing) = (timers.clone(), timers.clone());
    let seen = tally.clone();
    let create = move |number| {
        let key = (Instant::now(), number);
        adding.borrow_mut().insert(key, number);
        Ok(key)
    };
    let invoke = move |living: &mut Vec<Key>| {
        let now = Instant::now();
        let mut timers = timers.borrow_mut();
        while let Some(first) = timers.first_entry().filter(|first| first.key().0 <= now) {
            let ((_, id), number) = first.remove_entry();
            seen.saw(number);
            living[id as usize].0 = now + FAR;
            timers.insert((now + FAR, id), number);
        }
        Ok(())
    };
    let destroy = move |key: Key| {
        removing.borrow_mut().remove(&key);
        Ok(())
    };
    life.by_hand(tally, create, invoke, destroy)
}

fn channels(life: SourceLife, tally: Rc<Tally>) -> Run {
    type Ends = (mpsc::Sender<u64>, mpsc::Receiver<u64>);

    let seen = tally.clone();
    let invoke = move |living: &mut Vec<Ends>| {
        for ((sender, _), number) in living.iter().zip(0..) {
            sender.send(number).map_err(|_| refused("a message"))?;
        }
        living.iter().filter_map(|(_, receiver)| receiver.try_recv().ok()).for_each(|number| {
            seen.saw(number);
        });
        Ok(())
    };
    let destroy = |ends: Ends| {
        drop(ends);
        Ok(())
    };
    life.by_hand(tally, |_| Ok(mpsc::channel()), invoke, destroy)
}

/// Boxed, as a queue of different callbacks needs them.
fn callbacks(life: SourceLife, tally: Rc<Tally>) -> Run {
    type Callback = Box<dyn FnOnce()>;

    let seen = tally.clone();
    let create = move |number| {
        let tally = seen.clone();
        let callback: Callback = Box::new(move || tally.saw(number));
        Ok(callback)
    };
    let invoke = |living: &mut Vec<Callback>| {
        living.drain(..).for_each(|callback| callback());
        Ok(())
    };
    let destroy = |callback: Callback| {
        drop(callback);
        Ok(())
    };
    life.by_hand(tally, create, invoke, destroy)
}

/// A queue of boxed futures for each.
fn futures(life: SourceLife, tally: Rc<Tally>) -> Run {
    type Queue = VecDeque<Pin<Box<dyn Future<Output = u64>>>>;

    let seen = tally.clone();
    let invoke = move |living: &mut Vec<Queue>| {
        for (queue, number) in living.iter_mut().zip(0..) {
            queue.push_back(Box::pin(async move { number }));
        }
        let mut context = Context::from_waker(Waker::noop());
        for queue in living {
            while let Some(mut future) = queue.pop_front() {
                if let Poll::Ready(number) = future.as_mut().poll(&mut context) {
                    seen.saw(number);
                }
            }
        }
        Ok(())
    };
    let destroy = |queue: Queue| {
        drop(queue);
        Ok(())
    };
    life.by_hand(tally, |_| Ok(Queue::new()), invoke, destroy)
}
