//! A random program, twice.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::kit::{Wire, has, insert_once, insert_reader, let_time_pass};
use crate::adapter::{Adapter, Capability, Failure, Ping};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::{Case, Check, Deviation, Level, Rule};
use crate::trace::Trace;

pub(super) fn case<A: Adapter>() -> Case {
    Case::new::<A>(&SAME_TWICE, same_twice)
}

const SAME_TWICE: Rule = Rule {
    id: "ORD-108",
    level: Level::Should,
    sentence: "A program that does the same things in the same order SHOULD have its callbacks \
               called in the same order.",
    why: "What cannot be repeated cannot be debugged.",
    source: "Revolt, DriverTest: testExecutionOrderGuarantees; FoundationDB and TigerBeetle test by \
             repeating runs",
    check: "whether an order comes from hashing or from addresses",
    needs: &[Capability::Timers, Capability::Descriptors, Capability::OneWaitADispatch],
    alone: false,
};

fn same_twice<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    for round in 0..8 {
        let seed = t.trial.settings.seed.wrapping_add(round);
        let (first, second) = (run::<A>(seed)?, run::<A>(seed)?);
        ensure!(first.len() > 50, "a program of more than 50 calls", "{} calls", first.len());
        let pairs = first.iter().zip(&second);
        let differs = pairs.take_while(|(first, second)| first == second).count();
        t.trial.trace.note(format_args!("seed {seed:#x}: {} calls", first.len()));
        ensure!(
            first == second,
            format_args!("the same calls in two runs of the program of seed {seed:#x}"),
            "from call {differs} on: [{}] and then [{}]",
            excerpt(&first, differs),
            excerpt(&second, differs)
        );
    }
    Ok(())
}

fn excerpt(calls: &[String], from: usize) -> String {
    calls.iter().skip(from).take(8).map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What the program draws its decisions from.
#[derive(Clone)]
struct Dice(Rc<Cell<u64>>);

impl Dice {
    /// A number below `limit`, by splitmix64.
    fn roll(&self, limit: usize) -> usize {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// Everything that the program can make happen.
struct World<A: Adapter> {
    dice: Dice,
    trace: Trace,
    readers: RefCell<Vec<(Wire, A::Source)>>,
    pings: RefCell<Vec<Box<dyn Fn()>>>,
    next: Cell<usize>,
}

impl<A: Adapter> World<A> {
    /// A callback that marks its name and then, now and then, acts itself.
    fn call(world: &Rc<Self>, kind: &str) -> impl FnMut(&A::Handle) + 'static {
        let number = world.next.replace(world.next.get() + 1);
        let (world, name) = (world.clone(), format!("{kind} {number}"));
        move |handle: &A::Handle| {
            world.trace.mark(&name);
            if world.dice.roll(3) == 0 {
                if let Err(failure) = Self::act(&world, handle) {
                    world.trace.mark(format_args!("failed: {failure}"));
                }
            }
        }
    }

    /// Makes something happen.
    fn act(world: &Rc<Self>, handle: &A::Handle) -> Result<(), Failure> {
        match world.dice.roll(12) {
            0..=3 => {
                let readers = world.readers.borrow();
                readers[world.dice.roll(readers.len())].0.send();
            }
            4..=6 => {
                let pings = world.pings.borrow();
                if !pings.is_empty() {
                    pings[world.dice.roll(pings.len())]();
                }
            }
            7 | 8 => {
                drop(insert_once::<A>(handle, Duration::ZERO, Self::call(world, "timer"))?);
                // No two of them have one deadline, whatever the loop's clock counts.
                let_time_pass();
            }
            9 if has::<A>(Capability::Idle) => {
                drop(A::insert_idle(handle, Self::call(world, "idle"))?);
            }
            10 => Self::insert_reader(world, handle)?,
            _ => {
                let mut readers = world.readers.borrow_mut();
                if readers.len() > 3 {
                    let position = world.dice.roll(readers.len());
                    let (_, source) = readers.swap_remove(position);
                    drop(readers);
                    A::remove(handle, source);
                }
            }
        }
        Ok(())
    }

    fn insert_reader(world: &Rc<Self>, handle: &A::Handle) -> Result<(), Failure> {
        let reader = insert_reader::<A>(handle, Self::call(world, "descriptor"))?;
        world.readers.borrow_mut().push(reader);
        Ok(())
    }
}

/// Runs the program of a seed in a loop of its own; returns the calls.
fn run<A: Adapter>(seed: u64) -> Result<Vec<String>, Deviation> {
    let mut event_loop = A::new()?;
    let handle = event_loop.handle();
    let world = Rc::new(World::<A> {
        dice: Dice(Rc::new(Cell::new(seed))),
        trace: Trace::new(),
        readers: RefCell::default(),
        pings: RefCell::default(),
        next: Cell::new(0),
    });
    for _ in 0..5 {
        World::insert_reader(&world, &handle)?;
        if has::<A>(Capability::Ping) {
            let (ping, _source) = A::insert_ping(&handle, World::call(&world, "ping"))?;
            world.pings.borrow_mut().push(Box::new(move || ping.ping()));
        }
    }
    for _ in 0..60 {
        for _ in 0..world.dice.roll(5) {
            World::act(&world, &handle)?;
        }
        let_time_pass();
        event_loop.dispatch(Some(Duration::ZERO))?;
    }
    // The callbacks hold the world, and the world holds what keeps them.
    world.readers.take();
    world.pings.take();
    Ok(world.trace.marks())
}
