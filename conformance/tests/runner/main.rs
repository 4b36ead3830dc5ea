//! Tests of the runner, through the real program: this one, which starts itself as a program that
//! holds misbehaving loops to rules.

mod broken;
mod expectations;
mod interruption;
mod misbehaving;
mod nonsense;
mod program;
mod protocol;
mod readme;
mod selection;
mod verdicts;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libtest_mimic::{Arguments, Trial};
use signal_hook::consts::SIGINT;
use signal_hook::flag::register_conditional_default;

macro_rules! tests {
    ($($module:ident: $($name:ident),+;)+) => {
        vec![$($(
            Trial::test(concat!(stringify!($module), "::", stringify!($name)), || {
                $module::$name();
                Ok(())
            }),
        )+)+]
    };
}

fn main() -> ExitCode {
    if let Some(code) = program::main() {
        return code;
    }
    // What a shell without job control starts in the background ignores interrupts, and all that this
    // starts. What is handled, here as it is by default, they do not ignore.
    register_conditional_default(SIGINT, Arc::new(AtomicBool::new(true))).expect("a handler");
    let tests = tests! {
        verdicts: misbehaviour_is_a_result_and_the_run_goes_on, a_failure_explains_itself,
            rules_start_clean, a_rule_is_repeated_until_it_fails;
        selection: rules_are_selected, rules_are_shown_in_full, shards_are_the_whole, loops_stand_side_by_side,
            missing_loops_are_named;
        protocol: nextest_lists_and_runs_a_rule, a_name_of_nothing_is_no_mistake_for_cargo,
            junit_knows_every_rule, colours_only_where_they_are_wanted;
        expectations: known_deviations_are_expected, occasional_deviations_may_pass, surprises_fail, wrong_files_are_refused,
            an_update_keeps_what_people_wrote;
        nonsense: usage_is_refused, a_pipe_is_written_to_and_not_replaced,
            results_that_cannot_be_written_fail, a_closed_output_ends_the_run;
        readme: commands_work, the_explanation_is_real;
        broken: a_loop_that_dies_is_found, a_loop_that_hangs_is_found;
        interruption: a_signal_leaves_no_process, a_killed_runner_leaves_no_process,
            what_is_ignored_stays_so;
    };
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
