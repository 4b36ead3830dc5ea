//! The exact meters. They start this program anew, so that it has a harness of its own.

mod allocations;
#[path = "../it/broken.rs"]
mod broken;
mod faults;
mod instructions;
mod kit;
mod system_calls;

use std::process::ExitCode;

use benches::CountingAllocator;
use libtest_mimic::{Arguments, Trial};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    if let Some(code) = benches::serve(&kit::every_bench()) {
        return code;
    }
    if std::env::args().nth(1).as_deref() == Some(system_calls::MEASURE) {
        system_calls::print_what_is_missing();
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    // What they start is work enough for one processor.
    arguments.test_threads.get_or_insert(2);
    let trials: Vec<Trial> =
        [system_calls::trials(), allocations::trials(), instructions::trials(), faults::trials()]
            .into_iter()
            .flatten()
            .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
