//! Whether a lead can be read.

use crate::analysis::beats::Found;
use crate::analysis::insights::{Insights, Recording};
use crate::analysis::measures::Measures;

/// A lead is flat if more than this share of it is.
const MOST_FLAT: f64 = 0.8;
/// A lead is clipped if more than this share of it is.
const MOST_CLIPPED: f64 = 0.1;
/// The contrast under which a lead is noise: ten seconds of white noise, hum and random walks stay
/// under 2.4, as does ventricular fibrillation; of an electrocardiogram nearly all exceed 5.8.
const LEAST_CONTRAST: f64 = 2.5;
/// What each second under these seconds adds to it: the fewer beats there seem to be, the more of
/// their contrast is chance, up to 4.2 in a second of white noise.
const ENOUGH_S: f64 = 12.0;
const MORE_A_SECOND: f64 = 0.25;
/// The contrasts scored as 0 and as 1.
const WORST_CONTRAST: f64 = 1.5;
const BEST_CONTRAST: f64 = 7.5;

/// A lead's quality.
#[derive(Clone, PartialEq)]
pub struct Quality {
    /// Neither flat nor clipped nor, as far as can be told, noise alone.
    pub usable: bool,
    /// From 0 to 1: how clearly beats stand out, less the flat and the clipped share. None where
    /// noise can't be judged: without a rate, at a rate under 40 Hz, in under half a second.
    pub score: Option<f64>,
    pub flat_fraction: f64,
    pub clipped_fraction: f64,
}

/// A lead's quality, from its measures and, where beats could be looked for, what was found.
pub fn assess(measures: &Measures, found: Option<&Found>) -> Quality {
    let &Measures { flat_fraction, clipped_fraction, minimum, maximum, .. } = measures;
    let flat = minimum == maximum || flat_fraction > MOST_FLAT;
    let noise = found.is_some_and(|found| {
        let too_short_s = (ENOUGH_S - found.duration_s).max(0.0);
        found.contrast < LEAST_CONTRAST + too_short_s * MORE_A_SECOND
    });
    let score = found.map(|found| {
        let clear = (found.contrast - WORST_CONTRAST) / (BEST_CONTRAST - WORST_CONTRAST);
        clear.clamp(0.0, 1.0) * (1.0 - flat_fraction) * (1.0 - clipped_fraction)
    });
    Quality {
        usable: !flat && clipped_fraction <= MOST_CLIPPED && !noise,
        score,
        flat_fraction,
        clipped_fraction,
    }
}

