//! A program as Rust, in terms of the adapter: what somebody needs who has to find the cause.
//!
//! It does what the program does and prints what the loop does. The model is not in it, so that it
//! can be cut down, put under a debugger, or translated into the loop's own terms.

use std::fmt::Write;

use super::program::{Action, Answer, Future, Id, Kind, Program, Step, When, name};
use crate::adapter::Adapter;

/// The program as the source text of a program.
pub(super) fn in_rust<A: Adapter>(program: &Program, comment: &[&str]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "//! A program for {} {}.\n//!", A::NAME, A::version());
    for line in comment {
        let _ = writeln!(text, "{}", format!("//! {line}").trim_end());
    }
    text.push_str(&HEAD.replace("LOOP", path::<A>()));
    world(&mut text, program);
    for id in 0..program.sources.len() {
        insertion(&mut text, program, id);
    }
    text.push_str(&MAIN.replace("FIELDS", &initial(program)));
    for step in &program.steps {
        let _ = writeln!(text, "    {}", statement_of(program, *step));
    }
    text.push_str("}\n");
    text
}

/// Where the adapter is.
fn path<A: Adapter>() -> &'static str {
    match A::NAME {
        "calloop-ref" => "conformance::adapters::CalloopRef",
        "calloop-0.14" => "conformance::adapters::Calloop014",
        "calloop-0.13" => "conformance::adapters::Calloop013",
        _ => std::any::type_name::<A>(),
    }
}

const HEAD: &str = r#"
#![allow(
    clippy::match_single_binding,
    clippy::print_stdout,
    clippy::single_match,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "as it comes"
)]
#![allow(dead_code, unused_imports, unused_variables, reason = "a program need not use all of it")]

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conformance::adapter::{
    Adapter, CancelIdle, ChannelEvent, Failure, Interest, Mode, Next, Ping, Sender, Spawn, Stop,
    TimerNext,
};
use conformance::model::{Gate, is_readable, raise};

use LOOP as Loop;

type Handle = <Loop as Adapter>::Handle;
type Source = <Loop as Adapter>::Source;

/// The name of a source, while it has one.
type Name = RefCell<Option<Source>>;

/// What has a source called, or a message sent, from any thread.
type Poke = RefCell<Option<Arc<dyn Fn() + Send + Sync>>>;

fn poke(poke: &Poke) {
    let poke = poke.borrow().clone();
    poke.into_iter().for_each(|poke| poke());
}

fn change(name: &Name, how: impl FnOnce(&Source) -> Result<(), Failure>) {
    let source = name.borrow().clone();
    println!("    it comes to this: {:?}", source.map(|source| how(&source)));
}

fn remove(handle: &Handle, name: &Name) {
    let source = name.take();
    source.into_iter().for_each(|source| Loop::remove(handle, source));
}

fn write(far: &RefCell<Option<UnixStream>>, count: usize) {
    if let Some(far) = &mut *far.borrow_mut() {
        far.write_all(&vec![0; count]).expect("there is room");
    }
}

fn dispatch(event_loop: &mut Loop, limit: Duration) {
    println!("dispatch, at most {limit:?}");
    let outcome = catch_unwind(AssertUnwindSafe(|| event_loop.dispatch(Some(limit))));
    println!("  it ends: {outcome:?}");
}

/// A dispatch that ends when this has happened on another thread, or after a second.
fn meanwhile(event_loop: &mut Loop, poke: Option<Arc<dyn Fn() + Send + Sync>>) {
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_micros(300));
        poke.into_iter().for_each(|poke| poke());
    });
    dispatch(event_loop, Duration::from_secs(1));
    thread.join().expect("the thread ends");
}
"#;

const MAIN: &str = r#"
fn main() {
    let mut event_loop = Loop::new().expect("a loop");
    let handle = &event_loop.handle();
    let stop: Poke = RefCell::default();
    let wake_up: Poke = RefCell::default();
    if let Ok(stopper) = event_loop.stopper() {
        let other = stopper.clone();
        stop.replace(Some(Arc::new(move || stopper.stop())));
        wake_up.replace(Some(Arc::new(move || other.wakeup())));
    }
    let world = &Rc::new(World { start: Instant::now(), stop, wake_up, FIELDS });
"#;

/// The fields that a kind of source needs, with their types.
fn fields(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Fd(..) => &[("", "Name"), ("_far", "RefCell<Option<UnixStream>>")],
        Kind::Ping => &[("", "Name"), ("_ping", "Poke")],
        Kind::Channel { .. } => &[("", "Name"), ("_send", "Poke")],
        Kind::Timer(_) | Kind::Signal => &[("", "Name")],
        Kind::Idle => &[("_cancel", "RefCell<Option<Box<dyn FnOnce()>>>")],
        Kind::Executor => &[
            ("", "Name"),
            ("_spawn", "RefCell<Option<Rc<dyn Fn(Rc<Gate>)>>>"),
            ("_gates", "RefCell<Vec<Rc<Gate>>>"),
        ],
    }
}

