//! Electrocardiograms with known beats, for tests and demonstrations.
//!
//! Each beat is a sum of Gaussians, one for each of P, Q, R, S and T: the waves of McSharry,
//! Clifford, Tarassenko & Smith, "A dynamical model for generating synthetic electrocardiogram
//! signals", IEEE Trans. Biomed. Eng. 50 (2003), laid along time instead of an angle. RR intervals
//! vary with respiration (0.25 Hz) and blood pressure (0.1 Hz), as there, and by chance.

use std::f64::consts::TAU;

use crate::analysis::statistics::float;

/// What is made.
#[derive(Clone)]
pub struct Model {
    pub rate_hz: f64,
    pub duration_s: f64,
    pub heart_rate_bpm: f64,
    /// Standard deviation of the RR intervals, about, s.
    pub variability_s: f64,
    /// One beat in this many is a premature ventricular one; zero for none.
    pub ectopic_every: usize,
    /// Standard deviation of white noise, mV.
    pub noise_mv: f64,
    /// Amplitude of the baseline's wander with the breath, mV.
    pub wander_mv: f64,
    /// Amplitude of 50 Hz hum, mV.
    pub hum_mv: f64,
    /// Steps of the converter per mV, and its value at 0 mV.
    pub adc_gain: f64,
    pub adc_zero: i32,
    /// The same seed makes the same beats and, for the same lead, the same noise.
    pub seed: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            rate_hz: 500.0,
            duration_s: 10.0,
            heart_rate_bpm: 68.0,
            variability_s: 0.03,
            ectopic_every: 0,
            noise_mv: 0.01,
            wander_mv: 0.05,
            hum_mv: 0.0,
            adc_gain: 1_000.0,
            adc_zero: 0,
            seed: 1,
        }
    }
}

/// Amplitudes of P, Q, R, S and T in a lead, mV.
pub type Waves = [f64; 5];

/// Lead II.
pub const LEAD_II: Waves = [0.14, -0.10, 1.20, -0.22, 0.32];
/// Lead I.
const LEAD_I: Waves = [0.09, -0.06, 0.85, -0.14, 0.24];
/// The chest leads.
const CHEST: [(&str, Waves); 6] = [
    ("V1", [0.05, 0.0, 0.22, -0.95, -0.08]),
    ("V2", [0.06, 0.0, 0.45, -1.45, 0.35]),
    ("V3", [0.07, -0.02, 0.85, -0.95, 0.42]),
    ("V4", [0.08, -0.06, 1.45, -0.55, 0.42]),
    ("V5", [0.08, -0.09, 1.35, -0.28, 0.34]),
    ("V6", [0.08, -0.09, 1.00, -0.14, 0.26]),
];
/// Where the waves lie after the R wave at 60 beats a minute, and their widths (standard
/// deviations), s.
const OFFSETS_S: [f64; 5] = [-0.194, -0.042, 0.0, 0.042, 0.278];
const WIDTHS_S: [f64; 5] = [0.028, 0.012, 0.014, 0.014, 0.055];
/// A premature ventricular beat: no P wave, a wide complex, T against it.
const ECTOPIC_PARTS: Waves = [0.0, 0.5, 1.2, 2.0, -1.2];
const ECTOPIC_WIDTH: f64 = 2.2;
/// It comes after this share of the interval, and the next is as much later.
const PREMATURE: f64 = 0.62;
/// A wave is nothing beyond this many widths.
const REACH: f64 = 5.0;
/// Frequencies of the breath, of the blood pressure's waves and of the mains, Hz.
const BREATH_HZ: f64 = 0.25;
const PRESSURE_HZ: f64 = 0.1;
const MAINS_HZ: f64 = 50.0;

/// One beat of the model.
#[derive(Clone, Copy)]
pub struct Beat {
    /// When its R wave peaks, s.
    pub time_s: f64,
    /// The interval before it, s.
    interval_s: f64,
    pub ectopic: bool,
}

impl Model {
    /// The beats whose R waves lie within the recording.
    pub fn beats(&self) -> Vec<Beat> {
        let mut random = Random(self.seed);
        let mean_s = 60.0 / self.heart_rate_bpm;
        let (mut beats, mut time_s, mut owed_s) = (Vec::new(), -0.5 * mean_s, 0.0);
        while time_s < self.duration_s {
            let swing = (TAU * BREATH_HZ * time_s).sin() + (TAU * PRESSURE_HZ * time_s).sin();
            // Each sine has a variance of a half, the chance of a quarter: one and a quarter.
            let varied = (swing + 0.5 * random.normal()) / 1.25_f64.sqrt();
            let sinus_s = (mean_s + self.variability_s * varied).max(0.3 * mean_s);
            let every = self.ectopic_every;
            let ectopic = every > 0 && (beats.len() + 1).is_multiple_of(every);
            let interval_s = if ectopic { PREMATURE * sinus_s } else { sinus_s + owed_s };
            owed_s = if ectopic { sinus_s - interval_s } else { 0.0 };
            time_s += interval_s;
            beats.push(Beat { time_s, interval_s, ectopic });
        }
        beats.retain(|beat| self.sample(beat.time_s) < self.length());
        beats
    }

    /// The samples of the R waves' peaks.
    pub fn r_waves(&self) -> Vec<usize> {
        self.beats().iter().map(|beat| self.sample(beat.time_s)).collect()
    }

