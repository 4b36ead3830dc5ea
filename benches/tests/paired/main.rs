//! The paired runner against known effects. It is a test of its own, whose trials run one by one:
//! `cargo test --release -p benches --test paired`.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use benches::burden::Burden;
use benches::engine::{Engine, Floor};
use benches::paired::{Patience, Verdict, compare, judge};
use benches::tally::Tally;
use benches::workload::{Run, Spec, Workload, std_floor};
use benches::{Bench, Program, Settings, builtin, programs, select};
use conformance::adapter::{Adapter, Failure};
use libtest_mimic::{Arguments, Failed, Trial};

const SETTINGS: Settings = Settings {
    rounds: 25,
    workload: Duration::from_millis(300),
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
        Spec { name: "spin", per: "spin", units: 1, floor: std_floor("spin"), ..Spec::default() }
    }

    fn on<A: Adapter>(self, _: Rc<Tally>) -> Result<Run, Failure> {
        Err(Failure::Unsupported)
    }

    fn floor(self, tally: Rc<Tally>) -> Result<Run, Failure> {
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
    Floor::bench(Spin { steps })
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
    let bench = benches.iter().find(|bench| !bench.is_floor).ok_or("calloop-ref has it")?;
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

/// The floors that are system calls, against a loop over libc that shares no code with them.
mod floor {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use benches::engine::{Engine, Floor};

    use super::*;

    /// As much as the harness may cost, and noise that lets that be seen.
    const COST: f64 = 0.03;

    pub(super) fn is_hand_written() -> Result<(), Failed> {
        for (name, by_hand) in [
            ("empty", Floor::bench(ByHand { ready: 0 })),
            ("ready/ready=1", Floor::bench(ByHand { ready: 1 })),
            ("ready/ready=100", Floor::bench(ByHand { ready: 100 })),
        ] {
            let floors = select(builtin(), &[name], &["calloop-ref"])?;
            let floor = floors.iter().find(|bench| bench.is_floor).ok_or("there is a floor")?;
            let ratio = compare(&by_hand, floor, &SETTINGS, PATIENCE)?;
            eprintln!("{name}: {ratio:?}");
            // Without optimization the harness is not what it is.
            if !cfg!(debug_assertions) && ratio.value > 1.0 + COST && ratio.low > 1.0 + ratio.noise
            {
                return Err(format!("the floor of {name} is dearer: {ratio:?}").into());
            }
        }
        Ok(())
    }

    /// `epoll_wait` over descriptors that are ready, and a sum of their numbers.
    #[derive(Copy, Clone)]
    struct ByHand {
        ready: u64,
    }

    impl Workload for ByHand {
        fn spec(self) -> Spec {
            let units = self.ready.max(1);
            Spec {
                name: "by-hand",
                per: "event",
                units,
                floor: std_floor("libc"),
                ..Spec::default()
            }
        }

        fn on<A: Adapter>(self, _: Rc<Tally>) -> Result<Run, Failure> {
            Err(Failure::Unsupported)
        }

        fn floor(self, tally: Rc<Tally>) -> Result<Run, Failure> {
            let create = |fd| match fd {
                -1 => Err(Failure::Io(std::io::Error::last_os_error())),
                // SAFETY: the kernel has just given it to this call.
                fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            };
            // SAFETY: the call takes a number.
            let epoll = create(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
            let mut descriptors = Vec::new();
            for number in 0..self.ready {
                // SAFETY: the call takes numbers.
                let fd = create(unsafe { libc::eventfd(1, libc::EFD_CLOEXEC) })?;
                let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number };
                let (instance, raw) = (epoll.as_raw_fd(), fd.as_raw_fd());
                // SAFETY: the kernel reads the event, which exists.
                match unsafe { libc::epoll_ctl(instance, libc::EPOLL_CTL_ADD, raw, &mut event) } {
                    0 => descriptors.push(fd),
                    _ => return Err(std::io::Error::last_os_error().into()),
                }
            }
            let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
            Ok(Run::new(tally, move || {
                let _ = &descriptors;
                // SAFETY: the kernel writes at most 1024 entries, and so many there are.
                let count =
                    unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), 1024, 0) };
                let mut sum = 0;
                for event in &events[..count as usize] {
                    sum += event.u64;
                }
                match sum == self.ready * self.ready.saturating_sub(1) / 2 {
                    true => Ok(()),
                    false => Err(Failure::Other("other events".to_string())),
                }
            }))
        }
    }
}
