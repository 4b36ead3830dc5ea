//! A program as Rust, in terms of the adapter: what somebody needs who has to find the cause.
//!
//! It does what the program does and prints what the loop does. The model is not in it, so that it
//! can be cut down, put under a debugger, or translated into the loop's own terms.

mod frame;
mod insertion;
mod statement;

use std::fmt::Write;

use super::program::{Kind, Program, Scene, name};
use super::stage::CROWD;
use crate::adapter::Adapter;

use frame::{HEAD, MAIN};
use insertion::insertion;
use statement::of_step;

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
    scene(&mut text, program.scene);
    for step in &program.steps {
        let _ = writeln!(text, "    {}", of_step(program, *step));
    }
    text.push_str("    world.handle.take();\n}\n");
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

/// The fields that a kind of source needs, with their types.
fn fields(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Fd(..) => &[("", "Name"), ("_near", "RefCell<Option<OwnedFd>>"), ("_far", "End")],
        Kind::Pipe(_) => &[("", "Name"), ("_far", "End")],
        Kind::Ping => &[("", "Name"), ("_ping", "Poke")],
        Kind::Channel { .. } => &[("", "Name"), ("_send", "Poke"), ("_push", "Poke")],
        Kind::Timer(_) | Kind::Signals(_) => &[("", "Name")],
        Kind::Idle => &[("_cancel", "RefCell<Option<Box<dyn FnOnce()>>>")],
        Kind::Executor => {
            &[("", "Name"), ("_spawn", "Spawns"), ("_gates", "Gates"), ("_feeds", "Feeds")]
        }
    }
}

/// What steps and callbacks share.
fn world(text: &mut String, program: &Program) {
    text.push_str("\n/// What steps and callbacks share.\nstruct World {\n");
    text.push_str("    start: Instant,\n    handle: RefCell<Option<Handle>>,\n    stop: Poke,\n    wake_up: Poke,\n");
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

/// What there is before the program begins.
fn scene(text: &mut String, scene: Scene) {
    if scene.is_blocking {
        text.push_str("    block_signal(Signal::Usr1);\n");
    }
    if scene.is_crowded {
        let _ = writeln!(
            text,
            "    let ping = |_| Loop::insert_ping(handle, |_| println!(\"one of the crowd is called\"));
    let crowd: Vec<_> = (0..{CROWD}).map(ping).collect();"
        );
    }
}
