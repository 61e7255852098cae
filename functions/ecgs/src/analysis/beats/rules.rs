//! Which of the steep places are beats.
//!
//! Every threshold is a ratio, so that gain, offset and polarity don't matter. The figures were set
//! in the middle of the ranges over which the benchmark's gross figures hardly move.

use super::envelope::Envelope;
use super::scale::Scale;
use crate::analysis::statistics::median;

/// Where a beat is missing, one exceeds this share of the threshold.
const WEAK: f32 = 0.6;
/// No two beats are nearer than this, s: the refractory period.
pub const REFRACTORY_S: f64 = 0.2;
/// A P wave comes within this time before its QRS complex, s, ...
const P_WAVE_S: f64 = 0.26;
/// ... and is under this share of its envelope.
const P_WAVE: f32 = 0.87;
/// A T wave comes within this time after its QRS complex, s, ...
const T_WAVE_S: f64 = 0.35;
/// ... and its steepest slope is under this share of the complex's.
const T_WAVE: f32 = 0.57;
/// The reach of the steepest slope on each side, s.
const STEEPEST_S: f64 = 0.06;
/// A beat is missing where an RR interval exceeds this many usual ones.
const LONG: f32 = 1.6;
/// RR intervals whose median is the usual one, in the search back.
const RECENT: usize = 8;

/// A steep place.
#[derive(Clone, Copy)]
struct Peak {
    at: usize,
    /// Its envelope.
    height: f32,
    /// High enough to be a beat at once.
    strong: bool,
}

/// Times of the rules as numbers of samples.
#[derive(Clone, Copy)]
pub struct Rules {
    refractory: usize,
    p_wave: usize,
    t_wave: usize,
    steepest: usize,
}

impl Rules {
    pub fn new(scale: &Scale) -> Self {
        Self {
            refractory: scale.samples(REFRACTORY_S),
            p_wave: scale.samples(P_WAVE_S),
            t_wave: scale.samples(T_WAVE_S),
            steepest: scale.samples(STEEPEST_S),
        }
    }

    /// Beats, ascending.
    pub fn beats(&self, envelope: &Envelope) -> Vec<usize> {
        let peaks = self.without_p_waves(&self.apart(peaks(envelope)));
        let mut walk = Walk { rules: self, envelope, beats: Vec::new(), intervals: Vec::new() };
        let mut weak_from = 0;
        for (n, peak) in peaks.iter().enumerate().filter(|(_, peak)| peak.strong) {
            if !walk.is_t_wave(peak) {
                walk.search_back(peaks.get(weak_from..n).unwrap_or_default(), peak);
                walk.push(*peak);
                weak_from = n + 1;
            }
        }
        walk.beats.iter().map(|beat| beat.at).collect()
    }

    /// Of peaks nearer than the refractory period the higher one stays.
    fn apart(&self, peaks: Vec<Peak>) -> Vec<Peak> {
        let mut order: Vec<usize> = (0..peaks.len()).collect();
        let height = |n: &usize| peaks.get(*n).map_or(0.0, |peak| peak.height);
        order.sort_unstable_by(|a, b| height(b).total_cmp(&height(a)).then(a.cmp(b)));
        let mut beaten = vec![false; peaks.len()];
        for n in order {
            if beaten.get(n).is_none_or(|&beaten| beaten) {
                continue;
            }
            let Some(&Peak { at, .. }) = peaks.get(n) else { continue };
            let (before, after) = beaten.split_at_mut(n);
            let near = |(_, peak): &(_, &Peak)| peak.at.abs_diff(at) < self.refractory;
            let left = before.iter_mut().zip(&peaks).rev().take_while(near);
            left.for_each(|(beaten, _)| *beaten = true);
            let right = after.iter_mut().zip(peaks.iter().skip(n)).skip(1).take_while(near);
            right.for_each(|(beaten, _)| *beaten = true);
        }
        peaks.into_iter().zip(beaten).filter(|(_, beaten)| !beaten).map(|(peak, _)| peak).collect()
    }

    fn without_p_waves(&self, peaks: &[Peak]) -> Vec<Peak> {
        let next = peaks.iter().skip(1).map(Some).chain([None]);
        let is_p_wave = |peak: &Peak, next: &Peak| {
            next.at - peak.at < self.p_wave && peak.height < P_WAVE * next.height
        };
        let pairs = peaks.iter().zip(next);
        let stays = pairs.filter(|(peak, next)| !next.is_some_and(|next| is_p_wave(peak, next)));
        stays.map(|(&peak, _)| peak).collect()
    }
}

/// Local maxima that may be beats.
fn peaks(envelope: &Envelope) -> Vec<Peak> {
    let energy = envelope.energy();
    let mut peaks = Vec::new();
    let mut look = |at: usize, energy: f32| {
        let (height, threshold) = (energy.sqrt(), envelope.threshold_at(at));
        if height > WEAK * threshold {
            peaks.push(Peak { at, height, strong: height > threshold });
        }
    };
    if let [first, second, ..] = *energy
        && first >= second
    {
        look(0, first);
    }
    for (n, three) in energy.windows(3).enumerate() {
        if let &[before, here, after] = three
            && here > before
            && here >= after
        {
            look(n + 1, here);
        }
    }
    if let [.., before, last] = *energy
        && last > before
    {
        look(energy.len() - 1, last);
    }
    peaks
}

/// The way from left to right.
struct Walk<'a> {
    rules: &'a Rules,
    envelope: &'a Envelope,
    beats: Vec<Peak>,
    /// RR intervals so far, those with a weak beat capped.
    intervals: Vec<f32>,
}

impl Walk<'_> {
    fn is_t_wave(&self, peak: &Peak) -> bool {
        self.beats.last().is_some_and(|last| {
            let steepest = |at| self.envelope.steepest(at, self.rules.steepest);
            peak.at - last.at < self.rules.t_wave && steepest(peak.at) < T_WAVE * steepest(last.at)
        })
    }

    /// Looks for beats between the last one and `next` among weak peaks, while the gap is long.
    fn search_back(&mut self, peaks: &[Peak], next: &Peak) {
        while let Some(last) = self.beats.last() {
            let recent = self.intervals.iter().rev().take(RECENT).copied();
            let Some(usual) = median(&mut recent.collect::<Vec<_>>()) else { return };
            if self.intervals.len() < 2 || span(next.at - last.at) <= LONG * usual {
                return;
            }
            let (from, to) = (last.at + self.rules.t_wave, next.at - self.rules.refractory);
            let weak = peaks.iter().filter(|peak| !peak.strong && (from..to).contains(&peak.at));
            let Some(&found) = weak.max_by(|a, b| a.height.total_cmp(&b.height)) else { return };
            self.push(found);
            if let Some(interval) = self.intervals.last_mut() {
                *interval = interval.min(2.0 * usual);
            }
        }
    }

    fn push(&mut self, beat: Peak) {
        self.intervals.extend(self.beats.last().map(|last| span(beat.at - last.at)));
        self.beats.push(beat);
    }
}

/// An interval as a float.
#[expect(clippy::cast_precision_loss, reason = "a window has fewer than 2^24 samples")]
pub fn span(samples: usize) -> f32 {
    samples as f32
}
