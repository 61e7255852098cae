//! Means and medians, and whole numbers as floats.

/// The middle value, or the mean of the middle two; none of nothing. Reorders the values.
pub fn median(values: &mut [f32]) -> Option<f32> {
    let half = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(half, f32::total_cmp);
    let lower = below.iter().copied().max_by(f32::total_cmp).filter(|_| even);
    Some(lower.map_or(upper, |lower| f32::midpoint(lower, upper)))
}

/// The value that a quarter lie below; none of nothing. Reorders the values.
pub fn lower_quartile(values: &mut [f32]) -> Option<f32> {
    let quarter = values.len() / 4;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(quarter, f32::total_cmp).1)
}

/// None of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / float(values.len()))
}

/// The standard deviation of a sample (n - 1); none of fewer than two values.
pub fn sample_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / float(values.len() - 1)).sqrt())
}

/// A count as a float: exact below 2^53, far above any recording's length.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
pub fn float(count: usize) -> f64 {
    count as f64
}

/// A float as a count, between zero and the largest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0]), Some(3.0));
        assert_eq!(median(&mut [4.0, 1.0]), Some(2.5));
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&mut [9.0, 1.0, 5.0, 6.0]), Some(5.5));
    }
}
