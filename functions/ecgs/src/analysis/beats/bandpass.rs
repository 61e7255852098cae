//! A band-pass without delay, run over eight parts of a signal at once.
//!
//! A recursive filter waits for its own last output, so that one signal leaves most of the
//! processor idle. The signal is cut into eight lanes instead, each begun early enough for the
//! transient to be gone where it counts, and the lanes' samples lie side by side in memory.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

const LANES: usize = 8;
type Lanes = [f32; LANES];

/// One second-order section: coefficients of the difference equation, `a0` = 1.
#[derive(Clone, Copy)]
struct Section {
    b: [f32; 3],
    a: [f32; 2],
}

/// Which side of its edge a section lets through.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Above,
    Below,
}

impl Section {
    /// A Butterworth section by the bilinear transform, its edge prewarped (Oppenheim & Schafer,
    /// Discrete-Time Signal Processing, 7.1).
    #[expect(clippy::cast_possible_truncation, reason = "coefficients are used in f32")]
    fn new(side: Side, edge_hz: f64, rate_hz: f64) -> Self {
        let k = (PI * edge_hz / rate_hz).tan();
        let scale = 1.0 / (1.0 + k / FRAC_1_SQRT_2 + k * k);
        let [gain, middle] = match side {
            Side::Above => [scale, -2.0],
            Side::Below => [k * k * scale, 2.0],
        };
        let a1 = 2.0 * (k * k - 1.0) * scale;
        let a2 = (1.0 - k / FRAC_1_SQRT_2 + k * k) * scale;
        Self { b: [gain, gain * middle, gain].map(|b| b as f32), a: [a1, a2].map(|a| a as f32) }
    }
}

/// What a section remembers (transposed direct form II).
#[derive(Clone, Copy)]
struct State([Lanes; 2]);

impl State {
    const ZERO: Self = Self([[0.0; LANES]; 2]);

    #[inline]
    fn step(&mut self, section: &Section, frame: &mut Lanes) {
        let Section { b: [b0, b1, b2], a: [a1, a2] } = *section;
        let [first, second] = &mut self.0;
        for ((value, first), second) in frame.iter_mut().zip(first).zip(second) {
            let input = *value;
            let output = b0 * input + *first;
            *first = b1 * input - a1 * output + *second;
            *second = b2 * input - a2 * output;
            *value = output;
        }
    }
}

/// The filter and its working memory.
pub struct Bandpass {
    sections: [Section; 2],
    /// Samples after which a transient is gone.
    settled: usize,
    padded: Vec<f32>,
    lanes: Vec<Lanes>,
}

impl Bandpass {
    /// Passes `low_hz` to `high_hz`; transients are gone within `settled` samples.
    pub fn new(low_hz: f64, high_hz: f64, rate_hz: f64, settled: usize) -> Self {
        let sections = [
            Section::new(Side::Above, low_hz, rate_hz),
            Section::new(Side::Below, high_hz, rate_hz),
        ];
        Self { sections, settled, padded: Vec::new(), lanes: Vec::new() }
    }

    /// `output` becomes `input` filtered forwards and backwards, so that nothing moves in time.
    /// The ends are continued by a reflection in their last samples.
    pub fn run(&mut self, input: &[f32], output: &mut Vec<f32>) {
        output.clear();
        let length = input.len().div_ceil(LANES);
        self.pad(input, length * LANES + 2 * self.settled);
        self.deal(length);
        let [above, below] = &self.sections;
        let (mut first, mut second) = (State::ZERO, State::ZERO);
        for frame in &mut self.lanes {
            first.step(above, frame);
            second.step(below, frame);
        }
        let (mut first, mut second) = (State::ZERO, State::ZERO);
        for frame in self.lanes.iter_mut().rev() {
            first.step(above, frame);
            second.step(below, frame);
        }
        let settled = self.lanes.get(self.settled..self.settled + length).unwrap_or_default();
        for lane in 0..LANES {
            output.extend(settled.iter().filter_map(|frame| frame.get(lane)));
        }
        output.truncate(input.len());
    }

    fn pad(&mut self, input: &[f32], length: usize) {
        self.padded.clear();
        let (Some(&first), Some(&last)) = (input.first(), input.last()) else { return };
        let reach = self.settled.min(input.len() - 1);
        self.padded.resize(self.settled - reach, first);
        let before = input.iter().skip(1).take(reach).rev();
        self.padded.extend(before.map(|value| 2.0 * first - value));
        self.padded.extend_from_slice(input);
        let after = input.iter().rev().skip(1).take(reach);
        self.padded.extend(after.map(|value| 2.0 * last - value));
        let end = self.padded.last().copied().unwrap_or(last);
        self.padded.resize(length, end);
    }

    /// Lays the lanes, `length` samples apart, side by side, each with what comes before and after.
    fn deal(&mut self, length: usize) {
        self.lanes.clear();
        self.lanes.resize(length + 2 * self.settled, [0.0; LANES]);
        for lane in 0..LANES {
            let part = self.padded.get(lane * length..).unwrap_or_default();
            for (frame, &value) in self.lanes.iter_mut().zip(part) {
                if let Some(slot) = frame.get_mut(lane) {
                    *slot = value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(input: &[f32]) -> Vec<f32> {
        let mut output = Vec::new();
        Bandpass::new(5.0, 18.0, 200.0, 200).run(input, &mut output);
        output
    }

    fn sine(hz: f32, length: u16) -> Vec<f32> {
        (0_u16..length).map(|n| (f32::from(n) / 200.0 * hz * std::f32::consts::TAU).sin()).collect()
    }

    #[test]
    fn the_band_passes_in_place_and_the_rest_does_not() {
        let strength = |hz| {
            let (input, output) = (sine(hz, 2_000), filtered(&sine(hz, 2_000)));
            let product = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).skip(200).take(1_600).map(|(a, b)| a * b).sum::<f32>()
            };
            product(&input, &output) / product(&input, &input)
        };
        assert!(strength(10.0) > 0.8);
        assert!(strength(0.5) < 0.01);
        assert!(strength(50.0) < 0.02);
    }

    #[test]
    fn lanes_join_without_a_seam() {
        let input: Vec<f32> = sine(8.0, 3_001);
        let output = filtered(&input);
        assert_eq!(output.len(), input.len());
        // A steady sine comes out as a sine: each sample is set by the two before it.
        let turn = 2.0 * (8.0 / 200.0 * std::f32::consts::TAU).cos();
        for three in output[200..2_800].windows(3) {
            assert!((three[2] - (turn * three[1] - three[0])).abs() < 1e-3);
        }
    }

    #[test]
    fn short_and_constant_signals_come_out_whole() {
        assert!(filtered(&[]).is_empty());
        assert_eq!(filtered(&[7.0]).len(), 1);
        assert_eq!(filtered(&[7.0; 9]).len(), 9);
        assert!(filtered(&[7.0; 900]).iter().all(|value| value.abs() < 1e-2));
    }
}
