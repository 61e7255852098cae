//! Filtering and joining 1,000,000 outages against 10,000 devices, in bytes a second, beside plain
//! `serde_json` parsing of the same bytes; and the memory that it takes while they stream.
//! `cargo bench -p outages --bench filter`

use std::time::Instant;

use outages::incoming::Filter;
use outages::moment::Moment;
use outages::outage::{Device, Devices, Rule, Since};
use serde::Deserialize;

const OUTAGES: u32 = 1_000_000;
const DEVICES: u32 = 10_000;
/// About what a socket gives at once.
const CHUNK: usize = 16 * 1024;

/// An outage as one would read it without a second thought.
#[derive(Deserialize)]
#[expect(dead_code, reason = "it is read, and that is all")]
struct Outage {
    id: String,
    begin: String,
    end: String,
}

fn id(number: u32) -> String {
    // Like a UUID, and the same in every run.
    let mixed = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let hex = format!("{mixed:032x}");
    [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
        .map(|(from, to)| hex.get(from..to).unwrap_or_default())
        .join("-")
}

/// An outage in 25 belongs to one of the devices.
fn outage(number: u32) -> String {
    let device = if number.is_multiple_of(25) { number / 25 % DEVICES } else { DEVICES + number };
    let (month, day, minute) = (number % 12 + 1, number % 28 + 1, number % 60);
    format!(
        r#"{{"id":"{}","begin":"202{}-{month:02}-{day:02}T07:{minute:02}:12.119Z","end":"2023-{month:02}-{day:02}T08:{minute:02}:12.119Z"}}"#,
        id(device),
        number % 3,
    )
}

fn devices() -> Devices {
    let device = |number| Device { id: id(number), name: format!("Battery {number}") };
    let site: Vec<_> = (0..DEVICES).map(device).collect();
    let mut devices = Devices::default();
    let _ = devices.add(&site);
    devices
}

fn filter(devices: &Devices, chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> (u64, u64) {
    let Some(moment) = Moment::parse("2022-01-01T00:00:00.000Z") else { return (0, 0) };
    let mut filter = Filter::new(devices, Since { moment, rule: Rule::Keep });
    for chunk in chunks {
        assert!(filter.take(chunk.as_ref()).is_ok());
    }
    let kept = filter.finish().map(|filtered| {
        (filtered.outages, filtered.payloads.iter().map(|payload| payload.kept).sum())
    });
    kept.unwrap_or_default()
}

/// The most memory that this process has had, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1_024.0
}

fn measured(name: &str, bytes: usize, work: impl Fn() -> u64) {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        assert!(work() > 0);
        best = best.min(began.elapsed().as_secs_f64());
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rate = bytes as f64 / best / 1e6;
    println!("{name:<44} {:>7.0} ms {rate:>6.0} MB/s", best * 1_000.0);
}

fn main() {
    let devices = devices();
    // First the memory: nothing of the list is kept beside the chunk under way.
    let stream = (0..OUTAGES).step_by(128).map(|from| {
        let comma = |number| if number == 0 { "[" } else { "," };
        let outages = (from..(from + 128).min(OUTAGES)).map(|n| comma(n).to_owned() + &outage(n));
        outages.collect::<String>()
    });
    let (outages, kept) = filter(&devices, stream.chain(["]".to_owned()]));
    println!(
        "{outages} outages, {DEVICES} devices, {kept} kept; peak memory {:.1} MiB",
        peak_mib()
    );
    let list: Vec<_> = (0..OUTAGES).map(outage).collect();
    let bytes = format!("[{}]", list.join(",")).into_bytes();
    drop(list);
    println!("{} bytes", bytes.len());
    measured("filter and join, in chunks of 16 KiB", bytes.len(), || {
        filter(&devices, bytes.chunks(CHUNK)).1
    });
    measured("serde_json, whole, to structs", bytes.len(), || {
        serde_json::from_slice::<Vec<Outage>>(&bytes).map_or(0, |list| list.len() as u64)
    });
    measured("serde_json, whole, to values", bytes.len(), || {
        serde_json::from_slice::<Vec<serde_json::Value>>(&bytes).map_or(0, |list| list.len() as u64)
    });
}
