//! How far beats stand out of what lies between them: noise has peaks as well, but they stand out
//! little.

use super::envelope::Envelope;
use super::scale::Scale;
use crate::analysis::statistics::{lower_quartile, median};

/// The contrast of beats on a baseline without any noise.
const MOST: f32 = 1_000.0;
/// Of the envelope every so many samples are enough for its quartile.
const SPARSE: usize = 4;

/// Hum that begins or ends looks like a beat: those so near to an end don't count, s, ...
const END_S: f64 = 0.3;
/// ... where the window is longer than this, s.
const SHORT_S: f64 = 3.0;

/// The median of the beats' envelopes over the lower quartile of the whole window's: about 2 in
/// white noise, whatever the rate, 10 and more in a good recording. Zero without beats.
pub fn contrast(beats: &[usize], envelope: &Envelope, scale: &Scale) -> f32 {
    let length = envelope.energy().len();
    let end = if length > scale.samples(SHORT_S) { scale.samples(END_S) } else { 0 };
    let inside = beats.iter().filter(|&&beat| beat >= end && beat + end < length);
    let mut heights: Vec<f32> = inside.map(|&beat| envelope.root_at(beat)).collect();
    let mut energy: Vec<f32> = envelope.energy().iter().copied().step_by(SPARSE).collect();
    let (Some(height), Some(calm)) = (median(&mut heights), lower_quartile(&mut energy)) else {
        return 0.0;
    };
    let calm = calm.sqrt();
    if calm > 0.0 { (height / calm).min(MOST) } else { MOST }
}
