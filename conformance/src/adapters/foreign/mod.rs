//! Loops written in C, found at run time: a file for each, and here what they share.
//!
//! No header and no development package takes part in the build. `library!` opens a library when
//! it is first asked for and looks up the functions that its adapter uses. The compiler cannot
//! check their types: each file names the header and the version that they are taken from. A
//! library that is not there is no error but [`Missing`], which names the package that has it.
//!
//! C code gets a `Callback` as its user data. A panic must not unwind through the frames of C
//! between a callback and the dispatch: `guard` keeps it, and `resume` goes on with it when the
//! C function has returned. The loop delivers meanwhile what is left and knows of nothing, so that
//! no adapter here declares `panics`: it would be tested, and not the loop.

#![allow(unsafe_code, reason = "functions of C libraries are called, and call back")]
// That is only on Linux.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "sd-event alone uses it"))]

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::ops::BitOr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, Mutex, PoisonError};

use libloading::Library;
use reports::record::Missing;

use crate::adapter::{Adapter, Interest};

mod ev;
mod event;
mod glib;
mod pointers;
#[cfg(target_os = "linux")]
mod sd_event;
mod uv;
mod version;
mod wayland;

pub use ev::Ev;
pub use event::Event;
pub use glib::GLib;
#[cfg(target_os = "linux")]
pub use sd_event::SdEventLoop;
pub use uv::Uv;
pub use wayland::Wayland;

/// A loop that a machine may lack.
pub trait Foreign: Adapter {
    /// Looks for it; nothing else of the adapter may be used where it is missing.
    ///
    /// # Errors
    ///
    /// What is missing, and which package has it.
    fn find() -> Result<(), Missing>;
}

/// The names of loops, separated by commas, that are taken to be missing: how a machine without
/// them is tried out.
pub const WITHOUT: &str = "CONFORMANCE_WITHOUT";

/// A library that stays open for ever, because its functions are kept.
struct Opened {
    name: &'static str,
    package: &'static str,
    library: &'static Library,
}

impl Opened {
    /// Opens the first of the libraries that is there.
    fn new(name: &'static str, package: &'static str, sonames: &[&str]) -> Result<Self, Missing> {
        let without = std::env::var(WITHOUT).unwrap_or_default();
        if without.split(',').any(|it| it == name) {
            return Err(missing(name, package, format!("{WITHOUT} says so")));
        }
        let mut refusals = Vec::new();
        for soname in sonames {
            // SAFETY: what these libraries do when they are opened has no preconditions.
            match unsafe { Library::new(soname) } {
                Ok(library) => {
                    return Ok(Opened { name, package, library: Box::leak(Box::new(library)) });
                }
                Err(error) => refusals.push(error.to_string()),
            }
        }
        Err(missing(name, package, refusals.join("; ")))
    }

    /// A function.
    ///
    /// # Safety
    ///
    /// `F` has to be a pointer to a function of the type that the library's header gives this one.
    unsafe fn function<F: Copy>(&self, function: &str) -> Result<F, Missing> {
        // SAFETY: passed on to the caller. The library is never closed.
        match unsafe { self.library.get::<F>(function.as_bytes()) } {
            Ok(found) => Ok(*found),
            Err(error) => Err(missing(self.name, self.package, error.to_string())),
        }
    }

    /// A variable that is constant.
    ///
    /// # Safety
    ///
    /// `T` has to be the type that the library's header gives it.
    unsafe fn variable<T>(&self, variable: &str) -> Result<Variable<T>, Missing> {
        // SAFETY: the address of a variable is a pointer to it, and the library is never closed.
        unsafe { self.function::<*const T>(variable).map(|address| Variable(&*address)) }
    }
}

/// A variable of a library, which nobody changes.
#[derive(Copy, Clone, Debug)]
struct Variable<T: 'static>(&'static T);

fn missing(name: &str, package: &str, why: String) -> Missing {
    Missing { what: name.to_string(), why, mend: format!("Debian's {package} has it") }
}

