//! Finds the beats of one lead: the sample of each R wave's peak.
//!
//! The signal is averaged down to a working rate, band-passed without delay, and its mean squared
//! slope taken (after Pan & Tompkins, IEEE Trans. Biomed. Eng. 32, 1985), whose peaks are judged
//! against a level of the neighbourhood. It is worked through in overlapping windows of some
//! minutes, so that a recording of any length needs the memory of one.

mod bandpass;
mod contrast;
mod envelope;
mod r_wave;
mod rhythm_rules;
mod rules;
mod scale;

pub use scale::LEAST_RATE_HZ;

use bandpass::Bandpass;
use contrast::contrast;
use envelope::Envelope;
use r_wave::RWaves;
use rhythm_rules::RhythmRules;
use rules::Rules;
use scale::Scale;

use crate::analysis::statistics::median;

/// The band of the QRS complex, Hz; the upper edge at most a share of the rate.
const LOW_HZ: f64 = 4.5;
const HIGH_HZ: f64 = 18.0;
const HIGH_SHARE: f64 = 0.45;
/// The filter's transients are gone after this time, s.
const SETTLED_S: f64 = 1.0;
/// A shorter signal has no beats, s.
const LEAST_S: f64 = 0.5;
/// One window's length in blocks of the level, as many as the rate leaves of the most, but for the
/// least, ...
const MOST_BLOCKS: usize = 140;
const LEAST_BLOCKS: usize = 36;
/// ... so that up to this rate of samples for each working sample it is the most, ...
const FEW: usize = 4;
/// ... and how many of them it shares with the next.
const SHARED_BLOCKS: usize = 12;
/// A signal whose level stays under this, in steps of the converter, is constant but for rounding.
const LEAST_LEVEL: f32 = 0.02;
/// The share of the largest sample under which a slope may be the rounding of f32.
const ROUNDING: f32 = 2e-6;

/// The R waves' peaks in a signal, ascending; none where the rate is under [`LEAST_RATE_HZ`] or the
/// signal under half a second.
pub fn detect(signal: &[i32], rate_hz: f64) -> Vec<usize> {
    let Some(mut detector) = Detector::new(rate_hz) else { return Vec::new() };
    detector.take(signal, 0, true);
    detector.beats
}

/// Finds the beats of a recording that comes piece by piece: those that [`detect`] finds in the
/// whole, in the memory of some minutes.
pub struct BeatFinder {
    /// None where no beats can be found at the rate.
    detector: Option<Detector>,
    /// What isn't done with, and where it begins.
    held: Vec<i32>,
    start: usize,
}

impl BeatFinder {
    pub fn new(rate_hz: f64) -> Self {
        Self { detector: Detector::new(rate_hz), held: Vec::new(), start: 0 }
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[i32]) {
        let Some(detector) = &mut self.detector else { return };
        for piece in samples.chunks(detector.window) {
            self.held.extend_from_slice(piece);
            let done = detector.take(&self.held, self.start, false);
            self.held.drain(..done);
            self.start += done;
        }
    }

    /// All beats, and how clear they are. None where no beats can be found at the rate, or in so
    /// short a signal.
    pub fn finish(self) -> Option<Found> {
        let mut detector = self.detector?;
        detector.take(&self.held, self.start, true);
        let contrast = f64::from(median(&mut detector.contrasts)?);
        let duration_s = detector.scale.seconds(self.start + self.held.len());
        Some(Found { beats: detector.beats, contrast, duration_s })
    }
}

/// What was found in a recording.
#[derive(Clone, PartialEq)]
pub struct Found {
    /// The samples of the R waves' peaks, ascending.
    pub beats: Vec<usize>,
    /// How many times higher beats rise than what lies between them: about 2 in noise, 10 and more
    /// in a good recording. The median of the windows', so that a stretch of noise doesn't condemn
    /// a day.
    pub contrast: f64,
    /// How long the recording is, s.
    pub duration_s: f64,
}

struct Detector {
    scale: Scale,
    /// Samples of a window, and from one window's start to the next's.
    window: usize,
    step: usize,
    bandpass: Bandpass,
    envelope: Envelope,
    rules: Rules,
    rhythm_rules: RhythmRules,
    r_waves: RWaves,
    /// One window at the working rate, and band-passed.
    signal: Vec<f32>,
    band: Vec<f32>,
    beats: Vec<usize>,
    /// Each window's.
    contrasts: Vec<f32>,
}

