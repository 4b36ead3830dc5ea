//! Programs at random, from a seed.

use std::mem::Discriminant;

use super::possible::supports;
use super::program::{
    Action, Answer, Future, Id, Kind, Program, Scene, Set, Signal, Source, Step, Turn, When,
};
use crate::adapter::{Capabilities, Capability, Interest, Mode};

/// The program of a seed, for a loop that has these capabilities.
pub fn generate(seed: u64, capabilities: Capabilities) -> Program {
    let mut random = Random(seed);
    let kinds = kinds(&mut random, capabilities);
    let mut maker = Maker { random, kinds };
    let sources = (0..maker.kinds.len()).map(|id| maker.source(id)).collect();
    let steps = maker.steps();
    let has_signals = maker.kinds.iter().any(|kind| matches!(kind, Kind::Signals(_)));
    let is_blocking = has_signals && maker.random.chance(30);
    // A loop that has a handler for signals is not told of one that is blocked.
    let is_blocking = is_blocking && capabilities.has(Capability::SignalMask);
    let scene = Scene { is_crowded: maker.random.chance(3), is_blocking };
    Program { sources, steps, scene }
}

/// Numbers that look random: the splitmix64 of Steele, Lea and Flood.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// From `least` to `most`, both included.
    fn between(&mut self, least: usize, most: usize) -> usize {
        least + (self.next() % (most - least + 1) as u64) as usize
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() - 1)]
    }
}

/// Most programs have a few sources of all kinds, and some have many of one.
fn kinds(random: &mut Random, capabilities: Capabilities) -> Vec<Kind> {
    let kinds: Vec<Kind> =
        (0..random.between(1, 6)).map(|_| kind(random, capabilities, None)).collect();
    if random.chance(85) {
        return kinds;
    }
    let theme = std::mem::discriminant(&kinds[0]);
    (0..random.between(4, 16)).map(|_| kind(random, capabilities, Some(theme))).collect()
}

/// How often something at random may turn out to be nothing that the loop has.
const TRIES_MAX: usize = 100_000;

/// A kind of source that the loop has, and of a theme, if there is one.
///
/// # Panics
///
/// If the loop has none.
fn kind(
    random: &mut Random,
    capabilities: Capabilities,
    theme: Option<Discriminant<Kind>>,
) -> Kind {
    for _ in 0..TRIES_MAX {
        let kind = match random.between(0, 14) {
            0 if random.chance(40) => Kind::Pipe(mode(random)),
            0..=3 => Kind::Fd(interest(random), mode(random)),
            4..=5 => Kind::Ping,
            6 => Kind::Channel { bound: None },
            7 => Kind::Channel { bound: Some(random.pick(&[0, 1, 1, 2])) },
            8..=10 => Kind::Timer(when(random)),
            11 => Kind::Idle,
            12 if random.chance(30) => Kind::Idle,
            12 => Kind::Signals(set(random)),
            _ => Kind::Executor,
        };
        let is_of_theme = theme.is_none_or(|theme| theme == std::mem::discriminant(&kind));
        if supports(capabilities, kind) && is_of_theme {
            return kind;
        }
    }
    panic!("the loop has no kind of source that a program could insert")
}

fn interest(random: &mut Random) -> Interest {
    use Interest::{Both, None, Read, Write};
    random.pick(&[Read, Read, Read, Read, Write, Both, None])
}

fn set(random: &mut Random) -> Set {
    random.pick(&[Set::Usr1, Set::Usr2, Set::Both, Set::Both])
}

fn mode(random: &mut Random) -> Mode {
    random.pick(&[Mode::Level, Mode::Level, Mode::Edge, Mode::OneShot])
}

fn when(random: &mut Random) -> When {
    match random.between(0, 9) {
        0..=5 => {
            let steps = random.pick(&[2, 2, 9]);
            When::Past(random.between(0, steps) as u8)
        }
        6 => When::Now,
        7 => When::Soon,
        8 if random.chance(30) => When::Never,
        _ => When::Far(random.between(0, 1) as u8),
    }
}

struct Maker {
    random: Random,
    kinds: Vec<Kind>,
}

