//! What an event costs, loop by loop, against the kernel's own floor.
//!
//! A [workload] says what is done, for instance to ping a loop and dispatch it, and is
//! written once for every loop that has a [conformance adapter](conformance::adapter), with its
//! floor beside it: the same work on bare system calls or std's own structures. An
//! [engine] is a loop or those floors; a [`Bench`] is one workload on one engine, and
//! checks after every operation that each event came once, so that a loop cannot be fast by losing
//! them.
//!
//! [`builtin`] lists the benchmarks of the loops that come with the suite and [`of`] those of any
//! other adapter, [`select`] picks from them, [`quick`](quick()) measures them side by side:
//!
//! ```
//! use benches::{Program, Settings, builtin, quick, select, serve};
//! use std::ops::ControlFlow;
//!
//! // The measuring is done by this program, started anew for every turn.
//! if serve(&builtin()).is_some() {
//!     return Ok(());
//! }
//! let benches = select(builtin(), &["ping"], &["calloop-ref"])?;
//! let settings = Settings { blocks: 1, noise: f64::INFINITY, ..Settings::default() };
//! let outcome = quick(&benches, &settings, &Program::this()?, |progress| {
//!     eprintln!("{}", progress.what);
//!     ControlFlow::Continue(())
//! });
//! for measurement in &outcome.faultless()?.measurements {
//!     let (engine, time) = (&measurement.engine.name, measurement.median().unwrap());
//!     eprintln!("{engine}: {time:.0} {}/{}", measurement.unit, measurement.per);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `cargo bench -p benches` runs the same benchmarks under criterion. README.md says how to add an
//! engine or a workload, METHODOLOGY.md how it is measured and what to beware of.

#![deny(unsafe_code)]

pub mod baselines;
pub mod burden;
pub mod engine;
pub mod latency;
pub mod meters;
mod outcome;
pub mod paired;
#[cfg_attr(not(target_os = "linux"), path = "processors/unknown.rs")]
mod processors;
mod profile;
mod quick;
pub mod raw;
mod select;
pub mod tally;
pub mod timing;
pub mod workload;
pub mod workloads;

pub use self::engine::{Bench, builtin, not_here, of};
pub use self::meters::{CountingAllocator, Meter, Program, exact, serve, serve_engine};
pub use self::outcome::{Faulty, Outcome, Progress};
pub use self::paired::Settings;
pub use self::processors::Pin;
pub use self::profile::Profile;
pub use self::quick::quick;
pub use self::select::{Unknown, select};
