//! What the process does at a signal, while loops take turns in it.

#![allow(unsafe_code, reason = "a handler of signals is asked for and put back as C has it")]

use std::ptr;

/// Puts the handler of a signal back when it goes, if it was taken away meanwhile: loops in C have
/// the default again when they end, and tokio installs its own once in a process.
pub(super) struct Kept {
    signal: i32,
    action: libc::sigaction,
}

impl Kept {
    pub(super) fn of(signal: i32) -> Self {
        Kept { signal, action: action(signal) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if action(self.signal).sa_sigaction == libc::SIG_DFL {
            // SAFETY: the action is one that the kernel has told, and its handler is never unloaded.
            // It was valid before, so that it is not refused.
            unsafe { libc::sigaction(self.signal, &raw const self.action, ptr::null_mut()) };
        }
    }
}

/// What is done at it now.
fn action(signal: i32) -> libc::sigaction {
    // SAFETY: zeroes are a valid action. The kernel writes it, and changes nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut action);
        action
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn handler(_: i32) {}

    /// A signal that nothing else in these tests has to do with.
    const SIGNAL: i32 = libc::SIGIO;

    fn set(handler: libc::sighandler_t) {
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(SIGNAL, handler) };
    }

    #[test]
    fn a_handler_that_was_taken_away_is_put_back_and_another_stays() {
        let own = handler as extern "C" fn(i32) as libc::sighandler_t;
        set(own);
        let kept = Kept::of(SIGNAL);
        set(libc::SIG_DFL);
        drop(kept);
        assert_eq!(action(SIGNAL).sa_sigaction, own);
        set(libc::SIG_DFL);
        let kept = Kept::of(SIGNAL);
        set(own);
        drop(kept);
        assert_eq!(action(SIGNAL).sa_sigaction, own);
        set(libc::SIG_DFL);
    }
}