impl Detector {
    fn new(rate_hz: f64) -> Option<Self> {
        let scale = Scale::new(rate_hz)?;
        let high_hz = HIGH_HZ.min(HIGH_SHARE * scale.rate_hz);
        let block = scale.block() * scale.every;
        let blocks = (MOST_BLOCKS * FEW / scale.every).clamp(LEAST_BLOCKS, MOST_BLOCKS);
        Some(Self {
            window: blocks * block,
            step: (blocks - SHARED_BLOCKS) * block,
            bandpass: Bandpass::new(LOW_HZ, high_hz, scale.rate_hz, scale.samples(SETTLED_S)),
            envelope: Envelope::new(&scale),
            rules: Rules::new(&scale),
            rhythm_rules: RhythmRules::new(&scale),
            r_waves: RWaves::new(&scale),
            scale,
            signal: Vec::new(),
            band: Vec::new(),
            beats: Vec::new(),
            contrasts: Vec::new(),
        })
    }

    /// Works through the windows of `samples`, the first of which is number `start` of the
    /// recording, and with `all` through what is left; gives the number of samples done with.
    fn take(&mut self, samples: &[i32], start: usize, all: bool) -> usize {
        let mut done = 0;
        while let Some(window) = samples.get(done..done + self.window) {
            self.window(window, start + done, false);
            done += self.step;
        }
        if all {
            self.window(samples.get(done..).unwrap_or_default(), start + done, true);
            done = samples.len();
        }
        done
    }

    /// Beats within the middle of a window: from half of what it shares with the one before to half
    /// of what it shares with the next.
    fn window(&mut self, samples: &[i32], start: usize, last: bool) {
        let margin = (self.window - self.step) / 2;
        let from = if start == 0 { 0 } else { start + margin };
        let to = if last { usize::MAX } else { start + self.step + margin };
        let refractory = self.scale.samples(rules::REFRACTORY_S) * self.scale.every / 2;
        for beat in self.beats_in(samples) {
            let at = start + beat;
            let free = self.beats.last().is_none_or(|before| at > before + refractory);
            if (from..to).contains(&at) && free {
                self.beats.push(at);
            }
        }
    }

    fn beats_in(&mut self, samples: &[i32]) -> Vec<usize> {
        let largest = self.bring_down(samples);
        if self.signal.len() < self.scale.samples(LEAST_S).max(4) {
            return Vec::new();
        }
        self.bandpass.run(&self.signal, &mut self.band);
        self.envelope.measure(&self.band);
        let constant = self.envelope.highest_level() < LEAST_LEVEL.max(ROUNDING * largest);
        let steep = if constant { Vec::new() } else { self.rules.beats(&self.envelope) };
        let steep = self.rhythm_rules.revised(&steep, &self.envelope);
        let peaks = self.r_waves.find(&self.signal, &steep);
        self.contrasts.push(contrast(&steep, &self.envelope, &self.scale));
        peaks.into_iter().flatten().map(|(at, up)| self.summit(samples, at, up)).collect()
    }

    /// `signal` becomes the samples less a usual one, at the working rate; gives its largest value.
    fn bring_down(&mut self, samples: &[i32]) -> f32 {
        let mut some: Vec<i32> = samples.iter().step_by(samples.len() / 64 + 1).copied().collect();
        let half = some.len() / 2;
        let base = if some.is_empty() { 0 } else { *some.select_nth_unstable(half).1 };
        self.signal.clear();
        let signal = &mut self.signal;
        match self.scale.every {
            1 => mean_of::<1>(samples, base, signal),
            2 => mean_of::<2>(samples, base, signal),
            3 => mean_of::<3>(samples, base, signal),
            4 => mean_of::<4>(samples, base, signal),
            every => signal.extend(samples.chunks_exact(every).map(|few| mean(few, base))),
        }
        signal.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()))
    }

    /// The highest or lowest sample of those around a working sample.
    fn summit(&self, samples: &[i32], at: usize, up: bool) -> usize {
        let every = self.scale.every;
        let from = at.saturating_sub(1) * every;
        let around = samples.iter().enumerate().take((at + 2) * every).skip(from);
        let best = if up {
            around.max_by(|(m, a), (n, b)| a.cmp(b).then(n.cmp(m)))
        } else {
            around.min_by(|(m, a), (n, b)| a.cmp(b).then(m.cmp(n)))
        };
        best.map_or(from, |(n, _)| n)
    }
}

