//! Programs in words, for logs and reports.

use std::fmt;

use super::program::{
    Action, Answer, Future, Id, Kind, Program, Set, Signal, Step, Turn, WAIT, When, name,
};

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Past(steps) => write!(f, "{} ms before the start", (steps + 1) * 10),
            When::Now => f.write_str("now"),
            When::Soon => f.write_str("in 1 ms"),
            When::Far(hours) => write!(f, "{} h after the start", hours + 1),
            When::Never => f.write_str("never"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Fd(interest, mode) => write!(f, "descriptor, {interest:?}, {mode:?}"),
            Kind::Pipe(mode) => write!(f, "pipe, {mode:?}"),
            Kind::Ping => f.write_str("ping"),
            Kind::Channel { bound: None } => f.write_str("channel"),
            Kind::Channel { bound: Some(bound) } => write!(f, "channel for {bound}"),
            Kind::Timer(when) => write!(f, "timer, {when}"),
            Kind::Idle => f.write_str("idle callback"),
            Kind::Signals(set) => write!(f, "signals, {set}"),
            Kind::Executor => f.write_str("executor"),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Usr1 => "SIGUSR1",
            Signal::Usr2 => "SIGUSR2",
        })
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Set::Usr1 => "SIGUSR1",
            Set::Usr2 => "SIGUSR2",
            Set::Both => "SIGUSR1 and SIGUSR2",
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = |id: &Id| name(*id);
        match self {
            Action::Insert(id) => write!(f, "insert {}", n(id)),
            Action::Remove(id) => write!(f, "remove {}", n(id)),
            Action::Disable(id) => write!(f, "disable {}", n(id)),
            Action::Enable(id) => write!(f, "enable {}", n(id)),
            Action::Update(id, interest, mode) => {
                write!(f, "update {} to {interest:?}, {mode:?}", n(id))
            }
            Action::Reset(id, when) => write!(f, "reset {} to {when}", n(id)),
            Action::Write(id, count) => write!(f, "write {count} to {}", n(id)),
            Action::HangUp(id) => write!(f, "hang up on {}", n(id)),
            Action::Fill(id) => write!(f, "fill {}", n(id)),
            Action::Drain(id) => write!(f, "read all that was written to {}", n(id)),
            Action::Read(count) => write!(f, "read {count} at most"),
            Action::Ping(id) => write!(f, "ping {}", n(id)),
            Action::Send(id) => write!(f, "send to {}", n(id)),
            Action::Push(id) => write!(f, "send to {} from another thread", n(id)),
            Action::Burst(id) => write!(f, "send to {} over and over", n(id)),
            Action::Feed(id) => write!(f, "let a future of {} read or write", n(id)),
            Action::Release(id) => write!(f, "drop the handle of {}", n(id)),
            Action::Spawn(id, Future::Ready) => write!(f, "spawn on {}", n(id)),
            Action::Spawn(id, Future::Gated) => write!(f, "spawn on {}, gated", n(id)),
            Action::Spawn(id, Future::Panics) => write!(f, "spawn on {}, to panic", n(id)),
            Action::Spawn(id, Future::Reads) => write!(f, "spawn on {}, to read", n(id)),
            Action::Spawn(id, Future::Writes) => write!(f, "spawn on {}, to write", n(id)),
            Action::Spawn(id, Future::Sleeps) => write!(f, "spawn on {}, to sleep 1 ms", n(id)),
            Action::Open(id) => write!(f, "open the gate of {}", n(id)),
            Action::Cancel(id) => write!(f, "cancel {}", n(id)),
            Action::Watch(id, set) => write!(f, "set {} to {set}", n(id)),
            Action::Raise(signal) => write!(f, "raise {signal}"),
            Action::WakeUp => f.write_str("wake up"),
            Action::Stop => f.write_str("stop"),
            Action::Nest => f.write_str("use another loop"),
            Action::NestOnThread => f.write_str("use another loop on another thread"),
            Action::Linger => f.write_str("let time pass"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Go => f.write_str("go on"),
            Answer::Rearm => f.write_str("rearm"),
            Answer::Disable => f.write_str("disable"),
            Answer::Remove => f.write_str("remove"),
            Answer::Fail => f.write_str("fail"),
            Answer::Again(when) => write!(f, "again {when}"),
            Answer::Panic => f.write_str("panic"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Do(action) => action.fmt(f),
            Step::Dispatch => f.write_str("dispatch"),
            Step::Wait => write!(f, "dispatch, at most {WAIT:?}"),
            Step::Interrupt => write!(f, "dispatch, at most {WAIT:?}, and interrupt it"),
            Step::Block => f.write_str("dispatch without limit"),
            Step::Meanwhile(action) => {
                write!(f, "dispatch without limit, and from another thread {action}")
            }
            Step::Run => f.write_str("run"),
            Step::Peek => f.write_str("look at the loop's own descriptor"),
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            write!(f, "{action}; ")?;
        }
        write!(f, "{}", self.answer)
    }
}

/// On one line, for logs.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.scene.is_crowded { "a crowd; " } else { "" })?;
        f.write_str(if self.scene.is_blocking { "SIGUSR1 is blocked; " } else { "" })?;
        for (id, source) in self.sources.iter().enumerate() {
            write!(f, "{}: {}", name(id), source.kind)?;
            for (number, turn) in source.turns.iter().enumerate() {
                write!(f, "{} {{ {turn} }}", if number == 0 { "," } else { "" })?;
            }
            f.write_str(if source.repeats { " and so on" } else { "" })?;
            for (number, action) in source.farewell.iter().enumerate() {
                write!(f, "{} {action}", if number == 0 { ", when dropped" } else { ";" })?;
            }
            f.write_str("; ")?;
        }
        f.write_str("then ")?;
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "{}{step}", if number == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
