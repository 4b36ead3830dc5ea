//! The floors that are system calls, against the same calls by hand, without any of the harness:
//! `epoll_wait` of libc, the others of rustix, which makes them inline.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use super::*;

/// As much as the harness may cost; less than nothing would be another thing.
const COST: f64 = 0.03;

/// How often the machine may have its say.
const ATTEMPTS: usize = 3;

const BY_HAND: [(&str, ByHand); 6] = [
    ("empty", ByHand::Wait { ready: 0 }),
    ("ready/ready=1", ByHand::Wait { ready: 1 }),
    ("ready/ready=100", ByHand::Wait { ready: 100 }),
    ("ready/ready=1000", ByHand::Wait { ready: 1000 }),
    ("ping", ByHand::Ping),
    ("fd-update", ByHand::Update),
];

/// All of them, in the order of the floors.
pub(super) fn by_hand() -> Vec<Bench> {
    BY_HAND.into_iter().filter_map(|(_, by_hand)| Floor::bench(by_hand)).collect()
}

pub(super) fn is_hand_written() -> Result<(), Failed> {
    for ((name, _), by_hand) in BY_HAND.into_iter().zip(by_hand()) {
        let floors = select(builtin(), &[name], &["calloop-ref"])?;
        let floor = floors.iter().find(|bench| bench.is_floor()).ok_or("there is a floor")?;
        let mut nearest = f64::INFINITY;
        for _ in 0..ATTEMPTS {
            let ratio = compare_here(&by_hand, floor)?;
            eprintln!("{name}: {ratio:?}");
            nearest = nearest.min(ratio.value.ln().abs());
            if nearest <= COST {
                break;
            }
        }
        if nearest > COST {
            return Err(format!("the floor of {name} is not what it takes by hand").into());
        }
    }
    Ok(())
}

#[derive(Copy, Clone)]
enum ByHand {
    /// `epoll_wait` over descriptors that are ready, and a sum of their numbers.
    Wait { ready: u64 },
    /// An eventfd written, waited for and read.
    Ping,
    /// A hundred times `epoll_ctl`, then `epoll_wait`.
    Update,
}

fn event(number: u64) -> (EventData, EventFlags) {
    (EventData::new_u64(number), EventFlags::IN)
}

/// Returns how many are ready, and the sum of their numbers.
fn wait(
    epoll: &OwnedFd,
    events: &mut [libc::epoll_event; 1024],
    timeout: c_int,
) -> Result<(u64, u64), Failure> {
    let epoll = epoll.as_raw_fd();
    // SAFETY: the kernel writes at most 1024 entries, and so many there are.
    let count = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 1024, timeout) };
    if count < 0 {
        return Err(io::Error::last_os_error().into());
    }
    let mut sum = 0;
    for event in &events[..count as usize] {
        sum += event.u64;
    }
    Ok((count as u64, sum))
}

impl ByHand {
    fn events(self) -> u64 {
        match self {
            ByHand::Wait { ready } => ready,
            ByHand::Ping | ByHand::Update => 1,
        }
    }
}

impl Workload for ByHand {
    fn spec(self) -> Spec {
        let parameters = match self {
            ByHand::Wait { ready } => format!("ready={ready}"),
            ByHand::Ping => "ping".to_string(),
            ByHand::Update => "update".to_string(),
        };
        let units = match self {
            ByHand::Update => 100,
            ByHand::Wait { .. } | ByHand::Ping => self.events().max(1),
        };
        let floor = MadeOf::Std("hand");
        Spec { name: "by-hand", parameters, per: "event", units, floor, ..Spec::default() }
    }

    fn on<A: Adapter>(self, _: Rc<Tally>) -> Result<Run, Failure> {
        Err(Failure::Unsupported)
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut descriptors = Vec::new();
        for number in 0..self.events() {
            let is_ready = !matches!(self, ByHand::Ping);
            let fd = eventfd(is_ready.into(), EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let (data, flags) = event(number);
            epoll::add(&epoll, &fd, data, flags)?;
            descriptors.push(fd);
        }
        let mut events = Box::new([libc::epoll_event { events: 0, u64: 0 }; 1024]);
        let expected = (self.events(), self.events() * self.events().saturating_sub(1) / 2);
        Ok(Run::new(tally, move || {
            let found = match self {
                ByHand::Wait { .. } => {
                    let _ = &descriptors;
                    wait(&epoll, &mut events, 0)?
                }
                ByHand::Ping => {
                    let fd = &descriptors[0];
                    rustix::io::write(fd, &1u64.to_ne_bytes())?;
                    let found = wait(&epoll, &mut events, -1)?;
                    rustix::io::read(fd, &mut [0u8; 8])?;
                    found
                }
                ByHand::Update => {
                    for _ in 0..100 {
                        let (data, flags) = event(0);
                        epoll::modify(&epoll, &descriptors[0], data, flags)?;
                    }
                    wait(&epoll, &mut events, 0)?
                }
            };
            if found == expected { Ok(()) } else { Err(Failure::Other("others".to_string())) }
        }))
    }
}