/// Means of `EVERY` samples each, less `base`.
fn mean_of<const EVERY: usize>(samples: &[i32], base: i32, means: &mut Vec<f32>) {
    let (few, _) = samples.as_chunks::<EVERY>();
    means.extend(few.iter().map(|few| mean(few, base)));
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the band needs no more than f32; fewer than 2^24 samples a mean"
)]
#[inline]
fn mean(few: &[i32], base: i32) -> f32 {
    let sum: f64 = few.iter().map(|&sample| f64::from(sample) - f64::from(base)).sum();
    sum as f32 / few.len() as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::statistics::whole;
    use crate::analysis::synthetic::{LEAD_II, Model};

    /// Beats missed and found too many within 50 ms.
    fn errors(model: &Model, found: &[usize]) -> (usize, usize) {
        let beats = model.r_waves();
        let near = usize::try_from(whole(0.05 * model.rate_hz)).unwrap();
        let missed =
            beats.iter().filter(|beat| !found.iter().any(|at| at.abs_diff(**beat) <= near));
        let extra = found.iter().filter(|at| !beats.iter().any(|beat| at.abs_diff(*beat) <= near));
        (missed.count(), extra.count())
    }

    fn minute() -> Model {
        Model { duration_s: 60.0, noise_mv: 0.05, wander_mv: 0.4, seed: 3, ..Model::default() }
    }

    #[test]
    fn every_beat_is_found_at_every_rate() {
        for rate_hz in [50.0, 100.0, 128.0, 250.0, 257.3, 360.0, 500.0, 1_000.0, 10_000.0] {
            let model = Model { rate_hz, ..minute() };
            let found = detect(&model.lead(&LEAD_II, 0), rate_hz);
            assert_eq!(errors(&model, &found), (0, 0), "{rate_hz} Hz");
        }
    }

    #[test]
    fn every_beat_is_found_at_every_heart_rate() {
        for heart_rate_bpm in [25.0, 40.0, 60.0, 100.0, 140.0, 180.0, 210.0] {
            let model = Model { heart_rate_bpm, variability_s: 0.01, ..minute() };
            let found = detect(&model.lead(&LEAD_II, 0), model.rate_hz);
            assert_eq!(errors(&model, &found), (0, 0), "{heart_rate_bpm} a minute");
        }
    }

    #[test]
    fn premature_beats_are_found() {
        for ectopic_every in [2, 3, 7] {
            let model = Model { ectopic_every, ..minute() };
            let found = detect(&model.lead(&LEAD_II, 0), model.rate_hz);
            assert_eq!(errors(&model, &found), (0, 0), "one in {ectopic_every}");
        }
    }

    #[test]
    fn polarity_gain_and_offset_change_nothing() {
        let model = minute();
        let signal = model.lead(&LEAD_II, 0);
        let found = detect(&signal, model.rate_hz);
        let changed = |change: fn(i32) -> i32| {
            detect(&signal.iter().map(|&sample| change(sample)).collect::<Vec<_>>(), 500.0)
        };
        assert_eq!(found, changed(|sample| -sample));
        assert_eq!(found, changed(|sample| 1_000 * sample));
        assert_eq!(found, changed(|sample| sample + 1_000_000));
    }

    #[test]
    fn the_peak_is_the_sample_of_the_maximum() {
        let model = Model { noise_mv: 0.0, rate_hz: 1_000.0, ..minute() };
        let signal = model.lead(&LEAD_II, 0);
        for at in detect(&signal, 1_000.0) {
            assert!(signal[at] >= signal[at - 1] && signal[at] >= signal[at + 1]);
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let ramp: Vec<i32> = (0..100_000).collect();
        for signal in [&[][..], &[5], &[0; 900], &[i32::MIN; 900], &[i32::MAX; 99], &ramp] {
            assert!(detect(signal, 250.0).is_empty());
        }
        let signal = minute().lead(&LEAD_II, 0);
        for rate_hz in [f64::NAN, -1.0, 0.0, 1.0, 39.9, 1e9, f64::INFINITY] {
            assert!(detect(&signal, rate_hz).is_empty());
        }
    }

    #[test]
    fn pieces_give_the_beats_of_the_whole() {
        let model = Model { duration_s: 1_500.0, rate_hz: 250.0, ectopic_every: 9, ..minute() };
        let signal = model.lead(&LEAD_II, 0);
        let whole = detect(&signal, 250.0);
        assert_eq!(errors(&model, &whole), (0, 0));
        for length in [1_000, 77_777, 400_000] {
            let mut finder = BeatFinder::new(250.0);
            signal.chunks(length).for_each(|piece| finder.push(piece));
            assert!(
                finder.finish().map(|found| found.beats).as_ref() == Some(&whole),
                "pieces of {length}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_signal_gives_distinct_beats_within_it(
            signal in prop_oneof![
                prop::collection::vec(any::<i32>(), 0..3_000),
                prop::collection::vec(-5..5, 0..3_000),
                prop::collection::vec(prop_oneof![Just(i32::MIN), Just(i32::MAX)], 0..3_000),
            ],
            rate_hz in prop_oneof![1.0..100_000.0, 40.0..60.0, Just(1.0), Just(100_000.0)],
            length in 1_usize..500,
        ) {
            let found = detect(&signal, rate_hz);
            prop_assert!(found.is_sorted_by(|a, b| a < b));
            prop_assert!(found.last().is_none_or(|&last| last < signal.len()));
            let mut finder = BeatFinder::new(rate_hz);
            signal.chunks(length).for_each(|piece| finder.push(piece));
            prop_assert_eq!(finder.finish().map_or(Vec::new(), |found| found.beats), found);
        }
    }
}
