//! The sample of each R wave's peak.

use super::scale::Scale;
use crate::analysis::statistics::median;

/// The peak's distance from the steepest place, s.
const REACH_S: f64 = 0.08;
/// The baseline is the mean of the samples this far on both sides, s.
const BASE_S: f64 = 0.08;
/// A deflection in the lead's direction is the R wave if it is at least this share of the other.
const OWN: f32 = 0.6;
/// How much larger the other direction's must be before the lead's direction is taken to change.
const TURN: f32 = 1.5;

/// The largest deflections of a beat, and where.
struct Deflections {
    up: (usize, f32),
    down: (usize, f32),
}

/// Finds R waves; it remembers the lead's direction from one window to the next, so that one wave
/// of a complex is taken throughout.
pub struct RWaves {
    reach: usize,
    base: usize,
    upwards: Option<bool>,
}

impl RWaves {
    pub fn new(scale: &Scale) -> Self {
        Self { reach: scale.samples(REACH_S), base: scale.samples(BASE_S), upwards: None }
    }

    /// For each beat the working sample of its peak, and whether that is a maximum. None for a
    /// beat that rises still at the last sample: its peak is yet to come.
    pub fn find(&mut self, signal: &[f32], beats: &[usize]) -> Vec<Option<(usize, bool)>> {
        let beats: Vec<_> = beats.iter().map(|&beat| self.deflections(signal, beat)).collect();
        let usual = |of: &dyn Fn(&Deflections) -> f32| {
            median(&mut beats.iter().map(of).collect::<Vec<_>>()).unwrap_or(0.0)
        };
        let (up, down) = (usual(&|beat| beat.up.1), usual(&|beat| beat.down.1));
        let upwards = match self.upwards {
            None => up >= down,
            Some(true) => up * TURN >= down,
            Some(false) => up > down * TURN,
        };
        if !beats.is_empty() {
            self.upwards = Some(upwards);
        }
        let peak = |Deflections { up, down }: &Deflections| {
            let is_up = if upwards { up.1 >= OWN * down.1 } else { down.1 < OWN * up.1 };
            let at = if is_up { up.0 } else { down.0 };
            (at + 1 < signal.len()).then_some((at, is_up))
        };
        beats.iter().map(peak).collect()
    }

    fn deflections(&self, signal: &[f32], beat: usize) -> Deflections {
        let last = signal.len().saturating_sub(1);
        let at = |n: usize| signal.get(n.min(last)).copied().unwrap_or(0.0);
        let base = f32::midpoint(at(beat.saturating_sub(self.base)), at(beat + self.base));
        let from = beat.saturating_sub(self.reach);
        let start = at(from);
        let (mut highest, mut lowest) = ((from, start), (from, start));
        let around = signal.iter().enumerate().take(beat + self.reach + 1).skip(from);
        for (n, &value) in around {
            if value > highest.1 {
                highest = (n, value);
            }
            if value < lowest.1 {
                lowest = (n, value);
            }
        }
        Deflections { up: (highest.0, highest.1 - base), down: (lowest.0, base - lowest.1) }
    }
}
