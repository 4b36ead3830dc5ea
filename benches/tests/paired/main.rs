//! The paired runner against known effects. It is a test of its own, whose trials run one by one:
//! `cargo test --release -p benches --test paired`.

#[path = "../it/broken.rs"]
mod broken;
#[cfg(target_os = "linux")]
mod floor;
mod quick;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use benches::baselines::Poller;
use benches::burden::Burden;
use benches::engine::{Engine, Floor};
use benches::paired::{Verdict, compare, judge};
use benches::tally::Tally;
use benches::workload::{MadeOf, Run, Spec, Workload};
use benches::{Bench, Faulty, Program, Settings, builtin, select};
use conformance::adapter::{Adapter, Failure};
use libtest_mimic::{Arguments, Failed, Trial};
use reports::record::Ratio;

/// Noise of half of the effect that is to be seen.
const SETTINGS: Settings = Settings {
    blocks: 15,
    noise: 0.015,
    at_most: Duration::from_secs(60),
    sample: Duration::from_micros(200),
    samples: 20,
};

const EFFECT: f64 = 0.03;

fn main() -> ExitCode {
    if let Some(code) = benches::serve(&every_bench()) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let mut trials = vec![
        Trial::test("the_same_twice_is_within_the_noise_12_times_of_12", the_same_twice),
        Trial::test("three_hundredths_more_work_are_seen_and_as_many_less", three_hundredths),
        Trial::test("two_programs_are_told_apart", two_programs),
        // Without optimization the harness is not what it is.
        #[cfg(target_os = "linux")]
        Trial::test("the_floor_is_a_hand_written_loop_within_3_percent", floor::is_hand_written)
            .with_ignored_flag(cfg!(debug_assertions)),
    ];
    trials.extend(quick::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What the processes of this program can be asked for.
fn every_bench() -> Vec<Bench> {
    let own = [spin(2_000), spin(2_060)];
    [builtin(), own.into(), by_hand(), quick::own()].concat()
}

/// The floor of epoll(7) once more.
fn by_hand() -> Vec<Bench> {
    #[cfg(target_os = "linux")]
    return floor::by_hand();
    #[cfg(not(target_os = "linux"))]
    return Vec::new();
}

/// Work of a known length.
#[derive(Copy, Clone)]
struct Spin {
    steps: u64,
}

impl Workload for Spin {
    fn spec(self) -> Spec {
        let floor = MadeOf::Std("spin");
        let parameters = format!("steps={}", self.steps);
        Spec { name: "spin", parameters, per: "spin", units: 1, floor, ..Spec::default() }
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

/// Compares two benchmarks of this program.
fn compare_here(base: &Bench, head: &Bench) -> Result<Ratio, Faulty> {
    let program = Program::this().expect("this program is somewhere");
    compare((base, &program), (head, &program), &SETTINGS)
}

fn the_same_twice() -> Result<(), Failed> {
    let bench = spin(2_000);
    for trial in 1..=12 {
        let ratio = compare_here(&bench, &bench)?;
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
        let ratio = compare_here(&spin(base), &spin(head))?;
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
    for (base, head, expected) in [
        (&clean, &burdened, Verdict::Slower),
        (&burdened, &clean, Verdict::Faster),
        (&burdened, &burdened, Verdict::Same),
    ] {
        let ratio = compare((bench, base), (bench, head), &Settings::default())?;
        eprintln!("{} after {}: {ratio:?}", head.burden, base.burden);
        if judge(&ratio, 0.5) != expected {
            return Err(format!("{} after {}: {ratio:?}", head.burden, base.burden).into());
        }
    }
    Ok(())
}
