//! How well beats are found on annotated recordings: prints a table and fails under the bar.
//!
//! `ECG_DATA` names a folder with `NNN.i16.gz` (little-endian 16-bit samples of one lead) and
//! `NNN.json` (`sampling_rate_hz`, `beats`, `vf_episodes`) for each recording.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers of samples, far below any bound"
)]

#[path = "accuracy/resample.rs"]
mod resample;
#[path = "accuracy/score.rs"]
mod score;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use ecgs::analysis::beats;
use flate2::read::GzDecoder;
use serde_json::Value;

use resample::resampled;
use score::Score;

/// Seconds of one slice where a recording is taken in slices.
const SLICE_S: usize = 10;
/// Tolerances of a match, s.
const WIDE_S: f64 = 0.15;
const NARROW_S: f64 = 0.05;
/// What may be lost where rate, gain, offset or polarity change, percent.
const SAME: f64 = 0.05;

/// One lead and what experts found in it.
#[derive(Clone)]
struct Record {
    name: String,
    rate_hz: f64,
    signal: Vec<i32>,
    beats_s: Vec<f64>,
    /// Spans of ventricular fibrillation, where detections don't count.
    fibrillation_s: Vec<(f64, f64)>,
}

impl Record {
    fn read(folder: &Path, name: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let text = fs::read_to_string(folder.join(format!("{name}.json")))?;
        let about: Value = serde_json::from_str(&text)?;
        let mut bytes = Vec::new();
        GzDecoder::new(fs::File::open(folder.join(format!("{name}.i16.gz")))?)
            .read_to_end(&mut bytes)?;
        let signal = bytes.as_chunks().0.iter().map(|&pair| i32::from(i16::from_le_bytes(pair)));
        let rate_hz = about.get("sampling_rate_hz").and_then(Value::as_f64).ok_or("no rate")?;
        let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let times_s = |value: &Value| -> Vec<f64> {
            items(value).iter().filter_map(Value::as_f64).map(|sample| sample / rate_hz).collect()
        };
        let span = |value: &Value| match times_s(value)[..] {
            [from, to] => Some((from, to)),
            _ => None,
        };
        let spans = about.get("vf_episodes").map(items).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            rate_hz,
            signal: signal.collect(),
            beats_s: times_s(about.get("beats").ok_or("no beats")?),
            fibrillation_s: spans.iter().filter_map(span).collect(),
        })
    }

    /// The same recording, each sample changed.
    fn mapped(&self, change: Change) -> Self {
        Self { signal: self.signal.iter().map(|&sample| change(sample)).collect(), ..self.clone() }
    }

    /// The same recording at another rate.
    fn at(&self, rate_hz: u32) -> Self {
        let signal = resampled(&self.signal, self.rate_hz as u32, rate_hz);
        Self { rate_hz: rate_hz.into(), signal, ..self.clone() }
    }

    fn detected(&self) -> Vec<usize> {
        beats::detect(&self.signal, self.rate_hz)
    }

    /// Each slice by itself, as if it were all that was recorded.
    fn detected_in_slices(&self) -> Vec<usize> {
        let length = SLICE_S * self.rate_hz as usize;
        let slices = self.signal.chunks(length).enumerate();
        let found = |(n, slice)| {
            let inside = beats::detect(slice, self.rate_hz);
            inside.into_iter().map(move |beat| beat + n * length)
        };
        slices.flat_map(found).collect()
    }

    fn score(&self, found: &[usize], tolerance_s: f64) -> Score {
        let times_s = found.iter().map(|&at| at as f64 / self.rate_hz);
        let spans = &self.fibrillation_s;
        let counts = |at_s: &f64| !spans.iter().any(|&(from, to)| from <= *at_s && *at_s < to);
        Score::of(&self.beats_s, &times_s.filter(counts).collect::<Vec<_>>(), tolerance_s)
    }
}

/// What is done to each sample.
type Change = fn(i32) -> i32;

