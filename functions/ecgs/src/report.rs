//! Insights as they are answered, and where they lie: packed, in pieces, under a name of each
//! analysis.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use shared::problem::Problem;
use shared::store::{ItemKey, Partitions, Store, Table};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::analysis::insights::{ALGORITHM_VERSION, Insights, Recording};
use crate::analysis::rhythm::Flag;
use crate::recording::{Header, Laid};
use crate::samples::{MISSING, Packed, new_upload};

const DISCLAIMER: &str = "Computed without a physician. No figure and no flag here is a diagnosis.";

/// Beats that are listed: some 4.5 MB, where Lambda gives up to 6 MB.
const MOST_BEATS: usize = 500_000;
/// Bytes of a piece.
const PIECE: usize = 300 * 1024;

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Report<'a> {
    ecg_id: Uuid,
    status: &'static str,
    algorithm_version: &'static str,
    computed_at: Timestamp,
    leads: Vec<Lead<'a>>,
    rhythm: Option<Rhythm<'a>>,
    not_computable: Vec<NotComputable<'a>>,
    disclaimer: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lead<'a> {
    name: &'a str,
    number_of_samples: u64,
    number_of_zero_crossings: u64,
    number_of_zero_touches: u64,
    minimum: Option<i32>,
    maximum: Option<i32>,
    mean: Option<f64>,
    rms: Option<f64>,
    quality: Quality,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quality {
    usable: bool,
    score: Option<f64>,
    flat_fraction: f64,
    clipped_fraction: f64,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rhythm<'a> {
    lead: &'a str,
    beats: usize,
    /// Null where there are too many for an answer.
    beat_samples: Option<&'a [usize]>,
    heart_rate_bpm: Option<HeartRate>,
    hrv: Option<Variability>,
    flags: Vec<&'static str>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartRate {
    mean: f64,
    minimum: f64,
    maximum: f64,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Variability {
    sdnn_ms: f64,
    rmssd_ms: f64,
    pnn50: f64,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotComputable<'a> {
    what: &'a str,
    reason: &'static str,
}

const UNLISTED: NotComputable<'static> = NotComputable {
    what: "rhythm.beat_samples",
    reason: "There are more than 500,000 beats, too many for one answer.",
};

fn are_listed(beats: &&[usize]) -> bool {
    beats.len() <= MOST_BEATS
}

fn partition(ecg: Uuid) -> String {
    format!("insights#{ecg}")
}

fn key(ecg: Uuid, name: &str, piece: u32) -> ItemKey {
    ItemKey::new(partition(ecg), format!("{name}#{piece:05}"))
}

/// The keys of a recording's insights.
pub fn keys(header: &Header) -> Vec<ItemKey> {
    let laid = header.insights.iter();
    laid.flat_map(|laid| (0..laid.pieces).map(|piece| key(header.id, &laid.name, piece))).collect()
}

/// The keys of all insights that were ever laid down for a recording.
pub async fn all_keys(store: &Store, header: &Header) -> Result<Vec<ItemKey>, Problem> {
    let all = Partitions::of_table(Table::Samples, partition(header.id));
    store.all(&all, None, Some).await
}

impl<'a> Report<'a> {
    fn of(id: Uuid, recording: &'a Recording, insights: &'a Insights, now: Timestamp) -> Self {
        let lead = |lead: &'a crate::analysis::insights::Lead| Lead {
            name: &lead.name,
            number_of_samples: lead.measures.number_of_samples,
            number_of_zero_crossings: lead.measures.number_of_zero_crossings,
            number_of_zero_touches: lead.measures.number_of_zero_touches,
            minimum: lead.measures.minimum,
            maximum: lead.measures.maximum,
            mean: lead.measures.mean,
            rms: lead.measures.rms,
            quality: Quality {
                usable: lead.quality.usable,
                score: lead.quality.score,
                flat_fraction: lead.quality.flat_fraction,
                clipped_fraction: lead.quality.clipped_fraction,
            },
        };
        let rhythm = insights.rhythm.as_ref().map(|rhythm| Rhythm {
            lead: &rhythm.lead,
            beats: rhythm.beat_samples.len(),
            beat_samples: Some(rhythm.beat_samples.as_slice()).filter(are_listed),
            heart_rate_bpm: rhythm.heart_rate.map(|rate| HeartRate {
                mean: rate.mean_bpm,
                minimum: rate.minimum_bpm,
                maximum: rate.maximum_bpm,
            }),
            hrv: rhythm.variability.map(|hrv| Variability {
                sdnn_ms: hrv.sdnn_ms,
                rmssd_ms: hrv.rmssd_ms,
                pnn50: hrv.pnn50,
            }),
            flags: rhythm.flags.iter().copied().map(Flag::name).collect(),
        });
        let missing = insights.not_computable.iter();
        let missing = missing.map(|m| NotComputable { what: &m.what, reason: m.reason });
        let has_too_many = rhythm.as_ref().is_some_and(|rhythm| rhythm.beat_samples.is_none());
        let unlisted = has_too_many.then_some(UNLISTED);
        Self {
            ecg_id: id,
            status: "done",
            algorithm_version: ALGORITHM_VERSION,
            computed_at: now,
            leads: recording.leads.iter().map(lead).collect(),
            rhythm,
            not_computable: missing.chain(unlisted).collect(),
            disclaimer: DISCLAIMER,
        }
    }
}

