//! Leads on electrocardiogram paper: 25 mm/s and 10 mm/mV, squares of 1 mm and 5 mm, a calibration
//! mark of 1 mV and 0.2 s, beats marked. Long windows are cut into strips, one below the other, and
//! simplified until the picture is small enough. Style is in attributes alone.

mod paper;
mod trace;

use std::fmt::Write;

use crate::analysis::statistics::{float, whole};
use paper::{UNITS, clock, foot, head, short, units};
use trace::{DETAILS, Detail, Point, draw};

/// The paper's speed, mm/s, and scale, mm/mV.
const SPEED: f64 = 25.0;
const SCALE: f64 = 10.0;
/// Seconds of a strip, or several times as many where there would be too many rows.
const STRIP_S: f64 = 10.0;
const MOST_ROWS: usize = 720;
/// Room left of the traces for name and calibration mark, right of them, and above and below all, mm.
const LEFT: i64 = 20;
const RIGHT: i64 = 5;
const EDGE: i64 = 5;
const FOOT: i64 = 10;
/// The least width of a picture, mm: that of the line below.
const LEAST_WIDTH: i64 = 160;
/// A row's least height, the room in it that is not the trace's, and the highest trace, mm.
const LEAST_ROW: f64 = 20.0;
const MARGIN: f64 = 8.0;
const MOST_TRACE: f64 = 60.0;
/// The height of a trace without a gain, mm.
const FITTED: f64 = 30.0;
/// Above so many marks of beats only the first lead has them.
const MOST_MARKS: usize = 5_000;
/// Bytes of a picture.
const MOST_BYTES: usize = 960_000;

/// What is drawn.
pub struct Plot<'a> {
    /// The window's start in the recording, and its length, s.
    pub start_s: f64,
    pub duration_s: f64,
    pub rate_hz: f64,
    /// Steps of the converter per mV; without one each lead is scaled to fit.
    pub adc_gain: Option<f64>,
    pub leads: &'a [Lead<'a>],
    /// Beats, as samples from the window's start.
    pub beats: &'a [usize],
}

/// A lead's samples in the window.
pub struct Lead<'a> {
    /// Goes into the picture as it is: of `[A-Za-z0-9+_-]`.
    pub name: &'a str,
    pub samples: &'a [i32],
}

/// A lead on the paper.
struct Scaled<'a> {
    lead: &'a Lead<'a>,
    /// mm a step of the converter.
    step_mm: f64,
    /// mm/mV, where there is a gain.
    scale: Option<f64>,
}

/// One lead in one strip.
struct Row<'a> {
    lead: &'a Scaled<'a>,
    /// The samples, and the number of the first.
    samples: &'a [i32],
    first: usize,
    /// The number of the next strip's first.
    end: usize,
    top: i64,
    height: i64,
    /// The strip's start in the window, s.
    start_s: f64,
    /// Whether it is its strip's first.
    leads_strip: bool,
}

/// The picture.
pub fn svg(plot: &Plot) -> String {
    let leads: Vec<Scaled> = plot.leads.iter().map(|lead| Scaled::new(plot, lead)).collect();
    let rows = rows(plot, &leads);
    let bottom = rows.last().map_or(EDGE * UNITS, |row| row.top + row.height);
    let paper = units(strip_s(plot).min(plot.duration_s) * SPEED) + (LEFT + RIGHT) * UNITS;
    let width = paper.max(LEAST_WIDTH * UNITS);
    let height = bottom + FOOT * UNITS;
    let mut picture = head(width, height, bottom + EDGE * UNITS / 2);
    let mut marked = 0;
    for row in &rows {
        row.label(plot, &mut picture);
        if row.leads_strip || plot.beats.len() * plot.leads.len() <= MOST_MARKS {
            marked += row.mark(plot, &mut picture);
        }
    }
    let most = MOST_BYTES.saturating_sub(picture.len());
    let traces = |detail: &Detail| Some((traces(plot, &rows, *detail, most)?, *detail));
    if let Some((traces, detail)) = DETAILS.iter().find_map(traces) {
        picture.push_str(&traces);
        let smaller = leads.iter().any(|lead| lead.scale.is_some_and(|scale| scale < SCALE));
        foot(plot, smaller, marked > 0, detail, height - 3 * UNITS, &mut picture);
    }
    picture.push_str("</svg>\n");
    picture
}

/// The length of a strip, s.
fn strip_s(plot: &Plot) -> f64 {
    let strips_a_lead = float((MOST_ROWS / plot.leads.len().max(1)).max(1));
    STRIP_S * (plot.duration_s / STRIP_S / strips_a_lead).ceil().max(1.0)
}

