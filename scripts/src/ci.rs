//! `suite ci`: every check of the project, as CI runs it.

mod downstream;
mod steps;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;

use self::steps::STEPS;

/// What to run.
#[derive(Args, Debug)]
pub(crate) struct Ci {
    /// Run only these steps, in this order
    #[arg(value_name = "STEP", value_parser = step_names())]
    steps: Vec<String>,

    /// List the steps
    #[arg(long)]
    list: bool,
}

/// A check.
struct Step {
    name: &'static str,
    what: &'static str,
    plan: fn() -> Result<Plan>,
}

/// What a step comes to on this machine.
enum Plan {
    Run(Vec<Command>),
    Lacks(Lack),
}

/// A step cannot run, because this is missing.
struct Lack {
    tools: String,
    mend: String,
    /// `.ci/run` installs it, so that CI has it unless something is wrong.
    is_installed_by_ci: bool,
}

/// What became of a step that did not fail.
enum Outcome {
    Passed(Duration),
    NotRun(Lack),
}

impl Ci {
    /// Runs the steps; the first that fails ends the run.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if self.list {
            STEPS.iter().for_each(|step| println!("{:12} {}", step.name, step.what));
            return Ok(ExitCode::SUCCESS);
        }
        let mut outcomes = Vec::new();
        for step in self.selected() {
            println!("\n==> {}: {}", step.name, step.what);
            match step.run()? {
                Some(outcome) => outcomes.push((step.name, outcome)),
                None => return Ok(ExitCode::FAILURE),
            }
        }
        summarize(&outcomes);
        Ok(ExitCode::SUCCESS)
    }

    fn selected(&self) -> Vec<&'static Step> {
        if self.steps.is_empty() {
            return STEPS.iter().collect();
        }
        let named = |name: &String| STEPS.iter().find(|step| step.name == name);
        self.steps.iter().filter_map(named).collect()
    }
}

impl Step {
    /// Runs the step. `None`: it failed, and that was said.
    fn run(&self) -> Result<Option<Outcome>> {
        let start = Instant::now();
        let commands = match (self.plan)()? {
            Plan::Run(commands) => commands,
            Plan::Lacks(lack) => {
                println!("  not run: it needs {}; {}", lack.tools, lack.mend);
                if lack.is_installed_by_ci && std::env::var("CI").is_ok_and(|ci| ci == "true") {
                    eprintln!("\nthe step {} has to run in CI", self.name);
                    return Ok(None);
                }
                return Ok(Some(Outcome::NotRun(lack)));
            }
        };
        for mut command in commands {
            println!("  > {}", shown(&command));
            let status = command.status().with_context(|| shown(&command))?;
            if !status.success() {
                eprintln!("\n`{}` failed in the step {}", shown(&command), self.name);
                return Ok(None);
            }
        }
        let elapsed = start.elapsed();
        println!("  took {} s", elapsed.as_secs());
        Ok(Some(Outcome::Passed(elapsed)))
    }
}

fn summarize(outcomes: &[(&str, Outcome)]) {
    println!("\nNothing failed:");
    let mut total = Duration::ZERO;
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::Passed(elapsed) => {
                println!("{name:12} {:4} s", elapsed.as_secs());
                total += *elapsed;
            }
            Outcome::NotRun(lack) => println!("{name:12} not run: it needs {}", lack.tools),
        }
    }
    println!("{:12} {:4} s", "in all", total.as_secs());
}

/// Refuses the name of a step that does not exist.
fn step_names() -> PossibleValuesParser {
    PossibleValuesParser::new(STEPS.iter().map(|step| step.name))
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}='{}'", name.to_str()?, value?.to_str()?)));
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let words = variables.chain([program.to_string_lossy().into_owned()]).chain(arguments);
    words.collect::<Vec<_>>().join(" ")
}
