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
    let heart_rate = HeartRate::of(&found.beats, rate_hz);
    if heart_rate.is_none() {
        insights.leave_out("rhythm.heart_rate_bpm", "There are fewer than two beats.");
    }
    insights.rhythm = Some(Rhythm {
        lead: lead.name.clone(),
        beat_samples: found.beats.clone(),
        flags: heart_rate.map_or(Vec::new(), |rate| flags(rate, &found.beats, rate_hz)),
        heart_rate,
        variability: None,
    });
}

/// RR intervals in samples, whole numbers: what is reckoned of them meets a bound exactly, as it
/// wouldn't from seconds.
pub fn intervals(beats: &[usize]) -> Vec<f64> {
    let pairs = beats.iter().zip(beats.iter().skip(1));
    pairs.map(|(before, after)| float(after - before)).collect()
}

impl HeartRate {
    /// Of beats, by their samples; none of fewer than two.
    pub fn of(beats: &[usize], rate_hz: f64) -> Option<Self> {
        let bpm = |beats: &[usize]| {
            let (first, last) = (beats.first()?, beats.last()?);
            let samples = Some(last - first).filter(|samples| *samples > 0)?;
            Some(60.0 * rate_hz * float(beats.len() - 1) / float(samples))
        };
        let mean_bpm = bpm(beats)?;
        let in_a_row = (IN_A_ROW + 1).min(beats.len());
        let rates = beats.windows(in_a_row).filter_map(bpm);
        let extremes = (f64::INFINITY, 0.0);
        let (minimum_bpm, maximum_bpm) =
            rates.fold(extremes, |(least, most), rate| (rate.min(least), rate.max(most)));
        Some(Self { mean_bpm, minimum_bpm, maximum_bpm })
    }
}

fn flags(rate: HeartRate, beats: &[usize], rate_hz: f64) -> Vec<Flag> {
    let intervals = intervals(beats);
    let irregular = sample_deviation(&intervals)
        .zip(mean(&intervals))
        .is_some_and(|(deviation, mean)| deviation / mean > IRREGULAR);
    let all = [
        (Flag::Bradycardia, rate.mean_bpm < SLOW_BPM),
        (Flag::Tachycardia, rate.mean_bpm > FAST_BPM),
        (Flag::Pause, intervals.iter().any(|interval| interval / rate_hz > PAUSE_S)),
        (Flag::Irregular, irregular),
    ];
    all.into_iter().filter(|(_, raised)| *raised).map(|(flag, _)| flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f64 = 100.0;

    fn beats(intervals: &[usize]) -> Vec<usize> {
        let mut at = 7;
        let later = intervals.iter().map(|interval| {
            at += interval;
            at
        });
        std::iter::once(7).chain(later).collect()
    }

    #[test]
    fn the_heart_rate_s_extremes_are_over_five_intervals_in_a_row() {
        let rate = |intervals: &[usize]| HeartRate::of(&beats(intervals), RATE_HZ).unwrap();
        let found = rate(&[100, 100, 100, 100, 100, 50, 50, 50, 50, 50]);
        assert!(found == HeartRate { mean_bpm: 80.0, minimum_bpm: 60.0, maximum_bpm: 120.0 });
        let few = rate(&[100, 50]);
        assert!(few == HeartRate { mean_bpm: 80.0, minimum_bpm: 80.0, maximum_bpm: 80.0 });
        assert!(HeartRate::of(&[7], RATE_HZ).is_none() && HeartRate::of(&[], RATE_HZ).is_none());
    }

    fn flagged(beats: &[usize], rate_hz: f64) -> Vec<&'static str> {
        let rate = HeartRate::of(beats, rate_hz).unwrap();
        flags(rate, beats, rate_hz).into_iter().map(Flag::name).collect()
    }

    #[test]
    fn flags_are_raised_beyond_their_bounds_alone() {
        let flagged = |intervals: &[usize]| flagged(&beats(intervals), RATE_HZ);
        assert!(flagged(&[100, 100, 100]).is_empty());
        assert_eq!(flagged(&[101, 101]), ["bradycardia"]);
        assert_eq!(flagged(&[59, 59]), ["tachycardia"]);
        assert_eq!(flagged(&[200]), ["bradycardia"]);
        assert_eq!(flagged(&[210]), ["bradycardia", "pause"]);
        assert_eq!(flagged(&[60, 90, 60, 90]), ["irregular"]);
    }

    #[test]
    fn a_hundred_beats_a_minute_are_no_tachycardia_however_many_there_are() {
        for rate_hz in [100_usize, 125, 200, 250, 300, 360, 400, 500, 1_000, 2_000] {
            for count in 1..40 {
                let even = vec![rate_hz * 3 / 5; count];
                assert!(flagged(&beats(&even), float(rate_hz)).is_empty(), "{rate_hz} {count}");
            }
        }
    }
}
