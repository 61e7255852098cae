//! What the rhythm says of a beat found, or of one that wasn't: a second look with both sides known.

use super::envelope::Envelope;
use super::rules::span;
use super::scale::Scale;
use crate::analysis::statistics::median;

/// A beat between two within this time, s, ...
const FAINT_S: f64 = 1.5;
/// ... whose envelope is under this share of the lower of both, is none.
const FAINT: f32 = 0.25;
/// Nor is one whose neighbours are no farther apart than this many usual RR intervals, ...
const SPLIT: f32 = 1.1;
/// ... whose envelope is under this share of theirs, ...
const SPLIT_ENVELOPE: f32 = 0.7;
/// ... as is its steepest slope.
const SPLIT_SLOPE: f32 = 0.7;
/// The reach of the steepest slope on each side, s.
const STEEPEST_S: f64 = 0.06;
/// Beats on each side whose RR intervals are the usual ones, for a beat too many ...
const NEAR: usize = 10;
/// ... and for one too few: there the usual interval may change soon.
const NEARER: usize = 4;
/// A beat is missing where an RR interval exceeds this many usual ones, ...
const LONG: f32 = 1.6;
/// ... of which none counts as longer than this, s.
const USUAL_S: f64 = 1.5;
/// A longer interval is a stop of the heart or of the recording, s.
const LONGEST_S: f64 = 10.0;
/// A missing beat is at least this long after one, s, ...
const AFTER_S: f64 = 0.35;
/// ... and before one, s.
const BEFORE_S: f64 = 0.25;
/// Its envelope is at least this share of the level ...
const MISSING: f32 = 0.12;
/// ... and this many times the median of those within the gap.
const PROMINENCE: f32 = 2.5;

/// Times of the rules as numbers of samples.
#[derive(Clone, Copy)]
pub struct RhythmRules {
    faint: usize,
    steepest: usize,
    usual: f32,
    longest: usize,
    after: usize,
    before: usize,
}

impl RhythmRules {
    pub fn new(scale: &Scale) -> Self {
        Self {
            faint: scale.samples(FAINT_S),
            steepest: scale.samples(STEEPEST_S),
            usual: span(scale.samples(USUAL_S)),
            longest: scale.samples(LONGEST_S),
            after: scale.samples(AFTER_S),
            before: scale.samples(BEFORE_S),
        }
    }

    /// Beats again, ascending.
    pub fn revised(&self, beats: &[usize], envelope: &Envelope) -> Vec<usize> {
        // A second time, since one beat too many can hide the next.
        let once = self.without_splits(beats, envelope);
        let beats = self.without_splits(&once, envelope);
        self.with_missing(&beats, envelope)
    }

    /// Less the weak beats that have no room between strong ones.
    fn without_splits(&self, beats: &[usize], envelope: &Envelope) -> Vec<usize> {
        let mut kept: Vec<usize> = beats.first().copied().into_iter().collect();
        let mut dropped = false;
        for (n, three) in beats.windows(3).enumerate() {
            let &[before, here, after] = three else { continue };
            let lower = |value: &dyn Fn(usize) -> f32| value(before).min(value(after));
            let share = envelope.root_at(here) / lower(&|at| envelope.root_at(at));
            let steepest = |at| envelope.steepest(at, self.steepest);
            let faint = share < FAINT && after - before < self.faint;
            // Of two in a row one may be a beat.
            let splits = !dropped
                && share < SPLIT_ENVELOPE
                && usual_around(beats, n + 1)
                    .is_some_and(|usual| span(after - before) < SPLIT * usual)
                && steepest(here) < SPLIT_SLOPE * lower(&steepest);
            dropped = faint || splits;
            if !dropped {
                kept.push(here);
            }
        }
        kept.extend(beats.last().filter(|_| beats.len() > 1));
        kept
    }

    /// With the low beats that stand out in gaps.
    fn with_missing(&self, beats: &[usize], envelope: &Envelope) -> Vec<usize> {
        let mut all = beats.to_vec();
        for (n, pair) in beats.windows(2).enumerate() {
            let &[before, after] = pair else { continue };
            let from = n.saturating_sub(NEARER);
            let near = beats.get(from..(n + NEARER + 2).min(beats.len())).unwrap_or_default();
            let mut intervals: Vec<f32> = intervals(near).collect();
            if intervals.len() < 3 || after - before > self.longest {
                continue;
            }
            let Some(usual) = median(&mut intervals) else { continue };
            self.fill((before, after), LONG * usual.min(self.usual), envelope, &mut all);
        }
        all.sort_unstable();
        all
    }

    /// Adds the highest peak in a gap longer than `long`, and goes on with both halves.
    fn fill(&self, gap: (usize, usize), long: f32, envelope: &Envelope, beats: &mut Vec<usize>) {
        let mut gaps = vec![gap];
        while let Some((before, after)) = gaps.pop() {
            let (from, to) = (before + self.after, after.saturating_sub(self.before));
            let inside = envelope.energy().get(from..to).unwrap_or_default();
            if span(after - before) <= long || inside.len() < 3 {
                continue;
            }
            let peaks = inside.windows(3).enumerate().filter_map(|(n, three)| match *three {
                [before, here, after] if here > before && here >= after => Some((n + 1, here)),
                _ => None,
            });
            let highest = peaks.max_by(|(_, a), (_, b)| a.total_cmp(b));
            let (Some((n, energy)), Some(usual)) = (highest, median(&mut inside.to_vec())) else {
                continue;
            };
            let at = from + n;
            if energy.sqrt() >= MISSING * envelope.level_at(at)
                && energy.sqrt() >= PROMINENCE * usual.sqrt()
            {
                beats.push(at);
                gaps.extend([(before, at), (at, after)]);
            }
        }
    }
}

fn intervals(beats: &[usize]) -> impl Iterator<Item = f32> {
    beats.iter().zip(beats.iter().skip(1)).map(|(before, after)| span(after - before))
}

/// The median RR interval around a beat, its own two left out; none of fewer than three.
fn usual_around(beats: &[usize], n: usize) -> Option<f32> {
    let left = beats.get(n.saturating_sub(NEAR)..n).unwrap_or_default();
    let right = beats.get(n + 1..(n + NEAR + 1).min(beats.len())).unwrap_or_default();
    let mut near: Vec<f32> = intervals(left).chain(intervals(right)).collect();
    if near.len() < 3 { None } else { median(&mut near) }
}
