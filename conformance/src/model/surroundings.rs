//! What belongs to the thread or the whole process: signals, descriptors, the processor.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::{SigSet, Signal as Number};
use rustix::time::{ClockId, clock_gettime};
use signal_hook::consts::{SIGUSR1, SIGUSR2, SIGWINCH};

use super::program::{Scene, Signal};
use crate::system::open_descriptors;

/// A signal that no program watches.
const INTERRUPTION: Number = Number::SIGWINCH;

/// Whether one of the signals of programs has reached its handler. Nobody but a loop listens to
/// them, and without a handler they end the process.
static STRUCK: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
    let struck = Arc::new(AtomicBool::new(false));
    for number in [SIGUSR1, SIGUSR2] {
        // Without the handler a signal that strikes ends the process, which is told of, too.
        let _ = signal_hook::flag::register(number, struck.clone());
    }
    let _ = signal_hook::flag::register(SIGWINCH, Arc::default());
    struck
});

/// How many programs are performed by threads of this process.
static PERFORMING: AtomicUsize = AtomicUsize::new(0);
/// How many have been begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// How it was before a program.
pub(super) struct Surroundings {
    number: u64,
    descriptors: usize,
    inheritable: usize,
    /// Before the scene of the program was set.
    original: SigSet,
    /// When it was.
    mask: SigSet,
}

/// What has to be, and what is.
type Difference = (&'static str, String);

impl Surroundings {
    pub(super) fn new(scene: Scene) -> Self {
        STRUCK.store(false, SeqCst);
        let number = BEGUN.fetch_add(1, SeqCst);
        PERFORMING.fetch_add(1, SeqCst);
        let original = mask();
        if scene.is_blocking {
            block_signal(Signal::Usr1);
        }
        let (inheritable, descriptors) = (count_inheritable(), count_descriptors());
        Surroundings { number, descriptors, inheritable, original, mask: mask() }
    }

    /// The signals that are watched are blocked, and no others.
    pub(super) fn check_mask(&self, is_watched: &dyn Fn(Signal) -> bool) -> Result<(), Difference> {
        let blocked = mask();
        for number in Number::iterator() {
            let signal = Signal::ALL.into_iter().find(|signal| signal.number() == number as i32);
            let expected = self.mask.contains(number) || signal.is_some_and(is_watched);
            if blocked.contains(number) != expected {
                let not = if expected { "not " } else { "" };
                return Err((
                    "the signals blocked that were before or are watched",
                    format!("{number} is {not}blocked"),
                ));
            }
        }
        Ok(())
    }

    /// Whether no other thread of the process performs a program, whose doing would be seen, too.
    fn is_alone(&self) -> bool {
        PERFORMING.load(SeqCst) == 1 && BEGUN.load(SeqCst) == self.number + 1
    }

    /// What the loop and its sources have opened is closed in a program that is started.
    pub(super) fn check_descriptors(&self) -> Result<(), Difference> {
        if !self.is_alone() {
            return Ok(());
        }
        match count_inheritable().saturating_sub(self.inheritable) {
            0 => Ok(()),
            more => Err(("no descriptor for others to inherit", format!("there are {more}"))),
        }
    }

    /// Nothing is left of the program.
    pub(super) fn check_end(&self) -> Result<(), Difference> {
        if !self.is_alone() {
            return Ok(());
        }
        if STRUCK.load(SeqCst) {
            return Err(("a signal that is watched told, or dropped", "it took its action".into()));
        }
        let left = count_descriptors();
        if left > self.descriptors {
            let actual = format!("{} are left open", left - self.descriptors);
            return Err(("no descriptor left open with the loop gone", actual));
        }
        Ok(())
    }
}

impl Drop for Surroundings {
    fn drop(&mut self) {
        let _ = self.original.thread_set_mask();
        PERFORMING.fetch_sub(1, SeqCst);
    }
}

/// Sees to it that no signal of a program ends the process.
pub fn catch_signals() {
    LazyLock::force(&STRUCK);
}

/// Blocks a signal for this thread.
pub fn block_signal(signal: Signal) {
    let number = Number::try_from(signal.number());
    let _ = number.map(|number| SigSet::from(number).thread_block());
}

fn mask() -> SigSet {
    SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty())
}

/// How many descriptors are open; where that cannot be told, always none.
fn count_descriptors() -> usize {
    open_descriptors().unwrap_or(0)
}

/// How many descriptors a program that is started would inherit; where that cannot be told, none.
fn count_inheritable() -> usize {
    const O_CLOEXEC: u32 = 0o2_000_000;
    let Ok(entries) = std::fs::read_dir("/proc/self/fdinfo") else { return 0 };
    let flags = |text: String| {
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
        u32::from_str_radix(flags.trim(), 8).ok()
    };
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    texts.filter_map(flags).filter(|flags| flags & O_CLOEXEC == 0).count()
}

/// How much of the processor this thread has used.
pub(super) fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// A thread that can be interrupted by a signal.
#[derive(Copy, Clone)]
pub(super) struct Interruptible(Pthread);

impl Interruptible {
    /// The thread that calls this.
    pub(super) fn this() -> Self {
        catch_signals();
        Interruptible(pthread_self())
    }

    /// Has it run the handler of a signal. It must not have ended.
    pub(super) fn interrupt(self) {
        let _ = pthread_kill(self.0, INTERRUPTION);
    }
}
