//! Times as numbers of samples, at a rate brought down to what beats need.

use crate::analysis::statistics::float;

/// The lowest rate at which a QRS complex can be told, Hz.
pub const LEAST_RATE_HZ: f64 = 40.0;
/// The highest rate accepted, Hz.
const MOST_RATE_HZ: f64 = 100_000.0;
/// Samples are averaged down to a rate from this to under its double, Hz: the band ends at 18 Hz.
const WORKING_RATE_HZ: f64 = 120.0;
/// The length of one block of the level, s.
const BLOCK_S: f64 = 1.8;

/// The working rate.
#[derive(Clone, Copy)]
pub struct Scale {
    /// Samples of the recording that one working sample is the mean of.
    pub every: usize,
    pub rate_hz: f64,
}

impl Scale {
    /// None where no beats can be found at the rate.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from zero to a thousand"
    )]
    pub fn new(rate_hz: f64) -> Option<Self> {
        (LEAST_RATE_HZ..=MOST_RATE_HZ).contains(&rate_hz).then(|| {
            let every = ((rate_hz / WORKING_RATE_HZ) as usize).max(1);
            Self { every, rate_hz: rate_hz / float(every) }
        })
    }

    /// Working samples in a time, at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few seconds at a few hundred Hz"
    )]
    pub fn samples(&self, time_s: f64) -> usize {
        (time_s * self.rate_hz).round().max(1.0) as usize
    }

    /// How long so many samples of the recording are, s.
    pub fn seconds(&self, samples: usize) -> f64 {
        float(samples / self.every) / self.rate_hz
    }

    /// Working samples in a block of the level.
    pub fn block(&self) -> usize {
        self.samples(BLOCK_S)
    }
}
