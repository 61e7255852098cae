//! The beats of one lead as a rhythm: heart rate, and flags, none of which is a diagnosis.

use crate::analysis::insights::{Insights, Lead, Recording};
use crate::analysis::statistics::{float, mean, sample_deviation};
use crate::analysis::variability::Variability;

/// Leads in which R waves stand out most often, in the order in which they are taken.
const PREFERRED: [&str; 3] = ["II", "MLII", "I"];
/// RR intervals in a row over which the least and the largest heart rate are taken.
const IN_A_ROW: usize = 5;
/// Mean heart rates below and above which a rhythm is flagged, a minute.
const SLOW_BPM: f64 = 60.0;
const FAST_BPM: f64 = 100.0;
/// A longer RR interval is a pause, s.
const PAUSE_S: f64 = 2.0;
/// Standard deviation over mean of the RR intervals above which a rhythm is irregular.
const IRREGULAR: f64 = 0.15;

/// A recording's rhythm.
#[derive(Clone, PartialEq)]
pub struct Rhythm {
    /// The name of the lead that it was taken from.
    pub lead: String,
    /// The samples of the R waves' peaks.
    pub beat_samples: Vec<usize>,
    /// None of fewer than two beats.
    pub heart_rate: Option<HeartRate>,
    /// None of fewer than three beats.
    pub variability: Option<Variability>,
    pub flags: Vec<Flag>,
}

/// Heart rates, a minute.
#[derive(Clone, Copy, PartialEq)]
pub struct HeartRate {
    /// Of the mean RR interval.
    pub mean_bpm: f64,
    /// The least and the largest over any five RR intervals in a row (all, if fewer).
    pub minimum_bpm: f64,
    pub maximum_bpm: f64,
}

/// Something to look at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    Bradycardia,
    Tachycardia,
    Pause,
    Irregular,
}

impl Flag {
    /// Its name in an answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bradycardia => "bradycardia",
            Self::Tachycardia => "tachycardia",
            Self::Pause => "pause",
            Self::Irregular => "irregular",
        }
    }
}

/// Adds the rhythm of the first usable lead, of II, MLII, I and then the others as sent.
pub fn analyse(recording: &Recording, insights: &mut Insights) {
    let Some(rate_hz) = recording.rate_hz else {
        return insights.leave_out("rhythm", "The recording has no sampling rate.");
    };
    let rank = |lead: &&Lead| PREFERRED.iter().position(|name| *name == lead.name);
    let usable = recording.leads.iter().filter(|lead| lead.quality.usable);
    let Some(lead) = usable.min_by_key(|lead| rank(lead).unwrap_or(PREFERRED.len())) else {
        return insights.leave_out("rhythm", "No lead is usable.");
    };
    let Some(found) = &lead.found else {
        let reason = "The sampling rate is too low, or the recording too short, to find beats.";
        return insights.leave_out("rhythm", reason);
    };
    let intervals_s = intervals_s(&found.beats, rate_hz);
    let heart_rate = HeartRate::of(&intervals_s);
    if heart_rate.is_none() {
        insights.leave_out("rhythm.heart_rate_bpm", "There are fewer than two beats.");
    }
    insights.rhythm = Some(Rhythm {
        lead: lead.name.clone(),
        beat_samples: found.beats.clone(),
        flags: heart_rate.map_or(Vec::new(), |rate| flags(rate, &intervals_s)),
        heart_rate,
        variability: None,
    });
}

/// RR intervals, s.
pub fn intervals_s(beats: &[usize], rate_hz: f64) -> Vec<f64> {
    let pairs = beats.iter().zip(beats.iter().skip(1));
    pairs.map(|(before, after)| float(after - before) / rate_hz).collect()
}

impl HeartRate {
    /// Of RR intervals, s; none of none.
    pub fn of(intervals_s: &[f64]) -> Option<Self> {
        let mean_bpm = 60.0 / mean(intervals_s)?;
        let in_a_row = IN_A_ROW.min(intervals_s.len());
        let rates = intervals_s.windows(in_a_row).filter_map(mean).map(|mean_s| 60.0 / mean_s);
        let extremes = (f64::INFINITY, 0.0);
        let (minimum_bpm, maximum_bpm) =
            rates.fold(extremes, |(least, most), rate| (rate.min(least), rate.max(most)));
        Some(Self { mean_bpm, minimum_bpm, maximum_bpm })
    }
}

fn flags(rate: HeartRate, intervals_s: &[f64]) -> Vec<Flag> {
    let irregular = sample_deviation(intervals_s)
        .zip(mean(intervals_s))
        .is_some_and(|(deviation, mean)| deviation / mean > IRREGULAR);
    let all = [
        (Flag::Bradycardia, rate.mean_bpm < SLOW_BPM),
        (Flag::Tachycardia, rate.mean_bpm > FAST_BPM),
        (Flag::Pause, intervals_s.iter().any(|&interval_s| interval_s > PAUSE_S)),
        (Flag::Irregular, irregular),
    ];
    all.into_iter().filter(|(_, raised)| *raised).map(|(flag, _)| flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heart_rate_s_extremes_are_over_five_intervals_in_a_row() {
        let rate = HeartRate::of(&[1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]).unwrap();
        assert!((rate.mean_bpm - 80.0).abs() < 1e-9);
        assert!((rate.minimum_bpm - 60.0).abs() < 1e-9);
        assert!((rate.maximum_bpm - 120.0).abs() < 1e-9);
        let few = HeartRate::of(&[1.0, 0.5]).unwrap();
        assert!((few.maximum_bpm - few.minimum_bpm).abs() < 1e-9);
        assert!(HeartRate::of(&[]).is_none());
    }

    #[test]
    fn flags_are_raised_beyond_their_bounds_alone() {
        let flags = |intervals_s: &[f64]| {
            flags(HeartRate::of(intervals_s).unwrap(), intervals_s)
                .into_iter()
                .map(Flag::name)
                .collect::<Vec<_>>()
        };
        assert!(flags(&[1.0, 1.0, 1.0]).is_empty());
        assert!(flags(&[0.6, 0.6, 0.6]).is_empty());
        assert_eq!(flags(&[1.01, 1.01]), ["bradycardia"]);
        assert_eq!(flags(&[0.59, 0.59]), ["tachycardia"]);
        assert_eq!(flags(&[2.0]), ["bradycardia"]);
        assert_eq!(flags(&[2.1]), ["bradycardia", "pause"]);
        assert_eq!(flags(&[0.6, 0.9, 0.6, 0.9]), ["irregular"]);
    }
}
