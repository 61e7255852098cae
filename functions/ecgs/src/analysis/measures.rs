//! What can be counted of one lead's samples, piece by piece, in whole numbers.

use crate::analysis::statistics::whole;

/// A run of equal values is flat from this time on, s, ...
const FLAT_S: f64 = 0.2;
/// ... and from this number of samples where there is no rate.
const FLAT_SAMPLES: u64 = 100;
/// A run of an extreme value is clipped from this number of samples on.
const CLIPPED_SAMPLES: u64 = 3;

/// The measures of a lead's samples as sent; crossings and touches on those less `adc_zero`.
#[derive(Clone, PartialEq)]
pub struct Measures {
    pub number_of_samples: u64,
    /// Changes of sign between a sample that isn't zero and the next that isn't.
    pub number_of_zero_crossings: u64,
    /// Runs of zeros, entered from a sample that isn't zero, that no change of sign follows.
    pub number_of_zero_touches: u64,
    /// None of no samples, as the three below.
    pub minimum: Option<i32>,
    pub maximum: Option<i32>,
    pub mean: Option<f64>,
    pub rms: Option<f64>,
    /// The share of samples in runs of equal value for 0.2 s or longer.
    pub flat_fraction: f64,
    /// The share of samples at the least or the largest value in runs of three or more.
    pub clipped_fraction: f64,
}

/// Takes a lead's samples, in any pieces, and gives its [`Measures`]: exactly, for any samples up
/// to 2^32 of them.
pub struct LeadMeasures {
    zero: i64,
    flat_from: u64,
    /// The run that isn't over: its value and length.
    run: Option<(i32, u64)>,
    samples: u64,
    sum: i128,
    squares: i128,
    zeros: Zeros,
    least: Extreme,
    largest: Extreme,
    flat: u64,
}

