//! The paired runner against known effects. It is a test of its own, whose trials run one by one:
//! `cargo test --release -p benches --test paired`.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use benches::baselines::Poller;
use benches::burden::Burden;
use benches::engine::{Engine, Floor};
use benches::paired::{Patience, Verdict, compare, judge};
use benches::tally::Tally;
use benches::workload::{MadeOf, Run, Spec, Workload};
use benches::{Bench, Program, Settings, builtin, programs, select};
use conformance::adapter::{Adapter, Failure};
use libtest_mimic::{Arguments, Failed, Trial};

const SETTINGS: Settings = Settings {
    rounds: 25,
    workload: Duration::from_millis(300),
    at_most: Duration::MAX,
    sample: Duration::from_micros(200),
};

/// Half of the effect that is to be seen.
const PATIENCE: Patience = Patience { noise: 0.015, at_most: Duration::from_secs(60) };

const EFFECT: f64 = 0.03;

fn main() -> ExitCode {
    // Two programs are compared by processes of this one.
    if let Some(code) = benches::serve(&benches::builtin()) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = vec![
        Trial::test("the_same_twice_is_within_the_noise_12_times_of_12", the_same_twice),
        Trial::test("three_hundredths_more_work_are_seen_and_as_many_less", three_hundredths),
        Trial::test("two_programs_are_told_apart", two_programs),
        Trial::test("the_floor_is_a_hand_written_loop_within_3_percent", floor::is_hand_written),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Work of a known length.
#[derive(Copy, Clone)]
struct Spin {
    steps: u64,
}

impl Workload for Spin {
    fn spec(self) -> Spec {
        let floor = MadeOf::Std("spin");
        Spec { name: "spin", per: "spin", units: 1, floor, ..Spec::default() }
    }

    fn on<A: Adapter>(self, _: Rc<Tally>) -> Result<Run, Failure> {
        Err(Failure::Unsupported)
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        Ok(Run::new(tally, move || {
            let mut state = 1u64;
            for _ in 0..self.steps {
                // Each step needs the one before.
                state = std::hint::black_box(state.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 1);
            }
            Ok(())
        }))
    }
}

fn spin(steps: u64) -> Bench {
    Floor::bench(Spin { steps }).expect("every workload has a floor")
}

fn the_same_twice() -> Result<(), Failed> {
    let bench = spin(2_000);
    for trial in 1..=12 {
        let ratio = compare(&bench, &bench, &SETTINGS, PATIENCE)?;
        eprintln!("{trial:2}: {ratio:?}");
        if judge(&ratio, EFFECT) != Verdict::Same {
            return Err(format!("trial {trial} of the same twice: {ratio:?}").into());
        }
        if ratio.value.ln().abs() > ratio.noise.ln_1p() {
            return Err(format!("trial {trial} is beyond its noise: {ratio:?}").into());
        }
    }
    Ok(())
}

fn three_hundredths() -> Result<(), Failed> {
    for (base, head, expected) in [(2_000, 2_060, Verdict::Slower), (2_060, 2_000, Verdict::Faster)]
    {
        let ratio = compare(&spin(base), &spin(head), &SETTINGS, PATIENCE)?;
        eprintln!("{head} steps after {base}: {ratio:?}");
        if judge(&ratio, EFFECT) != expected {
            return Err(format!("{head} steps after {base}: {ratio:?}, not {expected:?}").into());
        }
    }
    Ok(())
}

/// A program with half as much work again, against itself and against one without.
fn two_programs() -> Result<(), Failed> {
    let benches = select(builtin(), &["empty"], &["calloop-ref"])?;
    let bench = benches.iter().find(|bench| !bench.is_floor()).ok_or("calloop-ref has it")?;
    let [clean, burdened] = [0, 50].map(|percent| {
        let burden = Burden::Work { percent };
        Program::this().map(|program| Program { burden, ..program })
    });
    let (clean, burdened) = (clean?, burdened?);
    let settings = programs::Settings::default();
    for (base, head, expected) in [
        (&clean, &burdened, Verdict::Slower),
        (&burdened, &clean, Verdict::Faster),
        (&burdened, &burdened, Verdict::Same),
    ] {
        let ratio = programs::compare(bench, base, head, &settings)?;
        eprintln!("{} after {}: {ratio:?}", head.burden, base.burden);
        if judge(&ratio, 0.5) != expected {
            return Err(format!("{} after {}: {ratio:?}", head.burden, base.burden).into());
        }
    }
    Ok(())
}

/// The floors that are system calls, against loops over libc that share no code with them.
mod floor {
    use std::ffi::c_int;
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use benches::engine::{Engine, Floor};

    use super::*;

    /// As much as the harness may cost, and noise that lets that be seen.
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

    pub(super) fn is_hand_written() -> Result<(), Failed> {
        for (name, by_hand) in BY_HAND {
            let by_hand = Floor::bench(by_hand).expect("every workload has a floor");
            let floors = select(builtin(), &[name], &["calloop-ref"])?;
            let floor = floors.iter().find(|bench| bench.is_floor()).ok_or("there is a floor")?;
            let mut least = f64::INFINITY;
            for _ in 0..ATTEMPTS {
                let ratio = compare(&by_hand, floor, &SETTINGS, PATIENCE)?;
                eprintln!("{name}: {ratio:?}");
                least = least.min(ratio.value);
                // Without optimization the harness is not what it is.
                if cfg!(debug_assertions) || least <= 1.0 + COST {
                    break;
                }
            }
            if !cfg!(debug_assertions) && least > 1.0 + COST {
                return Err(format!("the floor of {name} is {least:.3} times as dear").into());
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

    /// The answer of a system call.
    fn answered(answer: c_int) -> Result<c_int, Failure> {
        if answer < 0 { Err(io::Error::last_os_error().into()) } else { Ok(answer) }
    }

    fn owned(answer: c_int) -> Result<OwnedFd, Failure> {
        // SAFETY: the kernel has just given it to this call.
        Ok(unsafe { OwnedFd::from_raw_fd(answered(answer)?) })
    }

    fn eventfd(count: u32) -> Result<OwnedFd, Failure> {
        // SAFETY: the call takes numbers.
        owned(unsafe { libc::eventfd(count, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
    }

    fn control(epoll: &OwnedFd, what: c_int, fd: &OwnedFd, number: u64) -> Result<(), Failure> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number };
        let (epoll, fd) = (epoll.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: the kernel reads the event, which exists.
        answered(unsafe { libc::epoll_ctl(epoll, what, fd, &mut event) }).map(drop)
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
        let count = answered(count)?;
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
            let units = match self {
                ByHand::Update => 100,
                ByHand::Wait { .. } | ByHand::Ping => self.events().max(1),
            };
            let floor = MadeOf::Std("libc");
            Spec { name: "by-hand", per: "event", units, floor, ..Spec::default() }
        }

        fn on<A: Adapter>(self, _: Rc<Tally>) -> Result<Run, Failure> {
            Err(Failure::Unsupported)
        }

        fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
            // SAFETY: the call takes a number.
            let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
            let mut descriptors = Vec::new();
            for number in 0..self.events() {
                let fd = eventfd(u32::from(!matches!(self, ByHand::Ping)))?;
                control(&epoll, libc::EPOLL_CTL_ADD, &fd, number)?;
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
                        let (fd, mut number) = (descriptors[0].as_raw_fd(), 1u64);
                        let word = (&raw mut number).cast();
                        // SAFETY: the kernel reads eight bytes, and so many there are.
                        let written = unsafe { libc::write(fd, word, 8) };
                        let found = wait(&epoll, &mut events, -1)?;
                        // SAFETY: the kernel writes eight bytes, and so many there are.
                        let read = unsafe { libc::read(fd, word, 8) };
                        if (written, read) == (8, 8) { found } else { (0, 0) }
                    }
                    ByHand::Update => {
                        for _ in 0..100 {
                            control(&epoll, libc::EPOLL_CTL_MOD, &descriptors[0], 0)?;
                        }
                        wait(&epoll, &mut events, 0)?
                    }
                };
                if found == expected { Ok(()) } else { Err(Failure::Other("others".to_string())) }
            }))
        }
    }
}