impl Maker {
    fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.random.chance(10) {
            // It may be there before anybody listens.
            steps.push(Step::Do(Action::Raise(Signal::Usr1)));
        }
        for id in 0..self.kinds.len() {
            if self.random.chance(80) {
                steps.push(Step::Do(Action::Insert(id)));
            }
        }
        for _ in 0..self.random.between(3, 14) {
            let step = self.step();
            steps.push(step);
            self.follow_up(step, &mut steps);
        }
        // So that nothing that is due goes unseen, except by a loop that is dropped with it.
        if self.random.chance(90) {
            steps.extend([Step::Dispatch, Step::Dispatch]);
        }
        steps
    }

    /// What is begun by one step is ended by another, more often than not.
    fn follow_up(&mut self, step: Step, steps: &mut Vec<Step>) {
        let roll = self.random.between(0, 9);
        match step {
            Step::Do(Action::Push(_)) if roll < 6 => steps.push(Step::Block),
            Step::Do(Action::Push(id)) if roll < 8 => steps.push(Step::Do(Action::Remove(id))),
            Step::Do(Action::Spawn(id, Future::Reads | Future::Writes)) if roll < 7 => {
                let feed = Step::Do(Action::Feed(id));
                steps.extend([Step::Dispatch, feed, Step::Dispatch, Step::Dispatch]);
            }
            Step::Do(Action::Spawn(_, Future::Sleeps)) if roll < 5 => {
                steps.extend([Step::Dispatch, Step::Wait, Step::Dispatch]);
            }
            Step::Do(Action::Spawn(id, Future::Sleeps)) if roll < 8 => {
                let remove = Step::Do(Action::Remove(id));
                steps.extend([Step::Dispatch, remove, Step::Dispatch, Step::Wait]);
            }
            _ => {}
        }
    }

    fn step(&mut self) -> Step {
        match self.random.between(0, 99) {
            0..=54 => Step::Do(self.action(None)),
            55..=79 => Step::Dispatch,
            80..=81 => Step::Run,
            82..=85 => Step::Wait,
            86 => Step::Interrupt,
            87..=90 => Step::Block,
            91..=92 => {
                let action = self.action(None);
                Step::Meanwhile(action)
            }
            93..=95 => Step::Run,
            _ => Step::Peek,
        }
    }

    fn source(&mut self, id: Id) -> Source {
        let mut turns: Vec<Turn> = (0..self.random.between(0, 3)).map(|_| self.turn(id)).collect();
        let repeats = self.random.chance(8);
        if let (Some(last), true) = (turns.last_mut(), repeats && self.random.chance(50)) {
            last.actions.push(self.particular(id));
        }
        let has_farewell = self.kinds[id] == Kind::Idle && self.random.chance(20);
        let farewell = if has_farewell { vec![self.action(Some(id))] } else { Vec::new() };
        let keeps_name = self.random.chance(10);
        Source { kind: self.kinds[id], turns, repeats, farewell, keeps_name }
    }

    fn turn(&mut self, id: Id) -> Turn {
        let mut actions = Vec::new();
        if let (Kind::Fd(..) | Kind::Pipe(_), true) = (self.kinds[id], self.random.chance(70)) {
            actions.push(Action::Read(self.random.pick(&[1, 8, 8])));
        }
        for _ in 0..self.random.pick(&[0, 1, 1, 1, 2, 3]) {
            actions.push(self.action(Some(id)));
        }
        Turn { actions, answer: self.answer(self.kinds[id]) }
    }

    fn answer(&mut self, kind: Kind) -> Answer {
        let roll = self.random.between(0, 19);
        match (kind, roll) {
            (_, 0) => Answer::Panic,
            (Kind::Fd(..) | Kind::Pipe(_), 1..=2) => Answer::Fail,
            (Kind::Fd(..) | Kind::Pipe(_), 3..=5) => Answer::Rearm,
            (Kind::Fd(..) | Kind::Pipe(_), 6) => Answer::Disable,
            (Kind::Fd(..) | Kind::Pipe(_), 7) => Answer::Remove,
            (Kind::Timer(_), 1..=9) => Answer::Again(when(&mut self.random)),
            _ => Answer::Go,
        }
    }

    /// Something to do, in the callback of a source or outside of any.
    fn action(&mut self, own: Option<Id>) -> Action {
        if self.random.chance(2) {
            return Action::WakeUp;
        }
        if self.random.chance(if own.is_some() { 3 } else { 1 }) {
            return Action::Stop;
        }
        if self.random.chance(4) {
            return self.random.pick(&[Action::Nest, Action::NestOnThread, Action::Linger]);
        }
        let mut id = self.random.between(0, self.kinds.len() - 1);
        if let (Some(own), true) = (own, self.random.chance(15)) {
            id = own;
        }
        let general = match self.random.between(0, 19) {
            0..=2 => Some(Action::Insert(id)),
            3..=4 => Some(Action::Remove(id)),
            5..=6 => Some(Action::Disable(id)),
            7..=8 => Some(Action::Enable(id)),
            _ => None,
        };
        general.unwrap_or_else(|| self.particular(id))
    }

    /// Something that is done with this kind of source.
    fn particular(&mut self, id: Id) -> Action {
        let roll = self.random.between(0, 9);
        match self.kinds[id] {
            Kind::Fd(..) => match roll {
                0..=4 => Action::Write(id, self.random.pick(&[1, 1, 3])),
                5 => self.random.pick(&[Action::Fill(id), Action::Drain(id)]),
                6 => Action::HangUp(id),
                _ => Action::Update(id, interest(&mut self.random), mode(&mut self.random)),
            },
            Kind::Pipe(_) if roll < 8 => Action::Write(id, self.random.pick(&[1, 1, 3])),
            Kind::Pipe(_) => Action::HangUp(id),
            Kind::Ping if roll == 0 => Action::Release(id),
            Kind::Ping => Action::Ping(id),
            Kind::Channel { .. } if roll < 2 => Action::Release(id),
            Kind::Channel { bound: Some(_) } if roll < 5 => Action::Push(id),
            Kind::Channel { bound: None } if roll == 2 && self.random.chance(50) => {
                Action::Burst(id)
            }
            Kind::Channel { .. } => Action::Send(id),
            Kind::Timer(_) => Action::Reset(id, when(&mut self.random)),
            Kind::Idle if roll < 4 => Action::Insert(id),
            Kind::Idle if roll < 5 => Action::Release(id),
            Kind::Idle => Action::Cancel(id),
            Kind::Signals(_) if roll < 3 => Action::Watch(id, set(&mut self.random)),
            Kind::Signals(_) => Action::Raise(self.random.pick(&[Signal::Usr1, Signal::Usr2])),
            Kind::Executor => match roll {
                0..=1 => Action::Spawn(id, Future::Ready),
                2..=3 => Action::Spawn(id, Future::Gated),
                4 => Action::Open(id),
                5 => Action::Feed(id),
                6 => self.random.pick(&[Action::Release(id), Action::Spawn(id, Future::Panics)]),
                _ => Action::Spawn(
                    id,
                    self.random.pick(&[Future::Sleeps, Future::Reads, Future::Writes]),
                ),
            },
        }
    }
}
