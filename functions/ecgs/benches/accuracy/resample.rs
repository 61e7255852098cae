//! A band-limited resampler: a windowed sinc at a rational ratio, polyphase.

use std::f64::consts::PI;

/// Zero crossings of the sinc on each side.
const LOBES: f64 = 16.0;

/// `signal` at `to_hz` instead of `from_hz`; the ends are held.
pub fn resampled(signal: &[i32], from_hz: u32, to_hz: u32) -> Vec<i32> {
    let common = gcd(from_hz, to_hz);
    let (up, down) = ((to_hz / common) as usize, (from_hz / common) as usize);
    // The cut-off, as part of the input's half rate, just under the lower of the two half rates.
    let cut = 0.95 * (f64::from(to_hz) / f64::from(from_hz)).min(1.0);
    let reach = (LOBES / cut).ceil() as usize;
    let phase = |phase: usize| taps(phase as f64 / up as f64, cut, reach);
    let phases: Vec<Vec<f64>> = (0..up).map(phase).collect();
    let (first, last) = (signal.first().copied(), signal.last().copied());
    let ends = [first, last].map(|end| vec![end.unwrap_or(0); reach + 1]);
    let [before, after] = &ends;
    let padded = [&before[..], signal, after].concat();
    let sample = |(n, taps): (usize, &Vec<f64>)| {
        // The first tap belongs to the sample `reach` before the middle one.
        let around = padded.iter().skip(n * down / up + 1);
        let sum: f64 = around.zip(taps).map(|(&sample, tap)| f64::from(sample) * tap).sum();
        sum.round() as i32
    };
    let turn = (0..up).filter_map(|n| phases.get(n * down % up)).collect::<Vec<_>>();
    let length = signal.len() * up / down;
    turn.into_iter().cycle().take(length).enumerate().map(sample).collect()
}

/// Taps for a point `fraction` of a sample after the middle one, from `reach` before that one to
/// `reach` and one after, summing to one; a Hann window.
fn taps(fraction: f64, cut: f64, reach: usize) -> Vec<f64> {
    let tap = |n: usize| {
        let x = n as f64 - reach as f64 - fraction;
        let sinc = if x == 0.0 { 1.0 } else { (PI * cut * x).sin() / (PI * cut * x) };
        let part = x / (reach as f64 + 1.0);
        if part.abs() < 1.0 { sinc * 0.5 * (1.0 + (PI * part).cos()) } else { 0.0 }
    };
    let taps: Vec<f64> = (0..2 * reach + 2).map(tap).collect();
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| tap / sum).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