/// Names what can't be said of the leads.
pub fn analyse(recording: &Recording, insights: &mut Insights) {
    for lead in &recording.leads {
        if lead.measures.number_of_samples == 0 {
            insights.leave_out(&format!("leads.{}", lead.name), "The lead has no samples.");
        } else if lead.quality.score.is_none() {
            let reason = "Noise can be judged at sampling rates of 40 Hz and more, and in about half \
                          a second and more.";
            insights.leave_out(&format!("leads.{}.quality.score", lead.name), reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use crate::analysis::insights::LeadAnalysis;
    use crate::analysis::statistics::{float, whole};
    use crate::analysis::synthetic::{LEAD_II, Model, Random};

    use super::*;

    fn quality(signal: &[i32], rate_hz: f64) -> Quality {
        let mut lead = LeadAnalysis::new("II", 0, Some(rate_hz));
        lead.push(signal);
        lead.finish().quality
    }

    #[test]
    fn noise_alone_is_not_usable() {
        for (seed, rate_hz) in (1..).zip([100.0, 128.0, 250.0, 360.0, 500.0, 1_000.0, 5_000.0]) {
            for duration_s in [5.0, 10.0, 40.0] {
                let length = usize::try_from(whole(duration_s * rate_hz)).unwrap();
                let mut random = Random(seed);
                let mut white = || random.normal() * 100.0;
                let noise: Vec<f64> = (0..length).map(|_| white()).collect();
                let mut walk: Vec<f64> = noise.clone();
                walk.iter_mut().fold(0.0, |sum, value| {
                    *value += sum;
                    *value
                });
                let hum = |hz: f64| {
                    let phase = (0..length).map(|n| TAU * hz * float(n) / rate_hz);
                    phase.map(|phase| 500.0 * phase.sin()).collect::<Vec<_>>()
                };
                let signals = [noise, walk, hum(50.0), hum(60.0), hum(2.0), hum(9.0)];
                for (n, signal) in signals.iter().enumerate() {
                    let quality = quality(&digital(signal), rate_hz);
                    assert!(!quality.usable, "signal {n} at {rate_hz} Hz for {duration_s} s");
                    assert!(quality.score.is_none_or(|score| score < 0.2));
                }
            }
        }
    }

    #[test]
    fn a_few_seconds_of_noise_are_not_usable_whatever_chance_makes_of_them() {
        for rate_hz in [250.0, 360.0, 500.0] {
            for duration_s in [1.0, 1.5, 2.0, 3.0, 5.0, 7.0] {
                let length = usize::try_from(whole(duration_s * rate_hz)).unwrap();
                for seed in 1..60 {
                    // Loud hum that begins and ends stands out for itself in less.
                    let hums =
                        if duration_s < 5.0 { &[0.0, 50.0][..] } else { &[0.0, 50.0, 300.0] };
                    for &hum in hums {
                        let mut random = Random(seed * 7_919);
                        let mut noise = |n: usize| {
                            hum * (TAU * 50.0 * float(n) / rate_hz).sin() + random.normal() * 100.0
                        };
                        let noise: Vec<f64> = (0..length).map(&mut noise).collect();
                        let usable = quality(&digital(&noise), rate_hz).usable;
                        assert!(!usable, "{seed}: {duration_s} s at {rate_hz} Hz, {hum}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_second_of_an_electrocardiogram_is_usable() {
        for rate_hz in [250.0, 500.0] {
            for heart_rate_bpm in [75.0, 140.0] {
                let model = Model {
                    rate_hz,
                    heart_rate_bpm,
                    duration_s: 1.5,
                    noise_mv: 0.1,
                    wander_mv: 0.5,
                    ..Model::default()
                };
                let usable = quality(&model.lead(&LEAD_II, 0), rate_hz).usable;
                assert!(usable, "{heart_rate_bpm} a minute at {rate_hz} Hz");
            }
        }
    }

    #[test]
    fn an_electrocardiogram_is_usable_with_noise_too() {
        for rate_hz in [128.0, 250.0, 500.0, 1_000.0] {
            for heart_rate_bpm in [35.0, 70.0, 150.0, 200.0] {
                for noise_mv in [0.0, 0.02, 0.1] {
                    let model = Model {
                        rate_hz,
                        heart_rate_bpm,
                        noise_mv,
                        wander_mv: 0.5,
                        hum_mv: 0.05,
                        ..Model::default()
                    };
                    let quality = quality(&model.lead(&LEAD_II, 0), rate_hz);
                    assert!(
                        quality.usable,
                        "{heart_rate_bpm} a minute at {rate_hz} Hz, {noise_mv} mV"
                    );
                    assert!(quality.score.is_some_and(|score| score > 0.3));
                }
            }
        }
    }

    #[test]
    fn a_flat_or_clipped_lead_is_not_usable() {
        assert!(!quality(&[5; 900], 500.0).usable);
        assert!(!quality(&[5], 500.0).usable);
        let signal = Model::default().lead(&LEAD_II, 0);
        let clipped: Vec<i32> = signal.iter().map(|&sample| sample.min(10)).collect();
        let quality = quality(&clipped, 500.0);
        assert!(!quality.usable && quality.clipped_fraction > 0.1);
    }

    fn digital(signal: &[f64]) -> Vec<i32> {
        signal.iter().map(|&value| format!("{value:.0}").parse().unwrap()).collect()
    }
}
