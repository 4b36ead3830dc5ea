//! How much of what there is a run measures.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::engine::{Bench, Role};
use crate::latency::{self, Probe};
use crate::meters::Meter;
use crate::paired::Settings;
use crate::select::{Unknown, select};

/// How much of what there is a run measures, and how long it takes for that.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// A minute or so: calloop's interface on the workloads that tell most.
    #[default]
    Quick,
    /// Every workload, in every size, on every engine, which takes long.
    Full,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 2] = [Profile::Quick, Profile::Full];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Quick => "quick",
            Profile::Full => "full",
        }
    }

    /// How long the wall clock is looked at.
    pub fn settings(self) -> Settings {
        match self {
            Profile::Quick => Settings {
                blocks: 11,
                noise: 0.02,
                at_most: Duration::from_millis(1_200),
                samples: 4,
                ..Settings::default()
            },
            Profile::Full => Settings {
                blocks: 25,
                noise: 0.01,
                at_most: Duration::from_secs(8),
                ..Settings::default()
            },
        }
    }

    /// Keeps what it measures. What is [asked for by name](select()) is always kept.
    ///
    /// # Errors
    ///
    /// If a name is not among the benchmarks.
    pub fn select<S: AsRef<str>>(
        self,
        benches: Vec<Bench>,
        workloads: &[S],
        engines: &[S],
    ) -> Result<Vec<Bench>, Unknown> {
        let mut benches = select(benches, workloads, engines)?;
        if self == Profile::Quick {
            benches.retain(|bench| {
                (!workloads.is_empty() || !bench.spec.is_extra)
                    && (!engines.is_empty() || is_for_all(bench.role))
            });
        }
        Ok(benches)
    }

    /// The same of latencies.
    ///
    /// # Errors
    ///
    /// If a name is not among the probes.
    pub fn select_probes<S: AsRef<str>>(
        self,
        probes: Vec<Probe>,
        scenarios: &[S],
        engines: &[S],
    ) -> Result<Vec<Probe>, Unknown> {
        let mut probes = latency::select(probes, scenarios, engines)?;
        if self == Profile::Quick && engines.is_empty() {
            probes.retain(|probe| is_for_all(probe.role));
        }
        Ok(probes)
    }

    /// Keeps what it measures with this meter.
    pub fn with(self, meter: Meter, benches: &[Bench]) -> Vec<Bench> {
        let is_too_long = |bench: &&Bench| {
            (self, meter) == (Profile::Quick, Meter::Instructions) && bench.spec.is_large
        };
        benches.iter().filter(|bench| !is_too_long(bench)).cloned().collect()
    }
}

/// Whether it takes part in a short run without being named.
fn is_for_all(role: Role) -> bool {
    matches!(role, Role::Floor | Role::Loop)
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let profile = Profile::ALL.into_iter().find(|profile| profile.name() == name);
        profile.ok_or_else(|| format!("there is no profile `{name}`"))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;

    fn selected(profile: Profile, workloads: &[&str], engines: &[&str]) -> Vec<Bench> {
        profile.select(builtin(), workloads, engines).expect("these exist")
    }

    #[test]
    fn a_quick_run_leaves_out_what_nobody_asked_for() {
        let quick = selected(Profile::Quick, &[], &[]);
        assert!(quick.iter().all(|bench| !bench.spec.is_extra && bench.role != Role::Baseline));
        assert!(quick.iter().any(|bench| bench.spec.name == "ping"));
        assert_eq!(selected(Profile::Full, &[], &[]).len(), builtin().len());
    }

    #[test]
    fn what_is_asked_for_by_name_is_there() {
        let extra = selected(Profile::Quick, &["cascade"], &[]);
        assert!(extra.iter().any(|bench| bench.engine.name == "calloop-ref"));
        let baseline = selected(Profile::Quick, &["ping"], &["poll"]);
        assert!(baseline.iter().any(|bench| bench.engine.name == "poll"));
    }

    #[test]
    fn a_name_leads_back_to_its_profile() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert!("slow".parse::<Profile>().is_err());
    }
}