    /// Samples of one lead; leads of different numbers have different noise.
    pub fn lead(&self, waves: &Waves, number: u64) -> Vec<i32> {
        let mut signal_mv = vec![0.0; self.length()];
        for beat in self.beats() {
            self.add(&beat, waves, &mut signal_mv);
        }
        let mut random = Random(self.seed ^ (number + 1).wrapping_mul(0x9E37_79B9));
        let phase = TAU * random.uniform();
        let digital = |(n, mv): (usize, f64)| {
            let turns = TAU * float(n) / self.rate_hz;
            let wander = self.wander_mv * (turns * BREATH_HZ + phase).sin();
            let hum = self.hum_mv * (turns * MAINS_HZ + phase).sin();
            self.digital(mv + wander + hum + self.noise_mv * random.normal())
        };
        signal_mv.into_iter().enumerate().map(digital).collect()
    }

    /// The standard twelve leads by name; the limb leads are combinations of I and II (Einthoven,
    /// Goldberger).
    pub fn twelve_leads(&self) -> Vec<(&'static str, Vec<i32>)> {
        let mix = |one: f64, two: f64| -> Waves {
            let mut waves = LEAD_I;
            for (wave, other) in waves.iter_mut().zip(LEAD_II) {
                *wave = one * *wave + two * other;
            }
            waves
        };
        let limb = [
            ("I", LEAD_I),
            ("II", LEAD_II),
            ("III", mix(-1.0, 1.0)),
            ("aVR", mix(-0.5, -0.5)),
            ("aVL", mix(1.0, -0.5)),
            ("aVF", mix(-0.5, 1.0)),
        ];
        let leads = limb.into_iter().chain(CHEST).zip(0..);
        leads.map(|((name, waves), number)| (name, self.lead(&waves, number))).collect()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float's cast saturates"
    )]
    fn sample(&self, time_s: f64) -> usize {
        (time_s * self.rate_hz).round() as usize
    }

    fn length(&self) -> usize {
        self.sample(self.duration_s)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a float's cast saturates")]
    fn digital(&self, mv: f64) -> i32 {
        (mv * self.adc_gain + f64::from(self.adc_zero)).round() as i32
    }

    fn add(&self, beat: &Beat, waves: &Waves, signal_mv: &mut [f64]) {
        // P and T move with the root of the interval (Bazett); the complex stays as it is.
        let stretch = beat.interval_s.clamp(0.4, 1.6).sqrt();
        let shapes = OFFSETS_S.iter().zip(WIDTHS_S).zip(waves.iter().zip(ECTOPIC_PARTS));
        for (n, ((&offset_s, width_s), (&height_mv, part))) in shapes.enumerate() {
            let moves = if matches!(n, 0 | 4) { stretch } else { 1.0 };
            let (wide, height_mv) =
                if beat.ectopic { (ECTOPIC_WIDTH, part * height_mv) } else { (1.0, height_mv) };
            let (centre_s, width_s) =
                (beat.time_s + offset_s * moves * wide.sqrt(), width_s * wide);
            let from = self.sample((centre_s - REACH * width_s).max(0.0));
            let to = self.sample((centre_s + REACH * width_s).max(0.0)) + 1;
            for (n, mv) in signal_mv.iter_mut().enumerate().take(to).skip(from) {
                let away = (float(n) / self.rate_hz - centre_s) / width_s;
                *mv += height_mv * (-0.5 * away * away).exp();
            }
        }
    }
}

/// A small generator of chance: SplitMix64 (Steele, Lea & Flood 2014).
pub(crate) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Above zero, up to one.
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Of mean 0 and variance 1 (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beats_are_where_the_signal_peaks() {
        let model = Model { noise_mv: 0.0, wander_mv: 0.0, ..Model::default() };
        let signal = model.lead(&LEAD_II, 0);
        assert_eq!(signal.len(), 5_000);
        let beats = model.r_waves();
        assert!((10..=12).contains(&beats.len()));
        for beat in beats {
            let (from, to) = (beat.saturating_sub(50), (beat + 50).min(signal.len()));
            let peak = (from..to).max_by_key(|&n| signal[n]).unwrap();
            assert!(peak.abs_diff(beat) <= 1, "{peak} {beat}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_and_intervals_vary_as_asked() {
        let model = Model { duration_s: 600.0, variability_s: 0.04, ..Model::default() };
        assert!(model.twelve_leads() == model.twelve_leads());
        assert!(model.lead(&LEAD_II, 0) != model.lead(&LEAD_II, 1));
        let beats = model.beats();
        let intervals: Vec<f64> = beats.windows(2).map(|w| w[1].time_s - w[0].time_s).collect();
        let mean = intervals.iter().sum::<f64>() / float(intervals.len());
        let squares = intervals.iter().map(|rr| (rr - mean).powi(2)).sum::<f64>();
        let deviation = (squares / float(intervals.len())).sqrt();
        assert!((mean - 60.0 / 68.0).abs() < 0.01);
        assert!((deviation - 0.04).abs() < 0.008, "{deviation}");
    }

    #[test]
    fn a_premature_beat_is_early_and_followed_by_a_pause() {
        let model = Model { ectopic_every: 5, duration_s: 30.0, ..Model::default() };
        let beats = model.beats();
        let ectopic = beats.iter().filter(|beat| beat.ectopic).count();
        assert_eq!(ectopic, beats.len() / 5);
        for pair in beats.windows(2).filter(|pair| pair[0].ectopic) {
            assert!(pair[1].interval_s > 1.5 * pair[0].interval_s);
        }
    }
}
