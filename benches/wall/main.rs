//! The benchmarks of a quick run under criterion, by workload: `cargo bench -p benches [-- FILTER]`.

use std::time::Duration;

use benches::{Bench, Profile, builtin, timing};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};

/// How long a benchmark is given before it counts as stuck.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .sample_size(30)
        .configure_from_args();
    let benches = Profile::Quick.select::<&str>(builtin(), &[], &[]);
    let mut benches = benches.expect("nothing was named");
    while let Some(first) = benches.first() {
        let id = first.spec.id();
        let mut group = criterion.benchmark_group(&id);
        group.throughput(Throughput::Elements(first.spec.units));
        let (row, others) = benches.into_iter().partition(|bench| bench.spec.id() == id);
        let row: Vec<Bench> = row;
        row.iter().for_each(|bench| measure(&mut group, bench));
        group.finish();
        benches = others;
    }
    criterion.final_summary();
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, bench: &Bench) {
    let mut prepared = None;
    group.bench_function(&bench.engine.name, |bencher| {
        // Here, because criterion does not come here if the name was filtered out.
        let run = prepared.get_or_insert_with(|| {
            let run = bench.check(2, CHECK_LIMIT).and_then(|()| bench.prepare());
            run.unwrap_or_else(|fault| panic!("{bench}: {fault}"))
        });
        bencher.iter_custom(|operations| {
            timing::sample(run, operations).unwrap_or_else(|fault| panic!("{bench}: {fault}"))
        });
    });
}
