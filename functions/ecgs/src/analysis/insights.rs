//! The analyses of a recording, put together.
//!
//! Samples pass once, in pieces, through each lead's [`LeadAnalysis`]; what is left of them, the
//! measures, quality and beats, goes through [`ANALYSES`]. A new analysis is a file with a function
//! of that form, and a line there.

use crate::analysis::beats::{BeatFinder, Found};
use crate::analysis::measures::{LeadMeasures, Measures};
use crate::analysis::quality::{self, Quality};
use crate::analysis::rhythm::{self, Rhythm};
use crate::analysis::variability;

/// Raised with every change of what an analysis gives for the same samples: stored insights of
/// another version are made again.
pub const ALGORITHM_VERSION: &str = "2";

/// What is made of a recording, in order; each may build on those before it.
const ANALYSES: [Analysis; 3] = [quality::analyse, rhythm::analyse, variability::analyse];

type Analysis = fn(&Recording, &mut Insights);

/// A recording, its samples gone through.
#[derive(Clone, PartialEq)]
pub struct Recording {
    /// As sent.
    pub leads: Vec<Lead>,
    pub rate_hz: Option<f64>,
}

/// A lead, its samples gone through.
#[derive(Clone, PartialEq)]
pub struct Lead {
    pub name: String,
    pub measures: Measures,
    pub quality: Quality,
    /// None where beats can't be looked for: without a rate, at too low a one, in too short a lead.
    pub found: Option<Found>,
}

/// What is found.
#[derive(Clone, PartialEq)]
pub struct Insights {
    pub rhythm: Option<Rhythm>,
    pub not_computable: Vec<NotComputable>,
}

/// What can't be computed, and why.
#[derive(Clone, PartialEq)]
pub struct NotComputable {
    /// A path, such as `rhythm.hrv` or `leads.V1.quality.score`.
    pub what: String,
    pub reason: &'static str,
}

/// Takes one lead's samples piece by piece.
pub struct LeadAnalysis {
    name: String,
    measures: LeadMeasures,
    beats: Option<BeatFinder>,
}

impl LeadAnalysis {
    /// `adc_zero`: the sample that stands for 0 mV.
    pub fn new(name: &str, adc_zero: i32, rate_hz: Option<f64>) -> Self {
        Self {
            name: name.to_owned(),
            measures: LeadMeasures::new(adc_zero, rate_hz),
            beats: rate_hz.map(BeatFinder::new),
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[i32]) {
        self.measures.push(samples);
        if let Some(beats) = &mut self.beats {
            beats.push(samples);
        }
    }

    /// The lead, its samples gone through.
    pub fn finish(self) -> Lead {
        let measures = self.measures.finish();
        let found = self.beats.and_then(BeatFinder::finish);
        let quality = quality::assess(&measures, found.as_ref());
        Lead { name: self.name, measures, quality, found }
    }
}

impl Insights {
    /// Everything that can be said of a recording.
    pub fn of(recording: &Recording) -> Self {
        let mut insights = Self { rhythm: None, not_computable: Vec::new() };
        for analyse in ANALYSES {
            analyse(recording, &mut insights);
        }
        insights
    }

    /// Says that something can't be computed.
    pub fn leave_out(&mut self, what: &str, reason: &'static str) {
        self.not_computable.push(NotComputable { what: what.to_owned(), reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::synthetic::{LEAD_II, Model};

    fn recording(leads: &[(&str, Vec<i32>)], rate_hz: Option<f64>) -> Recording {
        let lead = |(name, signal): &(&str, Vec<i32>)| {
            let mut analysis = LeadAnalysis::new(name, 0, rate_hz);
            signal.chunks(999).for_each(|piece| analysis.push(piece));
            analysis.finish()
        };
        Recording { leads: leads.iter().map(lead).collect(), rate_hz }
    }

    fn missing(insights: &Insights) -> Vec<&str> {
        insights.not_computable.iter().map(|missing| missing.what.as_str()).collect()
    }

    #[test]
    fn twelve_leads_give_everything() {
        let model = Model { duration_s: 30.0, ..Model::default() };
        let recording = recording(&model.twelve_leads(), Some(model.rate_hz));
        assert!(recording.leads.iter().all(|lead| lead.quality.usable));
        let insights = Insights::of(&recording);
        assert!(insights.not_computable.is_empty());
        let rhythm = insights.rhythm.unwrap();
        assert_eq!(rhythm.lead, "II");
        assert_eq!(rhythm.beat_samples.len(), model.beats().len());
        assert!((rhythm.heart_rate.unwrap().mean_bpm - 68.0).abs() < 2.0);
        assert!((10.0..60.0).contains(&rhythm.variability.unwrap().sdnn_ms));
        assert!(rhythm.flags.is_empty());
    }

    #[test]
    fn the_rhythm_is_of_the_first_usable_lead_in_order() {
        let model = Model::default();
        let good = model.lead(&LEAD_II, 0);
        let flat = vec![3; good.len()];
        let lead = |leads: &[(&str, &Vec<i32>)]| {
            let leads: Vec<_> =
                leads.iter().map(|&(name, signal)| (name, signal.clone())).collect();
            Insights::of(&recording(&leads, Some(500.0))).rhythm.map(|rhythm| rhythm.lead)
        };
        assert_eq!(lead(&[("V1", &good), ("I", &good), ("MLII", &good)]).unwrap(), "MLII");
        assert_eq!(lead(&[("V1", &good), ("I", &good), ("II", &flat)]).unwrap(), "I");
        assert_eq!(lead(&[("V5", &flat), ("V2", &good), ("V1", &good)]).unwrap(), "V2");
        assert!(lead(&[("II", &flat)]).is_none());
    }

    #[test]
    fn without_a_rate_there_is_no_rhythm() {
        let signal = Model::default().lead(&LEAD_II, 0);
        let insights = Insights::of(&recording(&[("II", signal)], None));
        assert!(insights.rhythm.is_none());
        assert_eq!(missing(&insights), ["leads.II.quality.score", "rhythm"]);
    }

    #[test]
    fn what_few_beats_can_t_tell_is_named() {
        let signal = Model::default().lead(&LEAD_II, 0);
        let of = |length: usize| {
            let insights =
                Insights::of(&recording(&[("II", signal[..length].to_vec())], Some(500.0)));
            let missing = missing(&insights).join(" ");
            (insights.rhythm.map(|rhythm| rhythm.beat_samples.len()), missing)
        };
        assert_eq!(of(10), (None, "leads.II.quality.score rhythm".to_owned()));
        assert_eq!(of(500), (Some(1), "rhythm.heart_rate_bpm rhythm.hrv".to_owned()));
        assert_eq!(of(900), (Some(2), "rhythm.hrv".to_owned()));
    }

    #[test]
    fn any_rate_gives_finite_numbers() {
        let signal: Vec<i32> = [i32::MIN, i32::MAX].repeat(2_000);
        for rate_hz in [1.0, 40.0, 333.3, 100_000.0] {
            let recording = recording(&[("II", signal.clone())], Some(rate_hz));
            let lead = &recording.leads[0];
            assert!(lead.measures.rms.unwrap().is_finite());
            assert!(lead.quality.score.is_none_or(|score| (0.0..=1.0).contains(&score)));
            if let Some(rhythm) = Insights::of(&recording).rhythm {
                assert!(rhythm.heart_rate.is_none_or(|rate| rate.maximum_bpm.is_finite()));
            }
        }
    }
}
