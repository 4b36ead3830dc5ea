//! The loops that come with the suite, each with its profile and expectation file.

use super::expectations::Expectations;
use super::{Error, Suite};
use crate::adapter::Adapter;
#[cfg(feature = "async-io")]
use crate::adapters::AsyncIo;
use crate::adapters::CalloopRef;
#[cfg(feature = "mio")]
use crate::adapters::Mio;
#[cfg(feature = "tokio")]
use crate::adapters::Tokio;
#[cfg(feature = "foreign")]
use crate::adapters::foreign::{self, Foreign};
#[cfg(feature = "calloop")]
use crate::adapters::{Calloop013, Calloop014};
use crate::{profile, spec};

type Make = fn() -> Suite;

/// The name of each, and what makes it.
const ALL: &[(&str, Make)] = &[
    (CalloopRef::NAME, calloop_ref),
    #[cfg(feature = "calloop")]
    (Calloop014::NAME, calloop_0_14),
    #[cfg(feature = "calloop")]
    (Calloop013::NAME, calloop_0_13),
    #[cfg(feature = "tokio")]
    (Tokio::NAME, tokio),
    #[cfg(feature = "async-io")]
    (AsyncIo::NAME, async_io),
    #[cfg(feature = "mio")]
    (Mio::NAME, mio),
    #[cfg(feature = "foreign")]
    (foreign::Uv::NAME, libuv),
    #[cfg(feature = "foreign")]
    (foreign::GLib::NAME, glib),
    #[cfg(feature = "foreign")]
    (foreign::Event::NAME, libevent),
    #[cfg(feature = "foreign")]
    (foreign::Ev::NAME, libev),
    #[cfg(all(feature = "foreign", target_os = "linux"))]
    (foreign::SdEventLoop::NAME, sd_event),
    #[cfg(feature = "foreign")]
    (foreign::Wayland::NAME, libwayland),
];

/// How many of them have calloop's interface; they come first.
const OF_CALLOOP: usize = if cfg!(feature = "calloop") { 3 } else { 1 };

/// All of them, also those that are not here.
pub fn all() -> Vec<Suite> {
    ALL.iter().map(|(_, suite)| suite()).collect()
}

/// The one of this name. Others are not looked for.
pub(super) fn named(name: &str) -> Option<Suite> {
    ALL.iter().find(|(it, _)| *it == name).map(|(_, suite)| suite())
}

/// Those that people use besides.
pub fn field() -> Vec<Suite> {
    ALL[OF_CALLOOP..].iter().map(|(_, suite)| suite()).collect()
}

/// `calloop-ref`, which has to keep every rule.
pub fn calloop_ref() -> Suite {
    Suite::of::<CalloopRef>().with_cases(profile::calloop_ref())
}

/// calloop 0.14, with its known deviations.
#[cfg(feature = "calloop")]
pub fn calloop_0_14() -> Suite {
    Suite::of::<Calloop014>().with_cases(profile::calloop_0_14()).with_expectations(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/calloop-0.14.toml"),
        include_str!("../../expectations/calloop-0.14.toml"),
    )
}

/// calloop 0.13, with its known deviations.
#[cfg(feature = "calloop")]
pub fn calloop_0_13() -> Suite {
    Suite::of::<Calloop013>().with_cases(profile::calloop_0_13()).with_expectations(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/calloop-0.13.toml"),
        include_str!("../../expectations/calloop-0.13.toml"),
    )
}

/// libuv, if it is here.
#[cfg(feature = "foreign")]
fn libuv() -> Suite {
    foreign::<foreign::Uv>(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/libuv.toml"),
        include_str!("../../expectations/libuv.toml"),
    )
}

/// GLib's main loop, if it is here.
#[cfg(feature = "foreign")]
fn glib() -> Suite {
    foreign::<foreign::GLib>(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/glib.toml"),
        include_str!("../../expectations/glib.toml"),
    )
}

/// libevent, if it is here.
#[cfg(feature = "foreign")]
fn libevent() -> Suite {
    foreign::<foreign::Event>(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/libevent.toml"),
        include_str!("../../expectations/libevent.toml"),
    )
}

/// libev, if it is here.
#[cfg(feature = "foreign")]
fn libev() -> Suite {
    foreign::<foreign::Ev>(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/libev.toml"),
        include_str!("../../expectations/libev.toml"),
    )
}

/// sd-event, if it is here.
#[cfg(all(feature = "foreign", target_os = "linux"))]
fn sd_event() -> Suite {
    foreign::<foreign::SdEventLoop>(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/sd-event.toml"),
        include_str!("../../expectations/sd-event.toml"),
    )
}

/// libwayland-server's event loop, if it is here.
#[cfg(feature = "foreign")]
fn libwayland() -> Suite {
    foreign::<foreign::Wayland>(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/libwayland.toml"),
        include_str!("../../expectations/libwayland.toml"),
    )
}

/// A loop that a machine may lack, with its known deviations.
#[cfg(feature = "foreign")]
fn foreign<A: Foreign>(path: &str, expectations: &str) -> Suite {
    match A::find() {
        Ok(()) => Suite::of::<A>().with_expectations(path, expectations),
        Err(missing) => Suite::not_here(A::NAME, missing),
    }
}

/// tokio, with its known deviations.
#[cfg(feature = "tokio")]
fn tokio() -> Suite {
    Suite::of::<Tokio>().with_expectations(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/tokio.toml"),
        include_str!("../../expectations/tokio.toml"),
    )
}

/// async-io, with its known deviations.
#[cfg(feature = "async-io")]
fn async_io() -> Suite {
    Suite::of::<AsyncIo>().with_expectations(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/async-io.toml"),
        include_str!("../../expectations/async-io.toml"),
    )
}

/// mio, with its known deviations.
#[cfg(feature = "mio")]
fn mio() -> Suite {
    Suite::of::<Mio>().with_expectations(
        concat!(env!("CARGO_MANIFEST_DIR"), "/expectations/mio.toml"),
        include_str!("../../expectations/mio.toml"),
    )
}

/// The defects of calloop that rules show, and what comes of each on these loops, in Markdown.
///
/// # Errors
///
/// If an expectation file is wrong.
pub fn defects() -> Result<String, Error> {
    let mut loops = Vec::new();
    for suite in ALL[..OF_CALLOOP].iter().map(|(_, suite)| suite()) {
        let known = Expectations::load(&suite, None, false)?;
        loops.push((suite, known));
    }
    let names: Vec<String> =
        loops.iter().map(|(suite, _)| format!("{} {}", suite.name, suite.version)).collect();
    Ok(spec::defects(&names, |position, rule| {
        let (suite, known) = &loops[position];
        match (suite.has(rule), known.outcome(rule)) {
            (false, _) => "not its rule",
            (true, None) => "keeps it",
            (true, Some("crash")) => "crashes",
            (true, Some("timeout")) => "hangs",
            (true, Some(_)) => "fails",
        }
        .to_string()
    }))
}
