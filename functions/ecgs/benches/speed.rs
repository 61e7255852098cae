//! How fast beats are found, insights made and samples coded: samples a second on one thread.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ecgs::analysis::insights::{Insights, LeadAnalysis, Recording};
use ecgs::analysis::synthetic::{LEAD_II, Model};
use ecgs::analysis::{beats, codec};

fn speed(criterion: &mut Criterion) {
    let model = Model {
        rate_hz: 360.0,
        duration_s: 1_800.0,
        noise_mv: 0.03,
        wander_mv: 0.3,
        ectopic_every: 20,
        adc_gain: 200.0,
        adc_zero: 1_024,
        ..Model::default()
    };
    let signal = model.lead(&LEAD_II, 0);
    let mut group = criterion.benchmark_group("half an hour at 360 Hz");
    group.throughput(Throughput::Elements(signal.len() as u64)).sample_size(20);
    group.bench_function("beats", |bench| bench.iter(|| beats::detect(&signal, 360.0)));
    group.bench_function("insights", |bench| {
        bench.iter(|| {
            let mut lead = LeadAnalysis::new("II", 1_024, Some(360.0));
            signal.chunks(4_096).for_each(|piece| lead.push(piece));
            let recording = Recording { leads: vec![lead.finish()], rate_hz: Some(360.0) };
            Insights::of(&recording).not_computable.len()
        });
    });
    let coded = codec::encode(&signal);
    println!("{} bytes for {} samples", coded.len(), signal.len());
    group.bench_function("encode", |bench| bench.iter(|| codec::encode(&signal)));
    group.bench_function("decode", |bench| bench.iter(|| codec::decode(&coded)));
    group.finish();
}

criterion_group!(benches, speed);
criterion_main!(benches);