impl<'a> Scaled<'a> {
    fn new(plot: &Plot, lead: &'a Lead<'a>) -> Self {
        let strips = lead.samples.chunks(samples(strip_s(plot), plot.rate_hz).max(1));
        let span = strips.map(|strip| range(strip).1).fold(0.0, f64::max);
        let Some(gain) = plot.adc_gain else {
            return Self { lead, step_mm: FITTED / span.max(1.0), scale: None };
        };
        // As machines do, half the scale, and half again, where a trace would fill the page.
        let mut scale = SCALE;
        while span / gain * scale > MOST_TRACE {
            scale /= 2.0;
        }
        Self { lead, step_mm: scale / gain, scale: Some(scale) }
    }
}

/// The largest value, and how far the least lies below it.
fn range(samples: &[i32]) -> (f64, f64) {
    let (least, most) = (samples.iter().min(), samples.iter().max());
    let most = most.copied().map_or(0.0, f64::from);
    (most, most - least.copied().map_or(0.0, f64::from))
}

fn rows<'a>(plot: &Plot, leads: &'a [Scaled]) -> Vec<Row<'a>> {
    let (strip_s, mut top, mut rows) = (strip_s(plot), EDGE * UNITS, Vec::new());
    let mut start_s = 0.0;
    while start_s < plot.duration_s {
        let end_s = (start_s + strip_s).min(plot.duration_s);
        let (from, to) = (samples(start_s, plot.rate_hz), samples(end_s, plot.rate_hz));
        for (n, lead) in leads.iter().enumerate() {
            let all = lead.lead.samples;
            let samples = all.get(from..to.min(all.len())).unwrap_or_default();
            let height_mm = (range(samples).1 * lead.step_mm + MARGIN).max(LEAST_ROW);
            let height = units((height_mm / 5.0).ceil() * 5.0);
            let leads_strip = n == 0;
            rows.push(Row {
                lead,
                samples,
                first: from,
                end: to,
                top,
                height,
                start_s,
                leads_strip,
            });
            top += height;
        }
        start_s += strip_s;
    }
    rows
}