/// Declares `Functions`, the functions of a library that are used, each with the type that its
/// header gives it, and after them the variables.
macro_rules! library {
    (
        $name:expr, in $package:literal, as [$($soname:literal),+];
        $(fn $function:ident($($argument:ty),* $(,)?) $(-> $result:ty)?;)+
        $(static $variable:ident: $type:ty;)*
    ) => {
        /// The functions of the library.
        pub(super) struct Functions {
            $(pub(super) $function: unsafe extern "C" fn($($argument),*) $(-> $result)?,)+
            $(pub(super) $variable: $crate::adapters::foreign::Variable<$type>,)*
        }

        impl Functions {
            /// Opens the library, once in a process.
            pub(super) fn find() -> Result<&'static Self, reports::record::Missing> {
                type Found = Result<Functions, reports::record::Missing>;
                static FOUND: std::sync::OnceLock<Found> = std::sync::OnceLock::new();
                let found = FOUND.get_or_init(|| {
                    let library = $crate::adapters::foreign::Opened::new($name, $package, &[$($soname),+])?;
                    // SAFETY: the types are those of the header that this file names.
                    unsafe {
                        Ok(Functions {
                            $($function: library.function(stringify!($function))?,)+
                            $($variable: library.variable(stringify!($variable))?,)*
                        })
                    }
                });
                found.as_ref().map_err(Clone::clone)
            }

            /// The functions, for an adapter that was found.
            #[allow(dead_code, reason = "of a second library, nothing more may be needed")]
            pub(super) fn get() -> &'static Self {
                Self::find().expect("the loop is asked for only where it was found")
            }
        }

        impl std::fmt::Debug for Functions {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($name)
            }
        }
    };
}

use library;

/// An interest, by the bits that a library has for reading and for writing.
fn directions<T: Default + BitOr<Output = T>>(interest: Interest, read: T, write: T) -> T {
    match interest {
        Interest::None => T::default(),
        Interest::Read => read,
        Interest::Write => write,
        Interest::Both => read | write,
    }
}

/// A callback that is out while it runs, so that it can remove itself.
struct Callback<F> {
    place: Cell<Option<F>>,
    is_removed: Cell<bool>,
}

impl<F> Callback<F> {
    fn new(callback: F) -> Self {
        Callback { place: Cell::new(Some(callback)), is_removed: Cell::new(false) }
    }

    /// Calls it, unless it is gone, and drops it if it was removed meanwhile.
    fn call(&self, call: impl FnOnce(&mut F)) {
        guard(|| {
            let Some(mut callback) = self.place.take() else { return };
            guard(|| call(&mut callback));
            if !self.is_removed.get() {
                self.place.set(Some(callback));
            }
        });
    }

    /// Whether it is gone, or will be when it returns.
    fn is_removed(&self) -> bool {
        self.is_removed.get()
    }

    /// Drops it, now or when it returns.
    fn remove(&self) {
        self.is_removed.set(true);
        drop(self.place.take());
    }
}

/// What any thread may use that has a share of it, until it is gone. It is an [`AtomicPtr`] because
/// a plain pointer may not leave its thread.
struct Shared<T>(Arc<Mutex<AtomicPtr<T>>>);

impl<T> Shared<T> {
    /// A share of nothing yet.
    fn new() -> Self {
        Shared(Arc::new(Mutex::new(AtomicPtr::new(ptr::null_mut()))))
    }

    /// Shares it from now on; null, once no thread uses it, if it goes.
    fn set(&self, raw: *mut T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut() = raw;
    }

    /// Uses it if it is there.
    fn using(&self, act: impl FnOnce(*mut T)) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let raw = *guard.get_mut();
        if !raw.is_null() {
            act(raw);
        }
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.0).finish()
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(self.0.clone())
    }
}

thread_local! {
    /// The first panic under a C function that has not returned yet.
    static PANIC: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
}

/// Runs what C code has called. A panic is kept, as it must not unwind into C.
fn guard(call: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        let first = PANIC.take();
        PANIC.set(Some(first.unwrap_or(panic)));
    }
}

/// Goes on with a panic that was kept, now that no frame of C is left.
fn resume() {
    if let Some(panic) = PANIC.take().filter(|_| !std::thread::panicking()) {
        resume_unwind(panic);
    }
}
