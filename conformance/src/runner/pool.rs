//! Running many rules: as many at a time as there are processors, and then those that need the
//! machine to themselves.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;

use reports::record::RuleResult;

use super::attempt::Task;
use super::progress::Progress;
use super::{Error, Options, watchdog};

/// A step of a run, of the task at this position.
enum Step {
    Started(usize),
    Ended(usize, Box<Result<RuleResult, Error>>),
}

/// Runs all tasks and returns their results in the same order.
pub(super) fn run(
    tasks: &[Task<'_>],
    options: &Options,
    workers: usize,
    progress: &Progress,
) -> Result<Vec<RuleResult>, Error> {
    let mut results = vec![None; tasks.len()];
    let (alone, together): (Vec<usize>, Vec<usize>) =
        (0..tasks.len()).partition(|position| tasks[*position].rule.alone);
    for (positions, workers) in [(together, workers), (alone, 1)] {
        let workers = workers.min(positions.len());
        let queue = Mutex::new(positions.into_iter());
        let (steps, received) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..workers {
                let (steps, queue) = (steps.clone(), &queue);
                scope.spawn(move || {
                    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    while let Some(position) = next() {
                        // Nobody listens any more once a step could not be shown.
                        let _ = steps.send(Step::Started(position));
                        let result = Box::new(tasks[position].perform(options));
                        let is_last = result.is_err();
                        let is_unheard = steps.send(Step::Ended(position, result)).is_err();
                        if is_last || is_unheard {
                            break;
                        }
                    }
                });
            }
            drop(steps);
            let outcome = collect(tasks, received, progress, &mut results);
            // The processes of the other workers would be waited for.
            outcome.inspect_err(|_| watchdog::stop())
        })?;
    }
    Ok(results.into_iter().map(|result| result.expect("every task came to an end")).collect())
}

fn collect(
    tasks: &[Task<'_>],
    steps: Receiver<Step>,
    progress: &Progress,
    results: &mut [Option<RuleResult>],
) -> Result<(), Error> {
    for step in steps {
        match step {
            Step::Started(position) => progress.started(&tasks[position]),
            Step::Ended(position, result) => {
                let result = (*result)?;
                progress.ended(&tasks[position], &result).map_err(Error::output)?;
                results[position] = Some(result);
            }
        }
    }
    Ok(())
}
