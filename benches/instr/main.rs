//! Instructions by iai-callgrind, of the benchmarks that take the same in every run:
//! `cargo bench -p benches --bench instr`. It needs valgrind, and its runner:
//! `cargo install iai-callgrind-runner --version 0.16.1`.
//!
//! `benchmarks.txt` lists them, because the macro wants to know them when it is compiled.

#![allow(missing_docs, reason = "the macros define items for the runner alone")]

use std::io::ErrorKind;
use std::process::{Command, Stdio};

fn main() {
    // Started by the runner, it is to count.
    let counts = std::env::args().any(|argument| argument == "--iai-run");
    match missing() {
        Some((tool, mend)) if !counts => {
            eprintln!("not measured: instructions by iai-callgrind: there is no {tool}; {mend}");
        }
        _ => counted::run(),
    }
}

/// A tool that is not here, and what brings it.
fn missing() -> Option<(&'static str, &'static str)> {
    let runner = option_env!("IAI_CALLGRIND_RUNNER").unwrap_or("iai-callgrind-runner");
    let tools = [
        ("valgrind", "valgrind", "`apt-get install valgrind`, or its like"),
        (
            runner,
            "iai-callgrind-runner",
            "`cargo install iai-callgrind-runner --version 0.16.1`, of the library's version",
        ),
    ];
    let is_missing = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    let tool = tools.into_iter().find(|(program, ..)| is_missing(program));
    tool.map(|(_, name, mend)| (name, mend))
}

mod counted {
    use benches::workload::Run;
    use benches::{Bench, builtin, select};
    use iai_callgrind::{library_benchmark, library_benchmark_group};

    /// How many operations are counted.
    const OPERATIONS: u64 = 16;

    /// Prepares a benchmark that is named as in the list, and does a few operations, so that what
    /// is only done once is over.
    fn prepare(line: String) -> Run {
        let (workload, engine) = line.split_once(" on ").expect("a line is `WORKLOAD on ENGINE`");
        let benches = select(builtin(), &[workload], &[engine]).expect("the list is of what is");
        let is_meant = |bench: &&Bench| bench.spec.id() == workload && bench.engine.name == engine;
        let bench = benches.iter().find(is_meant).expect("the list is of what is");
        let mut run = bench.prepare().expect("a built-in loop can be prepared");
        run.repeat(OPERATIONS).expect("a built-in loop counts right");
        run
    }

    #[library_benchmark]
    #[benches::each(file = "benches/instr/benchmarks.txt", setup = prepare)]
    fn operations(mut run: Run) -> Run {
        run.repeat(OPERATIONS).expect("a built-in loop counts right");
        // Dropped outside of what is counted.
        run
    }

    library_benchmark_group!(name = all; benchmarks = operations);

    iai_callgrind::main!(library_benchmark_groups = all);

    /// What the macro calls the program.
    pub(super) fn run() {
        main();
    }
}
