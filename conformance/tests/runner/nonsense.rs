//! Wrong usage, and results that cannot be written.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use tempfile::tempdir;

use crate::misbehaving::PIDS;
use crate::program::{command, end, pids, run, wait_until};

pub(crate) fn usage_is_refused() {
    let cases: [(&[&str], &str); 14] = [
        (&["NONE-01"], "`NONE-01` is not the id of a rule"),
        (&["GOOD-01", "NONE-01"], "`NONE-01` is not the id of a rule"),
        (&["GOOD", "--exact"], "`GOOD` is not the id of a rule"),
        (&["[", "GOOD-01"], "`[` is not a pattern"),
        (&["--group=NONE"], "no group is called `NONE`; there are: BAD, GOOD, ODD, OWN"),
        (&["GOOD-01", "--level=may"], "no rule is left to run"),
        (&["--level=often"], "the levels are must, should and may"),
        (&["--loop=none"], "no loop is called `none`; there are: misbehaving, behaving"),
        (&["--shard=4/3"], "as 2/5 for the second of five parts"),
        (&["--repeat=0"], "--repeat"),
        (&["--time-scale=0"], "more than 0"),
        (&["--jobs=0"], "--jobs"),
        (&["--expectations=x.toml"], "say --loop, too"),
        (&["--loop=behaving", "--update-expectations"], "behaving has no expectation file"),
    ];
    for (arguments, message) in cases {
        let ended = end(&mut command("two", arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(message), "no `{message}` in:\n{}", ended.err);
        assert_eq!(ended.out, "", "nothing was run");
    }
    assert!(run(&["--help"]).out.contains("130  interrupted"));
}

pub(crate) fn a_pipe_is_written_to_and_not_replaced() {
    let directory = tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let reader = thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    assert_eq!(run(&["GOOD-01", "--json", pipe.to_str().unwrap()]).code, Some(0));
    assert!(pipe.metadata().unwrap().file_type().is_fifo(), "it was replaced");
    assert!(reader.join().unwrap().contains("GOOD-01"));
}

pub(crate) fn results_that_cannot_be_written_fail() {
    // Else the run below would replace a device of this machine.
    a_pipe_is_written_to_and_not_replaced();
    let directory = tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let under_a_file = file.join("record.json");
    for option in ["--json", "--junit"] {
        for path in
            [under_a_file.to_str().unwrap(), directory.path().to_str().unwrap(), "/dev/full"]
        {
            let ended = run(&["GOOD-01", option, path]);
            assert_eq!(ended.code, Some(3), "{ended:?}");
            assert!(ended.err.contains(&format!("cannot write {path}: ")), "{}", ended.err);
        }
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 1, "nothing is left behind");

    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut program = command("one", &["GOOD-01"]);
    let child = program.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("cannot write to the standard output: "), "{error}");
}

/// A reader that goes away in the middle, as `head` does.
pub(crate) fn a_closed_output_ends_the_run() {
    let directory = tempdir().unwrap();
    // A socket can be shut for every process that may have it at the moment.
    let (ours, theirs) = UnixStream::pair().unwrap();
    // Both rules would take a minute.
    let mut program = command("one", &["BAD-01", "BAD-10", "--jobs=2", "--time-scale=3"]);
    program.env(PIDS, directory.path()).stdout(OwnedFd::from(theirs)).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(&ours).read_line(&mut first).unwrap();
    assert!(first.starts_with("running 2 rules of misbehaving 1.2.3, 2 at a time"), "{first}");
    ours.shutdown(Shutdown::Both).unwrap();
    wait_until("the hang of a rule", || !pids(directory.path(), "hung").is_empty());
    kill(Pid::from_raw(pids(directory.path(), "hung")[0]), Signal::SIGKILL).unwrap();
    wait_until("the end of the run", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(error.contains("cannot write to the standard output: "), "{error}");
}
