//! Heart rate variability (Task Force of the ESC and the NASPE, Circulation 93, 1996), over all
//! beats: premature ones are not taken out.

use crate::analysis::insights::{Insights, Recording};
use crate::analysis::rhythm::intervals;
use crate::analysis::statistics::{mean, sample_deviation};

/// Differences of successive intervals counted by pNN50 exceed this, ms.
const NN50_MS: f64 = 50.0;

/// Variability over all beats.
#[derive(Clone, Copy, PartialEq)]
pub struct Variability {
    /// The standard deviation of the RR intervals (n - 1), ms.
    pub sdnn_ms: f64,
    /// The root of the mean squared difference of successive RR intervals, ms.
    pub rmssd_ms: f64,
    /// The share of those differences that exceed 50 ms, percent.
    pub pnn50: f64,
}

/// Adds the variability of the rhythm that is there.
pub fn analyse(recording: &Recording, insights: &mut Insights) {
    let (Some(rate_hz), Some(rhythm)) = (recording.rate_hz, &mut insights.rhythm) else { return };
    rhythm.variability = Variability::of(&intervals(&rhythm.beat_samples), rate_hz);
    if rhythm.variability.is_none() {
        insights.leave_out("rhythm.hrv", "There are fewer than three beats.");
    }
}

impl Variability {
    /// Of RR intervals in samples; none of fewer than two.
    pub fn of(intervals: &[f64], rate_hz: f64) -> Option<Self> {
        let ms = |samples: f64| samples * 1e3 / rate_hz;
        let pairs = intervals.iter().zip(intervals.iter().skip(1));
        let changes_ms: Vec<f64> = pairs.map(|(before, after)| ms(after - before)).collect();
        let squares: Vec<f64> = changes_ms.iter().map(|change| change * change).collect();
        let large: Vec<f64> =
            changes_ms.iter().map(|change| f64::from(change.abs() > NN50_MS)).collect();
        Some(Self {
            sdnn_ms: ms(sample_deviation(intervals)?),
            rmssd_ms: mean(&squares)?.sqrt(),
            pnn50: mean(&large)? * 100.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variability_of_known_intervals() {
        // Mean 0.85; squares of the deviations 0.0025, 0.0025, 0.0225, 0.0225; changes 100, -200, 300.
        let found = Variability::of(&[80.0, 90.0, 70.0, 100.0], 100.0).unwrap();
        assert!((found.sdnn_ms - (0.05_f64 / 3.0).sqrt() * 1e3).abs() < 1e-9);
        assert!((found.rmssd_ms - (140_000.0_f64 / 3.0).sqrt()).abs() < 1e-9);
        assert!((found.pnn50 - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_change_of_exactly_50_ms_is_not_counted() {
        let at_360 = intervals(&[0, 360, 702, 1_062, 1_423]);
        let found = Variability::of(&at_360, 360.0).unwrap();
        assert!(found.pnn50.abs() < 1e-9);
        let one_more = intervals(&[0, 360, 701, 1_061, 1_421]);
        assert!((Variability::of(&one_more, 360.0).unwrap().pnn50 - 200.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn two_beats_have_none() {
        assert!(Variability::of(&[], 100.0).is_none());
        assert!(Variability::of(&[80.0], 100.0).is_none());
        let even = Variability { sdnn_ms: 0.0, rmssd_ms: 0.0, pnn50: 0.0 };
        assert!(Variability::of(&[80.0; 7], 100.0) == Some(even));
    }
}