/// What steps and callbacks share.
fn world(text: &mut String, program: &Program) {
    text.push_str("\n/// What steps and callbacks share.\nstruct World {\n");
    text.push_str("    start: Instant,\n    stop: Poke,\n    wake_up: Poke,\n");
    for (id, source) in program.sources.iter().enumerate() {
        let _ = writeln!(text, "    {}_is_inserted: Cell<bool>,", name(id));
        for (suffix, kind) in fields(source.kind) {
            let _ = writeln!(text, "    {}{suffix}: {kind},", name(id));
        }
    }
    text.push_str("}\n");
}

fn initial(program: &Program) -> String {
    let mut text = String::new();
    for (id, source) in program.sources.iter().enumerate() {
        let _ = write!(text, "{}_is_inserted: Cell::default(), ", name(id));
        for (suffix, _) in fields(source.kind) {
            let _ = write!(text, "{}{suffix}: Default::default(), ", name(id));
        }
    }
    text
}

/// The function that inserts a source.
fn insertion(text: &mut String, program: &Program, id: Id) {
    let (n, source) = (name(id), &program.sources[id]);
    let _ = write!(
        text,
        "\n/// {n}: {kind}.\nfn insert_{n}(world: &Rc<World>, handle: &Handle) {{
    if world.{n}_is_inserted.replace(true) {{
        return;
    }}
    let own = world.clone();
    let mut calls = 0;\n",
        kind = source.kind
    );
    let turns = turns(program, id);
    text.push_str(&match source.kind {
        Kind::Ping | Kind::Channel { .. } | Kind::Executor => body_of_woken(n, source.kind, &turns),
        _ => body(n, source.kind, &turns),
    });
    text.push_str("}\n");
}