/// What a condition must reach, percent: Se and +P within 150 ms, F1 within 50 ms.
#[derive(Clone, Copy)]
struct Bar([f64; 3]);

impl Bar {
    const WHOLE: Self = Self([99.8, 99.8, 99.0]);
    const SLICES: Self = Self([99.6, 99.4, 0.0]);
}

/// Prints a condition's row, and gives what it reaches, and whether that is the bar.
fn row(
    name: &str,
    records: &[Record],
    find: fn(&Record) -> Vec<usize>,
    bar: Bar,
    each: bool,
) -> ([f64; 3], bool) {
    let start = Instant::now();
    let found: Vec<_> = records.iter().map(find).collect();
    let took_s = start.elapsed().as_secs_f64();
    let samples: usize = records.iter().map(|record| record.signal.len()).sum();
    if each {
        for (record, found) in records.iter().zip(&found) {
            let (wide, narrow) = (record.score(found, WIDE_S), record.score(found, NARROW_S));
            println!("{:>24} {wide} {:>8.3}", record.name, narrow.f1());
        }
    }
    let gross = |tolerance_s| {
        let pairs = records.iter().zip(&found);
        pairs.map(|(record, found)| record.score(found, tolerance_s)).sum::<Score>()
    };
    let (wide, narrow) = (gross(WIDE_S), gross(NARROW_S));
    let reached = [wide.sensitivity(), wide.predictivity(), narrow.f1()];
    let good = reached.iter().zip(bar.0).all(|(reached, bar)| *reached >= bar);
    let verdict = if good { "" } else { "  under the bar" };
    let speed = samples as f64 / took_s / 1e6;
    println!("{name:>24} {wide} {:>8.3} {speed:>8.1}{verdict}", narrow.f1());
    (reached, good)
}

fn read_all(folder: &Path) -> Result<Vec<Record>, Box<dyn std::error::Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".json").map(str::to_owned));
    }
    names.sort();
    names.iter().map(|name| Record::read(folder, name)).collect()
}

fn main() -> ExitCode {
    let Some(folder) = std::env::var_os("ECG_DATA") else {
        println!("ECG_DATA is not set: no recordings to measure on.");
        return ExitCode::SUCCESS;
    };
    // Cargo runs a bench in its package's folder; a path is meant from the workspace's.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let records = match read_all(&workspace.join(&folder)) {
        Ok(records) if !records.is_empty() => records,
        Ok(_) => {
            println!("ECG_DATA holds no recordings.");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            println!("ECG_DATA can't be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{:>24} {} {:>8} {:>8}", "", Score::HEAD, "F1 50ms", "Msps");
    let each = !std::env::args().any(|argument| argument == "--gross");
    let (whole, slices) = (Record::detected, Record::detected_in_slices);
    let (reached, mut good) = row("as recorded", &records, whole, Bar::WHOLE, each);
    good &= row("10 s slices", &records, slices, Bar::SLICES, false).1;
    let ([se, pp, _], Bar([_, _, f1])) = (reached, Bar::WHOLE);
    for rate_hz in [128, 250, 500] {
        let records: Vec<_> = records.iter().map(|record| record.at(rate_hz)).collect();
        // At another rate a wave's peak is another one: within 50 ms the bar is the usual one.
        let bar = Bar([se - SAME, pp - SAME, f1]);
        good &= row(&format!("{rate_hz} Hz"), &records, whole, bar, false).1;
        good &= row(&format!("{rate_hz} Hz, slices"), &records, slices, Bar::SLICES, false).1;
    }
    let changes: [(_, Change); 3] = [
        ("inverted", |sample| -sample),
        ("gain x3", |sample| sample * 3),
        ("offset +77", |sample| sample + 77),
    ];
    for (name, change) in changes {
        let records: Vec<_> = records.iter().map(|record| record.mapped(change)).collect();
        let bar = Bar(reached.map(|percent| percent - SAME));
        good &= row(name, &records, whole, bar, false).1;
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
