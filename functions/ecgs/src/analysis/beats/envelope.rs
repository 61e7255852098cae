//! How steep a signal is around each sample, how steep its beats are nearby, and its noise.

use super::scale::Scale;
use crate::analysis::statistics::{float, lower_quartile, median};

/// Half the distance over which the slope is taken, s.
const SLOPE_S: f64 = 0.008;
/// The length of the moving mean, s: that of a QRS complex.
const MEAN_S: f64 = 0.1;
/// Neighbouring blocks whose median is the level.
const LEVEL_BLOCKS: usize = 9;

/// Neighbouring blocks whose median is the noise: fewer, since noise comes in bursts.
const NOISE_BLOCKS: usize = 3;
/// Of the envelope every so many samples are enough for a block's noise, its lower quartile.
const SPARSE: usize = 4;
/// A beat's envelope exceeds this share of the level, ...
const BEAT: f32 = 0.32;
/// ... and this many times the noise, whose own peaks are about twice as high, ...
const ABOVE_NOISE: f32 = 3.0;
/// ... unless that is more than this share of the level: then beats are lost in the noise, or so
/// fast that nothing lies between them.
const MOST: f32 = 0.6;

/// The mean squared slope, and the level of its peaks.
pub struct Envelope {
    /// Half the distance over which the slope is taken, samples.
    slope: usize,
    /// Half the length of the moving mean, samples.
    half: usize,
    block: usize,
    squares: Vec<f32>,
    energy: Vec<f32>,
    /// Each block's, as the next.
    levels: Vec<f32>,
    thresholds: Vec<f32>,
}

impl Envelope {
    pub fn new(scale: &Scale) -> Self {
        Self {
            slope: scale.samples(SLOPE_S),
            half: (scale.samples(MEAN_S) / 2).max(1),
            block: scale.block(),
            squares: Vec::new(),
            energy: Vec::new(),
            levels: Vec::new(),
            thresholds: Vec::new(),
        }
    }

    /// Takes a new band-passed signal.
    pub fn measure(&mut self, band: &[f32]) {
        self.square(band);
        self.average();
        self.level();
    }

    /// `squares` becomes the squared slopes, between as many zeros as half the mean is long.
    fn square(&mut self, band: &[f32]) {
        let (slope, half) = (self.slope, self.half);
        self.squares.clear();
        self.squares.resize(half, 0.0);
        // The ends are held.
        let at = |n: usize| band.get(n.min(band.len().saturating_sub(1))).copied().unwrap_or(0.0);
        let squared = |ahead: f32, behind: f32| (ahead - behind) * (ahead - behind);
        let edge = slope.min(band.len());
        self.squares.extend((0..edge).map(|n| squared(at(n + slope), at(0))));
        let ahead = band.get(2 * slope..).unwrap_or_default();
        self.squares.extend(ahead.iter().zip(band).map(|(&ahead, &behind)| squared(ahead, behind)));
        let done = self.squares.len() - half;
        let last = (done..band.len()).map(|n| squared(at(n + slope), at(n.saturating_sub(slope))));
        self.squares.extend(last);
        self.squares.resize(band.len() + 2 * half, 0.0);
    }

    /// `energy` becomes the centred moving mean: a running sum, in f64 so that it doesn't drift.
    #[expect(clippy::cast_possible_truncation, reason = "the mean of f32s is one")]
    fn average(&mut self) {
        self.energy.clear();
        let length = 2 * self.half + 1;
        let share = 1.0 / float(length);
        let (first, rest) = self.squares.split_at(length.min(self.squares.len()));
        let mut sum: f64 = first.iter().copied().map(f64::from).sum();
        self.energy.push((sum * share) as f32);
        self.energy.extend(rest.iter().zip(&self.squares).map(|(&new, &old)| {
            sum += f64::from(new) - f64::from(old);
            (sum.max(0.0) * share) as f32
        }));
    }

    /// `levels` becomes each block's level: the median of its and its neighbours' largest values,
    /// so that neither an artefact nor a pause sets it. `thresholds` becomes what beats exceed.
    fn level(&mut self) {
        let blocks = blocks(&self.energy, self.block);
        let peaks = blocks.iter().map(|block| block.iter().copied().fold(0.0, f32::max).sqrt());
        self.levels = smoothed(&peaks.collect::<Vec<_>>(), LEVEL_BLOCKS);
        let noise = blocks.iter().map(|block| {
            let mut some: Vec<f32> = block.iter().copied().step_by(SPARSE).collect();
            lower_quartile(&mut some).unwrap_or(0.0).sqrt()
        });
        let noise = smoothed(&noise.collect::<Vec<_>>(), NOISE_BLOCKS);
        let threshold = |(level, noise): (&f32, f32)| {
            (BEAT * level).max((ABOVE_NOISE * noise).min(MOST * level))
        };
        self.thresholds = self.levels.iter().zip(noise).map(threshold).collect();
    }

    /// The largest level.
    pub fn highest_level(&self) -> f32 {
        self.levels.iter().copied().fold(0.0, f32::max)
    }

    /// The level at a sample.
    pub fn level_at(&self, at: usize) -> f32 {
        between(&self.levels, self.block, at)
    }

    /// What a beat exceeds at a sample.
    pub fn threshold_at(&self, at: usize) -> f32 {
        between(&self.thresholds, self.block, at)
    }

    /// The mean squared slope around each sample.
    pub fn energy(&self) -> &[f32] {
        &self.energy
    }

    /// The root of the mean squared slope around a sample: the root keeps one huge beat from ruling.
    pub fn root_at(&self, at: usize) -> f32 {
        self.energy.get(at).copied().unwrap_or(0.0).sqrt()
    }

    /// The steepest slope within `reach` samples of one.
    pub fn steepest(&self, at: usize, reach: usize) -> f32 {
        let from = (at + self.half).saturating_sub(reach);
        let around = self.squares.iter().skip(from).take(at + self.half + reach + 1 - from);
        around.copied().fold(0.0, f32::max).sqrt()
    }
}

/// Blocks of a length; a last part shorter than that belongs to the block before it.
fn blocks(values: &[f32], length: usize) -> Vec<&[f32]> {
    let count = (values.len() / length).max(1);
    let block = |n: usize| {
        let end = if n + 1 == count { values.len() } else { (n + 1) * length };
        values.get(n * length..end).unwrap_or_default()
    };
    (0..count).map(block).collect()
}

/// Medians of so many neighbours, or of all, the same ones at the ends as the last with as many.
fn smoothed(values: &[f32], neighbours: usize) -> Vec<f32> {
    let near = neighbours.min(values.len());
    let smooth = |n: usize| {
        let from = n.saturating_sub(near / 2).min(values.len() - near);
        let mut near: Vec<f32> = values.iter().skip(from).take(near).copied().collect();
        median(&mut near).unwrap_or(0.0)
    };
    (0..values.len()).map(smooth).collect()
}

/// The value at a sample, interpolated between those of the blocks' centres.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position between zero and the number of blocks"
)]
fn between(values: &[f32], block: usize, at: usize) -> f32 {
    let last = values.len().saturating_sub(1);
    let place = ((float(at) - float(block) / 2.0) / float(block)).max(0.0);
    let before = (place as usize).min(last);
    let value = |n: usize| values.get(n.min(last)).copied().unwrap_or(0.0);
    value(before) + (value(before + 1) - value(before)) * place.fract() as f32
}
