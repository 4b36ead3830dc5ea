//! Each example comes to its end and prints what it says.

#![allow(unreachable_pub, reason = "the `main` of an example is its crate's")]

use crate::own_process::in_own_process;

#[path = "../../examples/channel.rs"]
mod channel;
#[path = "../../examples/custom_source.rs"]
mod custom_source;
#[path = "../../examples/echo.rs"]
mod echo;
#[cfg(all(feature = "executor", feature = "futures-io"))]
#[path = "../../examples/futures.rs"]
mod futures;
#[path = "../../examples/nested.rs"]
mod nested;
#[cfg(all(feature = "signals", any(target_os = "linux", target_os = "android")))]
#[path = "../../examples/signals.rs"]
mod signals;
#[path = "../../examples/timer.rs"]
mod timer;

fn expect(printed: &str, parts: &[&str]) {
    for part in parts {
        assert!(printed.contains(part), "`{part}` is not in this:\n{printed}");
    }
}

#[test]
fn every_example_is_here() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    for example in std::fs::read_dir(directory).expect("the examples are there") {
        let name = example.expect("they can be listed").file_name().into_string().expect("UTF-8");
        let module = format!("examples/{name}\"]\nmod {};", name.trim_end_matches(".rs"));
        assert!(include_str!("examples.rs").contains(&module), "no test runs {name}");
    }
}

#[test]
fn timer_beats() {
    let printed = in_own_process(|| timer::main().expect("it ends well"));
    expect(&printed, &["beat 1,", "beat 5,", "no beat for 50ms"]);
    assert!(!printed.contains("beat 6"), "{printed}");
}

#[test]
fn echo_answers() {
    let printed = in_own_process(|| echo::main().expect("it ends well"));
    expect(&printed, &["echo on 127.0.0.1:", " came\n", "the answer is hello\n"]);
}

#[test]
#[cfg(all(feature = "signals", any(target_os = "linux", target_os = "android")))]
fn signals_arrive() {
    let printed = in_own_process(|| signals::main().expect("it ends well"));
    expect(&printed, &["reload 1,", "SIGTERM: the end"]);
}

#[test]
fn channel_counts_primes() {
    let printed = in_own_process(|| channel::main().expect("it ends well"));
    expect(&printed, &["168 primes below 1000, the last Some(997)"]);
}

#[test]
#[cfg(all(feature = "executor", feature = "futures-io"))]
fn futures_talk() {
    let printed = in_own_process(|| futures::main().expect("it ends well"));
    expect(&printed, &["the server heard: how are you?", "the client heard: fine"]);
}

#[test]
fn custom_source_notices_silence() {
    let printed = in_own_process(|| custom_source::main().expect("it ends well"));
    expect(&printed, &["hello\nthen nothing for 20ms\n"]);
}

#[test]
fn nested_loop_is_seen() {
    let printed = in_own_process(|| nested::main().expect("it ends well"));
    expect(&printed, &["a ping", "a timer", "the outer end"]);
}
