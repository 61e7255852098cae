//! The paper, and what is written on it.

use std::fmt::Write;

use super::trace::{DETAILS, Detail};
use super::{LEFT, Plot};
use crate::analysis::statistics::{float, whole};

/// Units of the picture in a mm: a unit is 2 ms.
pub const UNITS: i64 = 20;
/// A square of 5 mm with its squares of 1 mm.
const PAPER: &str = r##"<pattern id="paper" width="100" height="100" patternUnits="userSpaceOnUse"><path d="M20 0V100M40 0V100M60 0V100M80 0V100M0 20H100M0 40H100M0 60H100M0 80H100" stroke="#f6cfca" stroke-width="2"/><path d="M0 0H100M0 0V100M100 0V100M0 100H100" stroke="#e79f97" stroke-width="5"/></pattern>"##;

/// The paper.
pub fn head(width: i64, height: i64, paper: i64) -> String {
    let cell = PAPER;
    let (width_mm, height_mm) = (width / UNITS, height / UNITS);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width_mm}mm" height="{height_mm}mm" viewBox="0 0 {width} {height}" fill="none" font-family="Helvetica, Arial, sans-serif" role="img"><title>Electrocardiogram</title><defs>{cell}</defs><rect width="{width}" height="{height}" fill="#fff"/><rect width="{width}" height="{paper}" fill="#fffaf8"/><rect width="{width}" height="{paper}" fill="url(#paper)"/>"##
    )
}

/// What the picture is drawn to. `smaller`: some leads have a smaller scale.
pub fn foot(
    plot: &Plot,
    smaller: bool,
    marked: bool,
    detail: Detail,
    y: i64,
    picture: &mut String,
) {
    let (start, end) = (clock(plot.start_s), clock(plot.start_s + plot.duration_s));
    let mut parts = vec!["25 mm/s".to_owned()];
    parts.push(match plot.adc_gain {
        None => "no gain: each lead scaled to fit".to_owned(),
        Some(_) if smaller => "10 mm/mV unless marked".to_owned(),
        Some(_) => "10 mm/mV".to_owned(),
    });
    parts.push(format!("{start} to {end}"));
    if marked {
        parts.push("&#9660; R wave, found by software".to_owned());
    }
    if detail.tolerance > DETAILS[1].tolerance {
        let coarse_mm =
            float(usize::try_from(detail.tolerance.max(detail.column)).unwrap_or(0)) / 20.0;
        parts.push(format!("simplified to {coarse_mm} mm"));
    }
    let (x, text) = (LEFT * UNITS, parts.join(" &#183; "));
    let _ = write!(picture, r##"<text x="{x}" y="{y}" font-size="60" fill="#222">{text}</text>"##);
}

/// A scale in few digits.
pub fn short(scale: f64) -> String {
    let rounded = (scale * 1e3).round() / 1e3;
    if rounded > 0.01 { rounded.to_string() } else { format!("{scale:.1e}") }
}

/// Hours, minutes and seconds.
pub fn clock(time_s: f64) -> String {
    let tenths = whole((time_s * 10.0).round());
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let part = if tenth == 0 { String::new() } else { format!(".{tenth}") };
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}{part}")
    } else {
        format!("{minutes}:{seconds:02}{part}")
    }
}

/// Units of the picture.
#[expect(clippy::cast_possible_truncation, reason = "a float's cast saturates")]
pub fn units(mm: f64) -> i64 {
    (mm * 20.0).round() as i64
}
