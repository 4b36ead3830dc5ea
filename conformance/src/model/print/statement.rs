//! What a program does, a statement each.

use crate::model::act::LINGER;
use crate::model::program::{Action, BURST, Future, Kind, Program, SLEEP, Step, WAIT, When, name};

/// An instant that is counted from the start.
pub(super) fn instant(when: When) -> Option<String> {
    match when {
        When::Past(steps) => {
            Some(format!("start - Duration::from_millis({})", 10 * (u32::from(steps) + 1)))
        }
        When::Far(_) => Some(format!("start + {}", delay(when))),
        When::Now | When::Soon | When::Never => None,
    }
}

pub(super) fn delay(when: When) -> String {
    if when == When::Never {
        return "Duration::MAX".into();
    }
    match when.delay().as_millis() {
        0 => "Duration::ZERO".into(),
        millis if millis % 1000 == 0 => format!("Duration::from_secs({})", millis / 1000),
        millis => format!("Duration::from_millis({millis})"),
    }
}

pub(super) fn of_step(program: &Program, step: Step) -> String {
    match step {
        Step::Do(action) => format!("println!(\"{action}\");\n    {}", statement(program, action)),
        Step::Dispatch => "dispatch(&mut event_loop, Duration::ZERO);".into(),
        Step::Wait => format!("dispatch(&mut event_loop, {});", wait()),
        Step::Interrupt => {
            format!("interrupted(|| dispatch(&mut event_loop, {}));", wait())
        }
        Step::Block => "block(&mut event_loop, Duration::MAX, None);".into(),
        Step::Meanwhile(action) => match poke(program, action) {
            Some(poke) => format!("block(&mut event_loop, None, {poke});"),
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

fn wait() -> String {
    format!("Duration::from_micros({})", WAIT.as_micros())
}

/// What another thread can call.
fn poke(program: &Program, action: Action) -> Option<String> {
    let id = action.source().unwrap_or_default();
    if id >= program.sources.len() {
        return None;
    }
    let field = |field: String| Some(format!("world.{field}.borrow().clone()"));
    match action {
        Action::Ping(_) => field(format!("{}_ping", name(id))),
        Action::Send(_) => field(format!("{}_send", name(id))),
        Action::WakeUp => field("wake_up".into()),
        Action::Open(_) => Some(format!(
            "next(&world.{}_gates).map(|gate| {{ let open: Arc<dyn Fn() + Send + Sync> = Arc::new(move || gate.open()); open }})",
            name(id)
        )),
        _ => None,
    }
}

pub(super) fn statement(program: &Program, action: Action) -> String {
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
        Action::HangUp(_) => format!("hang_up(&world.{n}_far);"),
        Action::Fill(_) => format!("world.{n}_near.borrow().iter().for_each(fill);"),
        Action::Drain(_) => format!("world.{n}_far.borrow().iter().for_each(drain);"),
        Action::Read(count) => format!(
            "let near = fd.try_clone_to_owned().map(File::from);
                println!(\"    read: {{:?}}\", near.and_then(|mut near| near.read(&mut [0; {count}])));"
        ),
        Action::Ping(_) => format!("poke(&world.{n}_ping);"),
        Action::Send(_) => format!("poke(&world.{n}_send);"),
        Action::Push(_) => format!("poke(&world.{n}_push);"),
        Action::Release(id) => match program.sources[id].kind {
            Kind::Ping => format!("drop((world.{n}_ping.take(), world.{n}.take()));"),
            Kind::Executor => format!("drop(world.{n}_spawn.take());"),
            Kind::Idle => format!("drop(world.{n}_cancel.take());"),
            _ => format!("drop((world.{n}_send.take(), world.{n}_push.take()));"),
        },
        Action::Spawn(_, future @ (Future::Ready | Future::Gated)) => format!(
            "spawn_gated(&world.{n}_spawn, &world.{n}_gates, {});",
            future == Future::Ready
        ),
        Action::Spawn(_, Future::Panics) => {
            format!("spawn(&world.{n}_spawn, async {{ panic!(\"as the program says\") }});")
        }
        Action::Spawn(_, Future::Sleeps) => format!(
            "spawn(&world.{n}_spawn, Loop::sleep(handle, Duration::from_millis({})).expect(\"a delay\"));",
            SLEEP.as_millis()
        ),
        Action::Spawn(_, future) => format!(
            "spawn_transfer(handle, &world.{n}_spawn, &world.{n}_feeds, {});",
            future == Future::Writes
        ),
        Action::Burst(_) => format!("(0..{BURST}).for_each(|_| poke(&world.{n}_send));"),
        Action::Feed(_) => format!("feed(&world.{n}_feeds);"),
        Action::Open(_) => {
            format!("next(&world.{n}_gates).into_iter().for_each(|gate| gate.open());")
        }
        Action::Cancel(_) => {
            format!("let cancel = world.{n}_cancel.take();\n    cancel.into_iter().for_each(|cancel| cancel());")
        }
        Action::Watch(_, set) => format!(
            "change(&world.{n}, |{n}| Loop::set_signals(handle, {n}, &{:?}));",
            set.numbers()
        ),
        Action::Raise(signal) => format!("raise(Signal::{signal:?}).expect(\"a signal\");"),
        Action::Nest => "println!(\"    another loop: {:?}\", nest::<Loop>());".into(),
        Action::NestOnThread => {
            "println!(\"    another loop: {:?}\", std::thread::spawn(nest::<Loop>).join());".into()
        }
        Action::Linger => format!("std::thread::sleep(Duration::from_micros({}));", LINGER.as_micros()),
        Action::WakeUp => "poke(&world.wake_up);".into(),
        Action::Stop => "poke(&world.stop);".into(),
    }
}
