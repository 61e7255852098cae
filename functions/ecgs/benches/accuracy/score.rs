//! Detections against annotations, one to one.

use std::fmt;
use std::iter::Sum;

/// What the division of samples by a rate may lose.
const ROUNDING_S: f64 = 1e-9;

#[derive(Clone, Copy, Default)]
pub struct Score {
    hits: usize,
    missed: usize,
    extra: usize,
}

impl Score {
    pub const HEAD: &str = "   beats  missed   extra     Se %     +P %     F1 %";

    /// Both ascending, in s; a detection matches a beat within the tolerance. Taking the earliest
    /// free detection for each beat in turn gives the most matches, since all windows are alike.
    pub fn of(beats_s: &[f64], found_s: &[f64], tolerance_s: f64) -> Self {
        let tolerance_s = tolerance_s + ROUNDING_S;
        let (mut hits, mut next) = (0, found_s.iter().peekable());
        for &beat_s in beats_s {
            while next.next_if(|&&at_s| at_s < beat_s - tolerance_s).is_some() {}
            hits += usize::from(next.next_if(|&&at_s| at_s <= beat_s + tolerance_s).is_some());
        }
        Self { hits, missed: beats_s.len() - hits, extra: found_s.len() - hits }
    }

    /// TP / (TP + FN), percent.
    pub fn sensitivity(&self) -> f64 {
        percent(self.hits, self.hits + self.missed)
    }

    /// TP / (TP + FP), percent.
    pub fn predictivity(&self) -> f64 {
        percent(self.hits, self.hits + self.extra)
    }

    /// 2 TP / (2 TP + FN + FP), percent.
    pub fn f1(&self) -> f64 {
        percent(2 * self.hits, 2 * self.hits + self.missed + self.extra)
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 * 100.0 / whole as f64 }
}

impl Sum for Score {
    fn sum<I: Iterator<Item = Self>>(scores: I) -> Self {
        scores.fold(Self::default(), |a, b| Self {
            hits: a.hits + b.hits,
            missed: a.missed + b.missed,
            extra: a.extra + b.extra,
        })
    }
}

impl fmt::Display for Score {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hits, missed, extra } = self;
        let (se, pp, f1) = (self.sensitivity(), self.predictivity(), self.f1());
        write!(out, "{:>8} {missed:>7} {extra:>7} {se:>8.3} {pp:>8.3} {f1:>8.3}", hits + missed)
    }
}
