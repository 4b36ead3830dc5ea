//! Makes a program smaller for as long as it shows a deviation.

use std::time::{Duration, Instant};

use super::program::{Answer, Id, Kind, Program, Step};
use super::{Action, Counterexample, replay};
use crate::adapter::{Adapter, Interest, Mode};

/// No more programs than this are tried.
const TRIES_MAX: usize = 4000;

/// After so many rounds that find nothing it is small enough. One is too few on a busy machine: a
/// deviation that hangs on time does not show each time.
const ROUNDS_IN_VAIN_MAX: usize = 3;

/// Finds, within the limit, a small program that shows a deviation, which need not be the same.
pub(super) fn shrink<A: Adapter>(
    counterexample: Counterexample,
    limit: Duration,
) -> Counterexample {
    shrink_by(counterexample, limit, &mut |program| replay::<A>(program))
}

/// The same with another way to try a program.
pub(crate) fn shrink_by(
    mut smallest: Counterexample,
    limit: Duration,
    try_one: &mut dyn FnMut(&Program) -> Option<Counterexample>,
) -> Counterexample {
    let (mut tries, begin) = (0, Instant::now());
    let mut rounds_in_vain = 0;
    while rounds_in_vain < ROUNDS_IN_VAIN_MAX {
        rounds_in_vain += 1;
        for pass in PASSES {
            let mut position = 0;
            while let Some(candidate) = pass(&smallest.program, position) {
                if tries == TRIES_MAX || begin.elapsed() >= limit {
                    return smallest;
                }
                tries += 1;
                match try_one(&candidate).filter(|_| candidate != smallest.program) {
                    Some(smaller) => {
                        smallest = smaller;
                        rounds_in_vain = 0;
                    }
                    None => position += 1,
                }
            }
        }
    }
    smallest
}

/// The n-th way to make a program smaller; `None` if there are no more.
type Pass = fn(&Program, usize) -> Option<Program>;

const PASSES: [Pass; 7] =
    [without_half, without_source, without_step, without_turn, without_action, hoisted, simpler];

/// Without the steps of one part: halves, quarters and eighths.
fn without_half(program: &Program, position: usize) -> Option<Program> {
    let parts = [2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8];
    let number = [0, 1, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7];
    let (parts, number) = (*parts.get(position)?, number[position]);
    let length = program.steps.len();
    let mut smaller = program.clone();
    smaller.steps.drain(length * number / parts..length * (number + 1) / parts);
    Some(smaller)
}

fn without_step(program: &Program, position: usize) -> Option<Program> {
    let mut smaller = program.clone();
    (position < program.steps.len()).then(|| smaller.steps.remove(position))?;
    Some(smaller)
}

fn without_source(program: &Program, position: usize) -> Option<Program> {
    let mut smaller = program.clone();
    (position < program.sources.len()).then(|| smaller.sources.remove(position))?;
    let renamed = |action: &mut Action| rename(action, position);
    smaller.steps.retain_mut(|step| match step {
        Step::Do(action) | Step::Meanwhile(action) => renamed(action),
        _ => true,
    });
    for turn in smaller.sources.iter_mut().flat_map(|source| &mut source.turns) {
        turn.actions.retain_mut(renamed);
    }
    for source in &mut smaller.sources {
        source.farewell.retain_mut(renamed);
    }
    Some(smaller)
}

/// Adapts an action to a program without this source; `false` if nothing is left of it.
fn rename(action: &mut Action, gone: Id) -> bool {
    let Some(id) = action.source_mut() else { return true };
    if *id == gone {
        return false;
    }
    *id -= usize::from(*id > gone);
    true
}

fn without_turn(program: &Program, position: usize) -> Option<Program> {
    let mut smaller = program.clone();
    let mut left = position;
    for source in &mut smaller.sources {
        if left < source.turns.len() {
            source.turns.remove(left);
            return Some(smaller);
        }
        left -= source.turns.len();
    }
    None
}

fn without_action(program: &Program, position: usize) -> Option<Program> {
    let mut smaller = program.clone();
    take_action(&mut smaller, position)?;
    Some(smaller)
}

/// Takes the n-th action out of the callbacks.
fn take_action(program: &mut Program, position: usize) -> Option<Action> {
    let mut left = position;
    let lists = program.sources.iter_mut().flat_map(|source| {
        let turns = source.turns.iter_mut().map(|turn| &mut turn.actions);
        turns.chain([&mut source.farewell])
    });
    for actions in lists {
        if left < actions.len() {
            return Some(actions.remove(left));
        }
        left -= actions.len();
    }
    None
}

/// With an action of a callback done outside of it, at some point.
fn hoisted(program: &Program, position: usize) -> Option<Program> {
    let places = program.steps.len() + 1;
    let mut simpler = program.clone();
    let action = take_action(&mut simpler, position / places)?;
    simpler.steps.insert(position % places, Step::Do(action));
    Some(simpler)
}

/// With something replaced by the plainest of its kind.
fn simpler(program: &Program, position: usize) -> Option<Program> {
    let mut ways: Vec<Program> = Vec::new();
    let mut add = |change: &dyn Fn(&mut Program)| {
        let mut simpler = program.clone();
        change(&mut simpler);
        if simpler != *program {
            ways.push(simpler);
        }
    };
    add(&|program| program.scene.is_crowded = false);
    add(&|program| program.scene.is_blocking = false);
    for id in 0..program.sources.len() {
        add(&|program| program.sources[id].keeps_name = false);
        add(&|program| program.sources[id].repeats = false);
        add(&|program| {
            if let Kind::Fd(interest, _) = &mut program.sources[id].kind {
                *interest = Interest::Read;
            }
        });
        add(&|program| {
            if let Kind::Fd(_, mode) = &mut program.sources[id].kind {
                *mode = Mode::Level;
            }
        });
        add(&|program| {
            if let Kind::Channel { bound } = &mut program.sources[id].kind {
                *bound = None;
            }
        });
        for turn in 0..program.sources[id].turns.len() {
            add(&|program| program.sources[id].turns[turn].answer = Answer::Go);
        }
    }
    for number in 0..program.steps.len() {
        add(&|program| match program.steps[number] {
            Step::Wait | Step::Interrupt | Step::Block | Step::Run => {
                program.steps[number] = Step::Dispatch;
            }
            Step::Meanwhile(action) => program.steps[number] = Step::Do(action),
            _ => {}
        });
    }
    ways.into_iter().nth(position)
}
