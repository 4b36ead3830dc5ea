//! How the sources of a program are inserted, and what their callbacks do.

use std::fmt::Write;

use super::statement::{delay, instant, statement};
use crate::model::program::{Action, Answer, Id, Kind, Program, name};

/// The function that inserts a source.
pub(super) fn insertion(text: &mut String, program: &Program, id: Id) {
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
    if source.kind == Kind::Idle {
        let actions = possible(&source.farewell, id).map(|action| statement(program, action));
        let actions: Vec<String> = actions.collect();
        let _ = writeln!(
            text,
            "    let farewell = Farewell(world.clone(), |world, handle| {{ {} }});",
            actions.join(" ")
        );
    }
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
            "    let (near, far) = pair().expect(\"two sockets\");
    let same = near.try_clone().expect(\"another descriptor\");
    let (interest, mode) = (Interest::{interest:?}, Mode::{mode:?});
    let source = Loop::insert_fd(handle, near, interest, mode, move |handle, fd, ready| {{
        println!(\"  {n} is called, {{ready:?}}\");\n{turns}    }});
    world.{n}_far.replace(Some(far));
    world.{n}_near.replace(Some(same));
    world.{n}.replace(Some(source.expect(\"it is inserted\")));\n"
        ),
        Kind::Pipe(mode) => format!(
            "    let (near, far) = pipe().expect(\"a pipe\");
    let (interest, mode) = (Interest::Read, Mode::{mode:?});
    let source = Loop::insert_fd(handle, near, interest, mode, move |handle, fd, ready| {{
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
        let _farewell = farewell;
        println!(\"  {n} is called\");\n{turns}    }});
    let idle = idle.expect(\"it is inserted\");
    world.{n}_cancel.replace(Some(Box::new(move || idle.cancel())));\n"
        ),
        Kind::Signals(set) => format!(
            "    let source = Loop::insert_signals(handle, &{:?}, move |handle, event| {{
        println!(\"  {n} is called, {{event:?}}\");\n{turns}    }});
    world.{n}.replace(Some(source.expect(\"it is inserted\")));\n",
            set.numbers()
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
    world.{n}_ping.replace(Some(Arc::new(move || ping.clone().ping())));
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
    let sender = Arc::new(Mutex::new((0, sender)));
    let pusher = sender.clone();
    world.{n}_send.replace(Some(Arc::new(move || {{
        let (sent, sender) = &mut *sender.lock().expect(\"no sender panics\");
        *sent += 1;
        if let Err(refused) = sender.{send}(*sent) {{
            println!(\"    it comes to this: {{refused:?}}\");
        }}
    }})));
    world.{n}_push.replace(Some(Arc::new(move || {{
        let (number, sender) = {{
            let (sent, sender) = &mut *pusher.lock().expect(\"no sender panics\");
            *sent += 1;
            (*sent, sender.clone())
        }};
        std::thread::spawn(move || println!(\"  another thread has sent: {{:?}}\", sender.send(number)));
        std::thread::sleep(Duration::from_micros(500));
    }})));
    world.{n}.replace(Some(source));\n"
            )
        }
        Kind::Executor => format!(
            "    let inserted = Loop::insert_executor(handle, move |handle, output: usize| {{
        println!(\"  {n} is called, {{output}}\");\n{turns}    }});
    let (spawn, source) = inserted.expect(\"it is inserted\");
    let spawned = Cell::new(0);
    world.{n}_spawn.replace(Some(Rc::new(move |future| {{
        let number = spawned.replace(spawned.get() + 1);
        let is_spawned = spawn.spawn(async move {{
            future.await;
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
    text.push_str("        calls += 1;\n");
    let of = match source.turns.len() {
        last @ 1.. if source.repeats => format!("calls.min({last})"),
        _ => "calls".into(),
    };
    let _ = writeln!(text, "        match {of} {{");
    for (number, turn) in source.turns.iter().enumerate() {
        let _ = writeln!(text, "            {} => {{", number + 1);
        for action in possible(&turn.actions, id) {
            let _ = writeln!(text, "                {}", statement(program, action));
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
fn possible(actions: &[Action], own: Id) -> impl Iterator<Item = Action> {
    actions.iter().copied().filter(move |action| {
        let is_change = matches!(
            action,
            Action::Enable(_) | Action::Update(..) | Action::Reset(..) | Action::Watch(..)
        );
        !(is_change && action.source() == Some(own))
    })
}

fn answer(kind: Kind, answer: Answer) -> String {
    match (kind, answer) {
        (_, Answer::Panic) => "panic!(\"as the program says\")".into(),
        (Kind::Fd(..) | Kind::Pipe(_), answer) => match answer {
            Answer::Rearm => "Next::Rearm".into(),
            Answer::Disable => "Next::Disable".into(),
            Answer::Remove => "Next::Remove".into(),
            Answer::Fail => "Next::Fail(\"as the program says\")".into(),
            _ => "Next::Continue".into(),
        },
        (Kind::Timer(_), Answer::Again(when)) => match instant(when) {
            Some(instant) => format!("TimerNext::At(world.{instant})"),
            None => format!("TimerNext::After({})", delay(when)),
        },
        (Kind::Timer(_), _) => "TimerNext::Stop".into(),
        _ => String::new(),
    }
}
