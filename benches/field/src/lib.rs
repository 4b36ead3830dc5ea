//! The benchmarks of the field: of the loops that people use besides those of calloop's interface.
//!
//! They are a package of their own so that they compile beside `benches`, and so that a loop more or
//! less leaves what is compiled there, and the instructions counted of it, as they are. A loop in C
//! is looked for when it is asked for: [`serve_engine`](benches::serve_engine) opens no library in
//! the process of another loop.

mod limits;

use benches::engine::Role;
use benches::latency::{self, Probe};
use benches::{Bench, not_here, of};
use conformance::adapter::Adapter;
#[cfg(target_os = "linux")]
use conformance::adapters::foreign::SdEventLoop;
use conformance::adapters::foreign::{Ev, Event, Foreign, GLib, Uv, Wayland};
use conformance::adapters::{AsyncIo, Mio, Tokio};
use reports::record::Missing;

pub use self::limits::{LIMITS, Limit};

/// What there is of each loop.
struct Entry {
    name: &'static str,
    is_in_c: bool,
    find: fn() -> Result<(), Missing>,
    benches: fn() -> Vec<Bench>,
    probes: fn() -> Vec<Probe>,
}

/// A loop that is compiled in.
const fn own<A: Adapter>() -> Entry {
    let (benches, probes) = (of::<A>, latency::of::<A>);
    Entry { name: A::NAME, is_in_c: false, find: || Ok(()), benches, probes }
}

/// A loop that a machine may lack.
const fn foreign<A: Foreign>() -> Entry {
    Entry { is_in_c: true, find: A::find, ..own::<A>() }
}

const ALL: &[Entry] = &[
    own::<Tokio>(),
    own::<AsyncIo>(),
    own::<Mio>(),
    foreign::<Uv>(),
    foreign::<GLib>(),
    foreign::<Event>(),
    foreign::<Ev>(),
    #[cfg(target_os = "linux")]
    foreign::<SdEventLoop>(),
    foreign::<Wayland>(),
];

impl Entry {
    fn benches(&self) -> Vec<Bench> {
        let mut benches = match (self.find)() {
            Ok(()) => (self.benches)(),
            Err(missing) => not_here(self.name, &missing),
        };
        for bench in &mut benches {
            bench.role = Role::Field;
            bench.allocates_unseen = self.is_in_c;
            let limit = Limit::of(self.name, bench.spec.name, &bench.spec.id());
            bench.gap = bench.gap.take().or_else(|| limit.map(Limit::gap));
        }
        benches
    }

    fn probes(&self) -> Vec<Probe> {
        let mut probes = match (self.find)() {
            Ok(()) => (self.probes)(),
            Err(missing) => latency::not_here(self.name, &missing),
        };
        for probe in &mut probes {
            probe.role = Role::Field;
            let limit = Limit::of(self.name, probe.spec.name, &probe.spec.id());
            probe.gap = probe.gap.take().or_else(|| limit.map(Limit::gap));
        }
        probes
    }
}

/// The benchmarks of every loop of the field. Those of one that is not here say what is missing.
pub fn benches() -> Vec<Bench> {
    ALL.iter().flat_map(Entry::benches).collect()
}

/// The same of latencies.
pub fn probes() -> Vec<Probe> {
    ALL.iter().flat_map(Entry::probes).collect()
}

/// The benchmarks of the loop of this name, if it is one of the field. Others are not looked for.
pub fn benches_of(name: &str) -> Option<Vec<Bench>> {
    ALL.iter().find(|entry| entry.name == name).map(Entry::benches)
}
