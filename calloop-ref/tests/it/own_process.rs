//! Tests in a process of their own, because they count or change what belongs to a process.

use std::any::type_name;
use std::env;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Tells a process which test it is to run, and that it was started for that.
const TEST: &str = "CALLOOP_REF_TEST";

/// What the process prints last.
const END: &str = "the test came to its end";

/// How long a test may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a closure of a test in a process of its own: this program, started again for that test.
/// Returns what it printed.
///
/// # Panics
///
/// If the closure panics, the process dies, or it takes too long.
pub(crate) fn in_own_process<F: FnOnce()>(body: F) -> String {
    // The name of the closure's type is that of the test and a little more.
    let (_, test) = type_name::<F>().split_once("::").expect("a path in this crate");
    let test = test.trim_end_matches("::{{closure}}");
    if env::var(TEST).is_ok_and(|own| own == test) {
        body();
        println!("{END}");
        std::process::exit(0);
    }
    let child = Command::new(env::current_exe().expect("this program has a path"))
        .args(["--exact", test, "--nocapture"])
        .env(TEST, test)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program can be started again");
    let pid = Pid::from_child(&child);
    let (sender, output) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let output = output.recv_timeout(LIMIT).unwrap_or_else(|_| {
        let _ = kill_process(pid, Signal::KILL);
        panic!("{test} takes longer than {LIMIT:?}");
    });
    let output = output.expect("its output can be read");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && printed.contains(END),
        "{test}: {}\n{printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

mod tests {
    use std::panic::catch_unwind;

    use super::in_own_process;

    #[test]
    fn what_it_prints_comes_back() {
        assert!(
            in_own_process(|| println!("from process {}", std::process::id())).contains("from")
        );
    }

    #[test]
    fn a_panic_comes_back() {
        let outcome = catch_unwind(|| in_own_process(|| panic!("on purpose")));
        let message = outcome.expect_err("the panic is that of the test");
        assert!(message.downcast_ref::<String>().is_some_and(|text| text.contains("on purpose")));
    }
}