/// How a source is inserted that is not woken by a handle.
fn body(n: char, kind: Kind, turns: &str) -> String {
    match kind {
        Kind::Fd(interest, mode) => format!(
            "    let (near, far) = UnixStream::pair().expect(\"two sockets\");
    near.set_nonblocking(true).expect(\"it does not block\");
    let (interest, mode) = (Interest::{interest:?}, Mode::{mode:?});
    let source = Loop::insert_fd(handle, near.into(), interest, mode, move |handle, fd, ready| {{
        println!(\"  {n} is called, {{ready:?}}\");\n{turns}    }});
    world.{n}_far.replace(Some(far));
    world.{n}.replace(Some(source.expect(\"it is inserted\")));\n"
        ),
        Kind::Timer(when) => format!(
            "    let source = Loop::{}, move |handle, deadline| {{
        println!(\"  {n} is called, {{deadline:?}}\");\n{turns}    }});
    world.{n}.replace(Some(source.expect(\"it is inserted\")));\n",
            match instant(when) {
                Some(instant) => format!("insert_deadline(handle, world.{instant}"),
                None => format!("insert_timer(handle, {}", delay(when)),
            }
        ),
        Kind::Idle => format!(
            "    let idle = Loop::insert_idle(handle, move |handle| {{
        println!(\"  {n} is called\");\n{turns}    }});
    let idle = idle.expect(\"it is inserted\");
    world.{n}_cancel.replace(Some(Box::new(move || idle.cancel())));\n"
        ),
        Kind::Signal => format!(
            "    let source = Loop::insert_signals(handle, &[{}], move |handle, event| {{
        println!(\"  {n} is called, {{event:?}}\");\n{turns}    }});
    world.{n}.replace(Some(source.expect(\"it is inserted\")));\n",
            signal_hook::consts::SIGUSR1
        ),
        Kind::Ping | Kind::Channel { .. } | Kind::Executor => String::new(),
    }
}

/// How one is that is.
fn body_of_woken(n: char, kind: Kind, turns: &str) -> String {
    match kind {
        Kind::Ping => format!(
            "    let inserted = Loop::insert_ping(handle, move |handle| {{
        println!(\"  {n} is called\");\n{turns}    }});
    let (ping, source) = inserted.expect(\"it is inserted\");
    world.{n}_ping.replace(Some(Arc::new(move || ping.ping())));
    world.{n}.replace(Some(source));\n"
        ),
        Kind::Channel { bound } => {
            let (insert, send) = match bound {
                None => ("insert_channel(handle, ".to_string(), "send"),
                Some(bound) => (format!("insert_bounded_channel(handle, {bound}, "), "try_send"),
            };
            format!(
                "    let inserted = Loop::{insert}move |handle, event: ChannelEvent<u32>| {{
        println!(\"  {n} is called, {{event:?}}\");\n{turns}    }});
    let (sender, source) = inserted.expect(\"it is inserted\");
    let sender = Mutex::new((0, sender));
    world.{n}_send.replace(Some(Arc::new(move || {{
        let (sent, sender) = &mut *sender.lock().expect(\"no sender panics\");
        *sent += 1;
        println!(\"    it comes to this: {{:?}}\", sender.{send}(*sent));
    }})));
    world.{n}.replace(Some(source));\n"
            )
        }
        Kind::Executor => format!(
            "    let inserted = Loop::insert_executor(handle, move |handle, output: usize| {{
        println!(\"  {n} is called, {{output}}\");\n{turns}    }});
    let (spawn, source) = inserted.expect(\"it is inserted\");
    let spawned = Cell::new(0);
    world.{n}_spawn.replace(Some(Rc::new(move |gate: Rc<Gate>| {{
        let number = spawned.replace(spawned.get() + 1);
        let is_spawned = spawn.spawn(async move {{
            gate.passed().await;
            number
        }});
        println!(\"    it comes to this: {{is_spawned}}\");
    }})));
    world.{n}.replace(Some(source));\n"
        ),
        _ => String::new(),
    }
}

/// What a callback does, call by call.
fn turns(program: &Program, id: Id) -> String {
    let source = &program.sources[id];
    let mut text = "        let world = &own;\n".to_string();
    text.push_str("        calls += 1;\n        match calls {\n");
    for (number, turn) in source.turns.iter().enumerate() {
        let _ = writeln!(text, "            {} => {{", number + 1);
        for action in turn.actions.iter().filter(|action| is_possible(**action, id)) {
            let _ = writeln!(text, "                {}", statement(program, *action));
        }
        let _ =
            writeln!(text, "                {}\n            }}", answer(source.kind, turn.answer));
    }
    let last = answer(source.kind, Answer::Go);
    let last = if last.is_empty() { "{}" } else { &last };
    let _ = writeln!(
        text,
        "            _ => {last}{}\n        }}",
        if last == "{}" { "" } else { "," }
    );
    text
}

/// A source in its own callback cannot be borrowed to be changed.
fn is_possible(action: Action, own: Id) -> bool {
    let is_change = matches!(action, Action::Enable(_) | Action::Update(..) | Action::Reset(..));
    !(is_change && action.source() == Some(own))
}

fn answer(kind: Kind, answer: Answer) -> String {
    match (kind, answer) {
        (_, Answer::Panic) => "panic!(\"as the program says\")".into(),
        (Kind::Fd(..), Answer::Rearm) => "Next::Rearm".into(),
        (Kind::Fd(..), Answer::Disable) => "Next::Disable".into(),
        (Kind::Fd(..), Answer::Remove) => "Next::Remove".into(),
        (Kind::Fd(..), Answer::Fail) => "Next::Fail(\"as the program says\")".into(),
        (Kind::Fd(..), _) => "Next::Continue".into(),
        (Kind::Timer(_), Answer::Again(when)) => match instant(when) {
            Some(instant) => format!("TimerNext::At(world.{instant})"),
            None => format!("TimerNext::After({})", delay(when)),
        },
        (Kind::Timer(_), _) => "TimerNext::Stop".into(),
        _ => String::new(),
    }
}

/// An instant that is counted from the start.
fn instant(when: When) -> Option<String> {
    match when {
        When::Past(steps) => {
            Some(format!("start - Duration::from_millis({})", 10 * (u32::from(steps) + 1)))
        }
        When::Far(_) => Some(format!("start + {}", delay(when))),
        When::Now | When::Soon => None,
    }
}

fn delay(when: When) -> String {
    match when.delay().as_millis() {
        0 => "Duration::ZERO".into(),
        millis if millis % 1000 == 0 => format!("Duration::from_secs({})", millis / 1000),
        millis => format!("Duration::from_millis({millis})"),
    }
}

fn statement_of(program: &Program, step: Step) -> String {
    match step {
        Step::Do(action) => format!("println!(\"{action}\");\n    {}", statement(program, action)),
        Step::Dispatch => "dispatch(&mut event_loop, Duration::ZERO);".into(),
        Step::Wait => "dispatch(&mut event_loop, Duration::from_millis(5));".into(),
        Step::Block => "dispatch(&mut event_loop, Duration::from_secs(1));".into(),
        Step::Meanwhile(action) => match poke(program, action) {
            Some(poke) => format!("meanwhile(&mut event_loop, world.{poke}.borrow().clone());"),
            None => format!(
                "{}\n    dispatch(&mut event_loop, Duration::ZERO);",
                statement(program, action)
            ),
        },
        Step::Run => "let rounds = Cell::new(0);
    let each = |_: &Handle| {
        println!(\"  a dispatch ends\");
        if rounds.replace(rounds.get() + 1) == 1 {
            poke(&world.stop);
        }
    };
    let run = || event_loop.run(Some(Duration::ZERO), each);
    println!(\"run: {:?}\", catch_unwind(AssertUnwindSafe(run)));"
            .into(),
        Step::Peek => {
            "println!(\"its own descriptor: {:?}\", event_loop.as_fd().map(is_readable));".into()
        }
    }
}

/// The field of what another thread can call.
fn poke(program: &Program, action: Action) -> Option<String> {
    match action {
        Action::Ping(id) => Some(format!("{}_ping", name(id))),
        Action::Send(id) => Some(format!("{}_send", name(id))),
        Action::WakeUp => Some("wake_up".into()),
        _ => None,
    }
    .filter(|_| action.source().is_none_or(|id| id < program.sources.len()))
}

fn statement(program: &Program, action: Action) -> String {
    let n = action.source().map_or(' ', name);
    match action {
        Action::Insert(_) => format!("insert_{n}(world, handle);"),
        Action::Remove(id) if program.sources[id].keeps_name => {
            format!("change(&world.{n}, |{n}| {{ Loop::remove(handle, {n}.clone()); Ok(()) }});")
        }
        Action::Remove(_) => format!("remove(handle, &world.{n});"),
        Action::Disable(_) => format!("change(&world.{n}, |{n}| Loop::disable(handle, {n}));"),
        Action::Enable(_) => format!("change(&world.{n}, |{n}| Loop::enable(handle, {n}));"),
        Action::Update(_, interest, mode) => format!(
            "change(&world.{n}, |{n}| Loop::update_fd(handle, {n}, Interest::{interest:?}, Mode::{mode:?}));"
        ),
        Action::Reset(_, when) => {
            format!("change(&world.{n}, |{n}| Loop::reset_timer(handle, {n}, {}));", delay(when))
        }
        Action::Write(_, count) => format!("write(&world.{n}_far, {count});"),
        Action::HangUp(_) => format!("drop(world.{n}_far.take());"),
        Action::Read(count) => format!(
            "let near = fd.try_clone_to_owned().map(UnixStream::from);
                println!(\"    read: {{:?}}\", near.and_then(|mut near| near.read(&mut [0; {count}])));"
        ),
        Action::Ping(_) => format!("poke(&world.{n}_ping);"),
        Action::Send(_) => format!("poke(&world.{n}_send);"),
        Action::Release(id) => match program.sources[id].kind {
            Kind::Ping => format!("drop((world.{n}_ping.take(), world.{n}.take()));"),
            _ => format!("drop(world.{n}_send.take());"),
        },
        Action::Spawn(_, future) => format!(
            "let gate = Rc::new(Gate::new({}));
    world.{n}_gates.borrow_mut().push(gate.clone());
    let spawn = world.{n}_spawn.borrow().clone();
    spawn.into_iter().for_each(|spawn| spawn(gate.clone()));",
            future == Future::Ready
        ),
        Action::Open(_) => format!(
            "let gates = world.{n}_gates.borrow().clone();
    gates.iter().find(|gate| !gate.is_open()).into_iter().for_each(|gate| gate.open());"
        ),
        Action::Cancel(_) => {
            format!("let cancel = world.{n}_cancel.take();\n    cancel.into_iter().for_each(|cancel| cancel());")
        }
        Action::Raise => "raise().expect(\"a signal\");".into(),
        Action::WakeUp => "poke(&world.wake_up);".into(),
        Action::Stop => "poke(&world.stop);".into(),
    }
}