impl LeadMeasures {
    pub fn new(adc_zero: i32, rate_hz: Option<f64>) -> Self {
        Self {
            zero: adc_zero.into(),
            // A single sample is no run.
            flat_from: rate_hz.map_or(FLAT_SAMPLES, |rate| whole((FLAT_S * rate).ceil()).max(2)),
            run: None,
            samples: 0,
            sum: 0,
            squares: 0,
            zeros: Zeros::default(),
            least: Extreme::default(),
            largest: Extreme::default(),
            flat: 0,
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[i32]) {
        for run in samples.chunk_by(|a, b| a == b) {
            let Some(&value) = run.first() else { continue };
            let length = run.len() as u64;
            match &mut self.run {
                Some((before, so_far)) if *before == value => *so_far += length,
                run => {
                    let ended = run.replace((value, length));
                    self.end(ended);
                }
            }
        }
    }

    pub fn finish(mut self) -> Measures {
        let ended = self.run.take();
        self.end(ended);
        let per_sample = |total: i128| quotient(total, self.samples.into());
        let clipped = if self.least.value == self.largest.value {
            self.least.clipped
        } else {
            self.least.clipped + self.largest.clipped
        };
        Measures {
            number_of_samples: self.samples,
            number_of_zero_crossings: self.zeros.crossings,
            number_of_zero_touches: self.zeros.touches + u64::from(self.zeros.within),
            minimum: self.least.value,
            maximum: self.largest.value,
            mean: per_sample(self.sum),
            rms: per_sample(self.squares).map(f64::sqrt),
            flat_fraction: per_sample(self.flat.into()).unwrap_or(0.0),
            clipped_fraction: per_sample(clipped.into()).unwrap_or(0.0),
        }
    }

    fn end(&mut self, run: Option<(i32, u64)>) {
        let Some((value, length)) = run else { return };
        let wide = i64::from(value);
        self.samples += length;
        self.sum += i128::from(wide) * i128::from(length);
        self.squares += i128::from(wide * wide) * i128::from(length);
        self.zeros.take((wide - self.zero).signum());
        self.least.take(value, length, |value, least| value < least);
        self.largest.take(value, length, |value, largest| value > largest);
        if length >= self.flat_from {
            self.flat += length;
        }
    }
}

/// A quotient of whole numbers, its whole part exact; none of none.
#[expect(clippy::cast_precision_loss, reason = "after the division: to the nearest float")]
fn quotient(total: i128, count: i128) -> Option<f64> {
    let whole = total.checked_div_euclid(count)?;
    Some(whole as f64 + (total - whole * count) as f64 / count as f64)
}

/// Crossings and touches of zero.
#[derive(Default)]
struct Zeros {
    /// The last sign that wasn't zero; zero before there was one.
    sign: i64,
    /// In a run of zeros entered from a sample that isn't zero.
    within: bool,
    crossings: u64,
    touches: u64,
}

impl Zeros {
    fn take(&mut self, sign: i64) {
        if sign == 0 {
            self.within = self.sign != 0;
            return;
        }
        if sign == -self.sign {
            self.crossings += 1;
        } else if self.within {
            self.touches += 1;
        }
        *self = Self { sign, within: false, ..*self };
    }
}

/// The most extreme value so far, and the samples at it in long enough runs.
#[derive(Default)]
struct Extreme {
    value: Option<i32>,
    clipped: u64,
}

impl Extreme {
    fn take(&mut self, value: i32, length: u64, beyond: fn(i32, i32) -> bool) {
        let clipped = if length >= CLIPPED_SAMPLES { length } else { 0 };
        if self.value.is_none_or(|extreme| beyond(value, extreme)) {
            *self = Self { value: Some(value), clipped };
        } else if self.value == Some(value) {
            self.clipped += clipped;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(signal: &[i32]) -> Measures {
        let mut measures = LeadMeasures::new(0, None);
        measures.push(signal);
        measures.finish()
    }

    fn crossings_and_touches(signal: &[i32]) -> (u64, u64) {
        let measures = of(signal);
        (measures.number_of_zero_crossings, measures.number_of_zero_touches)
    }

    #[test]
    fn crossings_and_touches_are_those_of_the_contract() {
        assert_eq!(crossings_and_touches(&[1, 0, -1]), (1, 0));
        assert_eq!(crossings_and_touches(&[1, 0, 1]), (0, 1));
        assert_eq!(crossings_and_touches(&[1, 0]), (0, 1));
        assert_eq!(crossings_and_touches(&[0, 1]), (0, 0));
        assert_eq!(crossings_and_touches(&[1, 0, -1, 0, 1, 0, 0, 1]), (2, 1));
        assert_eq!(crossings_and_touches(&[1, -2, 0, 3, -4, 0, 0, 5, 6, -7]), (5, 0));
        assert_eq!(crossings_and_touches(&[]), (0, 0));
        assert_eq!(crossings_and_touches(&[0, 0, 0]), (0, 0));
    }

    #[test]
    fn zero_is_where_the_converter_has_it() {
        let mut measures = LeadMeasures::new(i32::MIN, None);
        measures.push(&[i32::MAX, i32::MIN, i32::MIN, 0]);
        let measures = measures.finish();
        assert_eq!(measures.number_of_zero_crossings, 0);
        assert_eq!(measures.number_of_zero_touches, 1);
        assert_eq!(measures.minimum, Some(i32::MIN));
    }

    #[test]
    fn extremes_are_counted_exactly() {
        let measures = of(&[i32::MIN; 4_000]);
        assert_eq!(measures.mean, Some(f64::from(i32::MIN)));
        assert_eq!(measures.rms, Some(-f64::from(i32::MIN)));
        let by_turns: Vec<i32> = [i32::MIN, i32::MAX].repeat(5_000);
        assert_eq!(of(&by_turns).mean, Some(-0.5));
        assert_eq!(of(&by_turns).number_of_zero_crossings, 9_999);
        assert!(of(&[]).mean.is_none() && of(&[]).rms.is_none() && of(&[]).minimum.is_none());
    }

    #[test]
    fn flat_is_a_fifth_of_a_second_of_one_value() {
        let flat = |length: usize, rate_hz| {
            let mut measures = LeadMeasures::new(0, rate_hz);
            let moving = (0..1_000 - length).map(|n| 1 + i32::from(n % 2 == 0));
            measures.push(&vec![7; length]);
            measures.push(&moving.collect::<Vec<_>>());
            measures.finish().flat_fraction
        };
        let none = |fraction: f64| fraction.abs() < 1e-12;
        assert!(none(flat(99, None)) && (flat(100, None) - 0.1).abs() < 1e-12);
        assert!(none(flat(71, Some(360.0))) && (flat(72, Some(360.0)) - 0.072).abs() < 1e-12);
        assert!(none(flat(1, Some(1.0))) && (flat(2, Some(1.0)) - 0.002).abs() < 1e-12);
    }

    #[test]
    fn clipped_is_three_of_an_extreme_value_in_a_row() {
        let clipped = |signal: &[i32]| of(signal).clipped_fraction;
        assert!((clipped(&[5, 5, 5, 1, 2, 5, 5, 1, 2, 3]) - 0.3).abs() < 1e-12);
        assert!((clipped(&[5, 5, 5, 6, 2, 0, 0, 0, 0, 3]) - 0.4).abs() < 1e-12);
        assert!((clipped(&[5, 5, 5, 0, 0, 0, 9, 9, 9, 1]) - 0.6).abs() < 1e-12);
        assert!((clipped(&[4; 10]) - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            signal in prop_oneof![
                prop::collection::vec(-2..3, 1..300),
                prop::collection::vec(any::<i32>(), 1..300),
            ],
            length in 1_usize..50,
        ) {
            let mut measures = LeadMeasures::new(0, None);
            signal.chunks(length).for_each(|piece| measures.push(piece));
            let (measures, whole) = (measures.finish(), of(&signal));
            prop_assert!(measures == whole);
            prop_assert_eq!(whole.minimum, signal.iter().min().copied());
            prop_assert_eq!(whole.maximum, signal.iter().max().copied());
            let signs: Vec<i32> =
                signal.iter().map(|sample| sample.signum()).filter(|sign| *sign != 0).collect();
            let crossings = signs.windows(2).filter(|pair| pair[0] != pair[1]).count();
            prop_assert_eq!(whole.number_of_zero_crossings, crossings as u64);
            let count = f64::from(u32::try_from(signal.len()).unwrap());
            let mean = signal.iter().map(|&sample| f64::from(sample)).sum::<f64>() / count;
            prop_assert!((whole.mean.unwrap() - mean).abs() <= 1e-9 * mean.abs().max(1.0));
        }
    }
}