/// Lays the insights of a recording down: the header that says so.
pub async fn keep(
    store: &Store,
    header: &Header,
    recording: &Recording,
) -> Result<Header, Problem> {
    let insights = Insights::of(recording);
    let report = Report::of(header.id, recording, &insights, Timestamp::now());
    let json =
        serde_json::to_vec(&report).map_err(|_| Problem::bug("insights can't be written"))?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(&json).and_then(|()| encoder.finish());
    let packed = packed.map_err(|_| Problem::bug("insights can't be packed"))?;
    let name = new_upload();
    let piece = |(number, packed): (u32, &[u8])| Packed {
        key: key(header.id, &name, number),
        packed: packed.to_vec(),
    };
    let pieces: Vec<Packed> = (0..).zip(packed.chunks(PIECE)).map(piece).collect();
    store.lay(Table::Samples, &pieces).await?;
    let pieces =
        u32::try_from(pieces.len()).map_err(|_| Problem::bug("insights of too many pieces"))?;
    let insights = Some(Laid { name, pieces });
    Ok(Header { algorithm_version: Some(ALGORITHM_VERSION.to_owned()), insights, ..header.clone() })
}

/// The insights of a recording that has some, as JSON.
pub async fn read(store: &Store, header: &Header) -> Result<Vec<u8>, Problem> {
    let keys = keys(header);
    let mut pieces: Vec<Packed> = store.get_many(Table::Samples, &keys).await?;
    if pieces.len() < keys.len() {
        return Err(MISSING);
    }
    pieces.sort_by(|a, b| a.key.cmp(&b.key));
    let packed: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.packed).collect();
    let mut json = Vec::new();
    let unpacked = DeflateDecoder::new(packed.as_slice()).read_to_end(&mut json);
    unpacked.map(|_| json).map_err(|_| Problem::bug("stored insights can't be read"))
}

/// The beats of a recording that has insights, by their samples.
pub async fn beats(store: &Store, header: &Header) -> Result<Vec<u64>, Problem> {
    #[derive(Deserialize)]
    struct Stored {
        rhythm: Option<Beats>,
    }
    #[derive(Deserialize)]
    struct Beats {
        beat_samples: Option<Vec<u64>>,
    }
    let json = read(store, header).await?;
    let stored: Stored =
        serde_json::from_slice(&json).map_err(|_| Problem::bug("stored beats can't be read"))?;
    Ok(stored.rhythm.and_then(|rhythm| rhythm.beat_samples).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::analysis::rhythm::Rhythm;

    /// What is answered of a rhythm with so many beats.
    fn answered(beats: usize) -> Value {
        let rhythm = Rhythm {
            lead: "II".to_owned(),
            beat_samples: (0..beats).collect(),
            heart_rate: None,
            variability: None,
            flags: Vec::new(),
        };
        let insights = Insights { rhythm: Some(rhythm), not_computable: Vec::new() };
        let recording = Recording { leads: Vec::new(), rate_hz: Some(250.0) };
        let report = Report::of(Uuid::nil(), &recording, &insights, Timestamp::now());
        serde_json::to_value(&report).unwrap_or_default()
    }

    #[test]
    fn more_beats_than_an_answer_holds_are_counted_and_said_not_to_be_listed() {
        let most = answered(MOST_BEATS);
        assert_eq!(most["rhythm"]["beat_samples"].as_array().map(Vec::len), Some(MOST_BEATS));
        assert_eq!(most["not_computable"], json!([]));
        let more = answered(MOST_BEATS + 1);
        assert_eq!(more["rhythm"]["beats"], MOST_BEATS + 1);
        assert_eq!(more["rhythm"]["beat_samples"], Value::Null);
        assert_eq!(more["not_computable"][0]["what"], "rhythm.beat_samples");
    }
}