impl Row<'_> {
    /// Name, calibration mark and time.
    fn label(&self, plot: &Plot, picture: &mut String) {
        let (middle, name) = (self.top + self.height / 2, self.lead.lead.name);
        let y = self.top + 4 * UNITS;
        // Eight bold letters fill the room left of the trace.
        let size = 70 * 8 / name.len().max(8);
        let style = format!(r##"font-size="{size}" font-weight="bold" fill="#222""##);
        let _ = write!(picture, r#"<text x="20" y="{y}" {style}>{name}"#);
        picture.push_str("</text>");
        if let Some(scale) = self.lead.scale {
            // Units: a pulse of 5 mm between two feet of 2 mm.
            let rise = units(scale);
            let foot = middle + rise / 2;
            let _ = write!(
                picture,
                r##"<path d="M120 {foot}h40v-{rise}h100v{rise}h40" fill="none" stroke="#222" stroke-width="6"/>"##
            );
            if scale < SCALE {
                let (y, scale) = (self.top + 7 * UNITS, short(scale));
                let _ = write!(
                    picture,
                    r##"<text x="20" y="{y}" font-size="45" fill="#222">{scale} mm/mV</text>"##
                );
            }
        }
        if self.leads_strip && plot.duration_s > strip_s(plot) {
            let (y, time) = (self.top + self.height - UNITS, clock(plot.start_s + self.start_s));
            let _ = write!(
                picture,
                r##"<text x="20" y="{y}" font-size="50" fill="#222">{time}</text>"##
            );
        }
    }

    /// Marks the beats; gives how many.
    fn mark(&self, plot: &Plot, picture: &mut String) -> usize {
        let from = plot.beats.partition_point(|&beat| beat < self.first);
        let inside = plot.beats.iter().skip(from).take_while(|&&beat| beat < self.end);
        let mut marks = String::new();
        let y = self.top + UNITS / 2;
        let count = inside
            .map(|&beat| {
                let x = self.x(plot, beat) - 16;
                let _ = write!(marks, "M{x} {y}h32l-16 30z");
            })
            .count();
        if count > 0 {
            let _ = write!(picture, r##"<path d="{marks}" fill="#1a5fb4"/>"##);
        }
        count
    }

    fn x(&self, plot: &Plot, sample: usize) -> i64 {
        let time_s = float(sample) / plot.rate_hz - self.start_s;
        LEFT * UNITS + units(time_s * SPEED)
    }

    /// The trace, in the middle of its row but below the marks.
    fn points(&self, plot: &Plot) -> impl Iterator<Item = Point> {
        let (most, span) = range(self.samples);
        let step_mm = self.lead.step_mm;
        let spare = (self.height - units(span * step_mm)) / 2;
        let top = self.top + spare.max(units(MARGIN / 2.0));
        let samples = self.samples.iter().zip(self.first..);
        samples.map(move |(&sample, n)| {
            (self.x(plot, n), top + units((most - f64::from(sample)) * step_mm))
        })
    }
}

/// All traces, if they take no more bytes than `most`.
fn traces(plot: &Plot, rows: &[Row], detail: Detail, most: usize) -> Option<String> {
    let mut traces = String::from(
        r##"<g stroke="#111" stroke-width="6" stroke-linejoin="round" stroke-linecap="round">"##,
    );
    for row in rows.iter().filter(|row| !row.samples.is_empty()) {
        traces.push_str(r#"<path d=""#);
        if !draw(row.points(plot), detail, &mut traces, most) {
            return None;
        }
        traces.push_str(r#""/>"#);
    }
    traces.push_str("</g>");
    (traces.len() <= most).then_some(traces)
}

/// The number of the first sample from a time on.
fn samples(time_s: f64, rate_hz: f64) -> usize {
    // What lies within the rounding of a product of a whole sample is that sample.
    usize::try_from(whole((time_s * rate_hz - 1e-6).ceil().max(0.0))).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::synthetic::{LEAD_II, Model};

    fn hour(leads: usize, noise_mv: f64, rate_hz: f64) -> String {
        let model = Model { rate_hz, duration_s: 3_600.0, noise_mv, ..Model::default() };
        let (signal, beats) = (model.lead(&LEAD_II, 0), model.r_waves());
        let leads: Vec<_> = (0..leads).map(|_| Lead { name: "II", samples: &signal }).collect();
        svg(&Plot {
            start_s: 0.0,
            duration_s: 3_600.0,
            rate_hz,
            adc_gain: Some(1_000.0),
            leads: &leads,
            beats: &beats,
        })
    }

    #[test]
    fn an_hour_is_under_a_megabyte() {
        for (leads, noise_mv, rate_hz) in
            [(1, 0.01, 250.0), (1, 0.2, 360.0), (3, 0.05, 125.0), (12, 0.02, 100.0)]
        {
            let picture = hour(leads, noise_mv, rate_hz);
            assert!(picture.len() < 1_000_000, "{leads} leads: {}", picture.len());
            assert!(picture.len() > 200_000);
            assert!(picture.matches("<path").count() > leads);
        }
    }

    #[test]
    fn a_picture_says_what_it_is_drawn_to() {
        let model = Model::default();
        let leads = model.twelve_leads();
        let leads: Vec<Lead> = leads.iter().map(|(name, samples)| Lead { name, samples }).collect();
        let plot = Plot {
            start_s: 3_599.5,
            duration_s: 10.0,
            rate_hz: 500.0,
            adc_gain: Some(1_000.0),
            leads: &leads,
            beats: &model.r_waves(),
        };
        let picture = svg(&plot);
        for part in ["25 mm/s", "10 mm/mV", "59:59.5 to 1:00:09.5", ">aVR<", ">V6<"] {
            assert!(picture.contains(part), "{part}");
        }
        assert!(picture.len() < 200_000);
        let picture = svg(&Plot { adc_gain: None, ..plot });
        assert!(picture.contains("scaled to fit") && !picture.contains("10 mm/mV"));
    }

    #[test]
    fn any_samples_can_be_drawn() {
        let extremes = [i32::MIN, i32::MAX].repeat(3_000);
        for samples in [&[][..], &[5], &[0; 900], &extremes] {
            for rate_hz in [1.0, 250.0, 100_000.0] {
                for adc_gain in [None, Some(1e-9), Some(1.0), Some(1e9)] {
                    let leads = [Lead { name: "x", samples }];
                    let plot = Plot {
                        start_s: 0.0,
                        duration_s: 20.0,
                        rate_hz,
                        adc_gain,
                        leads: &leads,
                        beats: &[0, 7, 5_999],
                    };
                    let picture = svg(&plot);
                    assert!(picture.len() < 1_000_000 && !picture.contains("NaN"));
                }
            }
        }
    }
}
