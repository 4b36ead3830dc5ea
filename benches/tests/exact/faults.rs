//! A loop that does not do what it should gets no count, and neither has a program that does not
//! take part.

use std::ops::ControlFlow;
use std::time::Duration;

use benches::{Bench, Meter, Program, builtin, exact, of, select};
use libtest_mimic::{Failed, Trial};

use crate::broken::{Broken, DOUBLES_FDS, LOSES_PINGS};
use crate::kit::trial;

const METERS: [Meter; 2] = [Meter::SystemCalls, Meter::Allocations];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("faults::events_that_come_twice", events_that_come_twice),
        trial("faults::events_that_are_waited_for_without_end", events_that_do_not_come),
        trial("faults::a_program_that_does_not_serve", a_program_that_does_not_serve),
    ]
}

fn fault(bench: &Bench, meter: Meter, program: &Program) -> String {
    let benches = std::slice::from_ref(bench);
    match exact(benches, meter, program, |_| ControlFlow::Continue(())).faultless() {
        Ok(outcome) => format!("no fault, but {outcome:?}"),
        Err(faulty) => faulty.to_string(),
    }
}

fn expect(actual: &str, expected: &str) -> Result<(), Failed> {
    (actual == expected).then_some(()).ok_or_else(|| format!("{actual}\nnot {expected}").into())
}

fn events_that_come_twice() -> Result<(), Failed> {
    let benches = select(of::<Broken<DOUBLES_FDS>>(), &["ready/ready=10"], &[])?;
    for meter in METERS {
        let expected = "ready/ready=10 on broken: an operation delivered 20 events instead of 10";
        expect(&fault(&benches[0], meter, &Program::this()?), expected)?;
    }
    Ok(())
}

fn events_that_do_not_come() -> Result<(), Failed> {
    let benches = select(of::<Broken<LOSES_PINGS>>(), &["ping"], &[])?;
    let program = Program { limit: Duration::from_secs(1), ..Program::this()? };
    for meter in METERS {
        let expected = "ping on broken: it did not end within 1s: an event was lost";
        expect(&fault(&benches[0], meter, &program), expected)?;
    }
    Ok(())
}

fn a_program_that_does_not_serve() -> Result<(), Failed> {
    let benches = select(builtin(), &["empty"], &[])?;
    let program = Program { path: "/bin/true".into(), ..Program::this()? };
    for meter in METERS {
        let expected = "empty on epoll: the program does not call `benches::serve`";
        expect(&fault(&benches[0], meter, &program), expected)?;
    }
    Ok(())
}
