//! That a program is printed as Rust that compiles and does what the program does: the printed
//! program is `counterexample.rs`, a test of its own that is compiled and run along with these.

use std::path::Path;

use conformance::adapter::{Interest, Mode};
use conformance::adapters::CalloopRef;
use conformance::model::{
    Action, Answer, Counterexample, Future, Kind, Program, Scene, Set, Signal, Source, Step, Turn,
    When,
};
use conformance::rule::Deviation;

fn source(kind: Kind, turns: Vec<Turn>) -> Source {
    Source { kind, turns, repeats: false, farewell: Vec::new(), keeps_name: false }
}

fn turn(actions: &[Action], answer: Answer) -> Turn {
    Turn { actions: actions.to_vec(), answer }
}

/// A program in which everything stands that a program can hold.
fn everything() -> Program {
    use Action::*;
    let (read, level) = (Interest::Read, Mode::Level);
    let sources = vec![
        source(
            Kind::Fd(read, level),
            vec![
                turn(&[Read(8), Ping(1), Write(0, 1)], Answer::Rearm),
                turn(&[Remove(0), Insert(2), Raise(Signal::Usr1)], Answer::Fail),
            ],
        ),
        source(Kind::Ping, vec![turn(&[Send(3), Spawn(6, Future::Ready)], Answer::Go)]),
        Source {
            farewell: vec![WakeUp, Cancel(2)],
            ..source(Kind::Idle, vec![turn(&[Cancel(2), Reset(4, When::Now)], Answer::Panic)])
        },
        source(Kind::Channel { bound: None }, vec![turn(&[Disable(3), Stop], Answer::Go)]),
        source(Kind::Timer(When::Past(0)), vec![turn(&[Nest], Answer::Again(When::Far(0)))]),
        source(Kind::Signals(Set::Both), vec![]),
        source(Kind::Executor, vec![turn(&[Open(6), Enable(3)], Answer::Go)]),
        source(Kind::Channel { bound: Some(1) }, vec![]),
        Source {
            repeats: true,
            ..source(Kind::Timer(When::Soon), vec![turn(&[], Answer::Again(When::Past(1)))])
        },
        Source { keeps_name: true, ..source(Kind::Fd(Interest::Both, Mode::Edge), vec![]) },
        source(Kind::Channel { bound: Some(0) }, vec![]),
        source(Kind::Timer(When::Never), vec![]),
        source(Kind::Pipe(Mode::Level), vec![turn(&[Read(1)], Answer::Go)]),
    ];
    let mut steps: Vec<Step> = (0..13).map(|id| Step::Do(Insert(id))).collect();
    steps.extend([
        Step::Do(Write(0, 3)),
        Step::Do(Spawn(6, Future::Gated)),
        Step::Do(Spawn(6, Future::Sleeps)),
        Step::Do(Spawn(6, Future::Reads)),
        Step::Do(Spawn(6, Future::Writes)),
        Step::Do(Feed(6)),
        Step::Do(Feed(6)),
        Step::Do(Burst(3)),
        Step::Do(Write(12, 1)),
        Step::Do(Watch(5, Set::Usr1)),
        Step::Do(Raise(Signal::Usr2)),
        Step::Interrupt,
        Step::Peek,
        Step::Dispatch,
        Step::Run,
        Step::Do(Spawn(6, Future::Panics)),
        Step::Do(Send(7)),
        Step::Do(Push(7)),
        Step::Do(Push(10)),
        Step::Do(Fill(9)),
        Step::Do(Drain(9)),
        Step::Do(NestOnThread),
        Step::Do(Linger),
        Step::Do(Update(9, Interest::None, Mode::OneShot)),
        Step::Do(Remove(9)),
        Step::Do(HangUp(9)),
        Step::Do(HangUp(12)),
        Step::Do(Release(1)),
        Step::Do(Release(7)),
        Step::Do(Release(6)),
        Step::Do(Release(2)),
        Step::Meanwhile(Open(6)),
        Step::Block,
        Step::Wait,
        Step::Meanwhile(WakeUp),
        Step::Meanwhile(Send(3)),
    ]);
    Program { sources, steps, scene: Scene { is_crowded: true, is_blocking: true } }
}

/// The text without what rustfmt adds and takes away.
fn essence(text: &str) -> String {
    text.chars().filter(|it| !it.is_whitespace() && !",{}".contains(*it)).collect()
}

#[test]
fn a_program_is_printed_as_rust() {
    let deviation = Deviation::new("what the loop does", "the same: this one is an example");
    let example = Counterexample { seed: 0, program: everything(), deviation, log: Vec::new() };
    let printed = example.in_rust::<CalloopRef>();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model/counterexample.rs");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, &printed).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("the file is there");
    assert!(
        essence(&committed) == essence(&printed),
        "the committed program is another; UPDATE_DOCUMENTS=1 and cargo fmt mend it:\n{printed}"
    );
}
