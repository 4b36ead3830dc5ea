//! Which processor a thread runs on. A wake-up across processors and one within cost very different
//! times, and the scheduler changes its mind about which it shall be.

use std::cell::RefCell;
use std::marker::PhantomData;

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

thread_local! {
    /// How often this thread is pinned, and where it could run before.
    static PINS: RefCell<Option<(usize, CpuSet)>> = const { RefCell::new(None) };
}

/// Keeps the thread that made it on one processor for as long as one of its pins exists.
///
/// What the operating system does not permit is left undone.
#[derive(Debug)]
pub struct Pin {
    here: usize,
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

impl Pin {
    /// Pins the thread to the processor that it runs on.
    pub fn here() -> Self {
        let here = sched_getcpu();
        PINS.with_borrow_mut(|pins| match pins {
            Some((count, _)) => *count += 1,
            None => {
                *pins = sched_getaffinity(None).ok().map(|before| (1, before));
                let mut only = CpuSet::new();
                only.set(here);
                let _ = sched_setaffinity(None, &only);
            }
        });
        Pin { here, _thread: PhantomData }
    }

    /// The other processors on which the thread could run; `None` if there are none.
    pub(crate) fn elsewhere(&self) -> Option<CpuSet> {
        let mut others = PINS.with_borrow(|pins| Some(pins.as_ref()?.1))?;
        others.unset(self.here);
        (others.count() > 0).then_some(others)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        PINS.with_borrow_mut(|pins| {
            if let Some((count, before)) = pins {
                *count -= 1;
                if *count == 0 {
                    let _ = sched_setaffinity(None, before);
                    *pins = None;
                }
            }
        });
    }
}

/// Has the present thread run on these processors only.
pub(crate) fn stay_on(processors: &CpuSet) {
    let _ = sched_setaffinity(None, processors);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pin_sets_the_thread_free() {
        let before = sched_getaffinity(None).expect("a thread can ask");
        let (first, second) = (Pin::here(), Pin::here());
        assert_eq!(sched_getaffinity(None).expect("a thread can ask").count(), 1);
        assert_eq!(first.elsewhere().map_or(0, |others| others.count()), before.count() - 1);
        drop(first);
        assert_eq!(sched_getaffinity(None).expect("a thread can ask").count(), 1);
        drop(second);
        assert_eq!(sched_getaffinity(None).expect("a thread can ask"), before);
    }
}
