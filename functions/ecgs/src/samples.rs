//! Where samples lie: coded, in chunks of their own keys, under the upload that brought them. A
//! recording's parts are what it was registered with (0) and its segments (1 up); `parts#ECG` lists
//! those that came, and once all are there `layout#ECG` says what each holds.

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use shared::problem::Problem;
use shared::store::{ItemKey, Partitions, Store, Table};
use uuid::Uuid;

use crate::analysis::codec;
use crate::recording::{Header, Lead, Signal};

/// Samples of a chunk: at 32 bits each 128 KB, far below what an item may have.
const CHUNK: usize = 32_768;
/// What one transaction carries beside the recording itself; more is laid down before it.
const MOST_BYTES: usize = 512 * 1024;
const MOST_CHUNKS: usize = 80;
/// Chunks that are fetched at once: a call gives up to 16 MB.
const FETCHED: usize = 32;

/// A chunk as it is stored.
#[derive(Serialize, Deserialize)]
pub struct Chunk {
    #[serde(flatten)]
    pub key: ItemKey,
    #[serde(with = "serde_bytes")]
    samples: Vec<u8>,
}

/// One part of a recording: where its chunks lie and how many samples each lead has in it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Part {
    pub upload: String,
    pub counts: Vec<u32>,
    /// Over its leads' names and samples, in hex: whether a repetition is one.
    #[serde(default)]
    pub digest: String,
}

/// Which samples the parts of a recording hold of one lead.
pub struct Layout {
    ecg: Uuid,
    lead: usize,
    /// The upload and the number of samples of each part.
    parts: Vec<(String, u64)>,
}

/// A layout as it is stored, one for each lead, or a piece of insights.
#[derive(Serialize, Deserialize)]
pub struct Packed {
    #[serde(flatten)]
    pub key: ItemKey,
    #[serde(with = "serde_bytes")]
    pub packed: Vec<u8>,
}

/// A name for what is about to be laid down, which nothing else has: 16 hex digits.
pub fn new_upload() -> String {
    hex::encode(rand::random::<[u8; 8]>())
}

fn chunk_key(ecg: Uuid, upload: &str, lead: usize, chunk: u64) -> ItemKey {
    ItemKey::new(format!("chunk#{ecg}#{upload}#{lead}#{chunk}"), "chunk")
}

pub fn part_key(ecg: Uuid, number: u32) -> ItemKey {
    ItemKey::new(format!("parts#{ecg}"), format!("{number:05}"))
}

/// A part that isn't one yet: its chunks are on their way.
pub fn pending_key(ecg: Uuid, number: u32, upload: &str) -> ItemKey {
    ItemKey::new(format!("parts#{ecg}"), format!("{number:05}#{upload}"))
}

/// How many samples the segments of a recording have so far.
pub fn counter_key(ecg: Uuid) -> ItemKey {
    ItemKey::new(format!("segments#{ecg}"), "total")
}

fn layout_key(ecg: Uuid, lead: usize) -> ItemKey {
    ItemKey::new(format!("layout#{ecg}"), format!("{lead:02}"))
}

fn uploads_key(ecg: Uuid) -> ItemKey {
    ItemKey::new(format!("layout#{ecg}"), "uploads")
}

impl Part {
    /// The part that these signals make, in the order of the recording's leads.
    pub fn of(header: &Header, signals: &[Signal], upload: &str) -> Self {
        let count = |name: &str| {
            let signal = signals.iter().find(|signal| signal.name == name);
            signal.map_or(0, |signal| u32::try_from(signal.samples.len()).unwrap_or(u32::MAX))
        };
        let mut digest = Context::new(&SHA256);
        for lead in &header.leads {
            for signal in signals.iter().filter(|signal| signal.name == lead.name) {
                digest.update(format!("{} {}\n", signal.name, signal.samples.len()).as_bytes());
                for sample in &signal.samples {
                    digest.update(&sample.to_le_bytes());
                }
            }
        }
        Self {
            upload: upload.to_owned(),
            counts: header.leads.iter().map(|lead| count(&lead.name)).collect(),
            digest: hex::encode(digest.finish()),
        }
    }

    pub fn samples(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    pub fn chunk_keys(&self, ecg: Uuid) -> impl Iterator<Item = ItemKey> {
        self.counts.iter().enumerate().flat_map(move |(lead, count)| {
            let chunks = u64::from(*count).div_ceil(CHUNK as u64);
            (0..chunks).map(move |chunk| chunk_key(ecg, &self.upload, lead, chunk))
        })
    }
}

/// The chunks of signals, to be stored under an upload.
pub fn chunks(header: &Header, signals: &[Signal], upload: &str) -> Vec<Chunk> {
    let mut rows = Vec::new();
    for signal in signals {
        let Some(lead) = header.lead(&signal.name) else { continue };
        for (number, samples) in (0..).zip(signal.samples.chunks(CHUNK)) {
            let key = chunk_key(header.id, upload, lead, number);
            rows.push(Chunk { key, samples: codec::encode(samples) });
        }
    }
    rows
}

/// Whether chunks fit into the transaction that makes them a recording.
pub fn are_few(chunks: &[Chunk]) -> bool {
    let bytes: usize = chunks.iter().map(|chunk| chunk.samples.len()).sum();
    chunks.len() <= MOST_CHUNKS && bytes <= MOST_BYTES
}

/// Every part of a recording that came, by number, and those that are on their way.
pub async fn parts(store: &Store, ecg: Uuid) -> Result<Vec<(u32, bool, Part)>, Problem> {
    #[derive(Deserialize)]
    struct Row {
        sk: String,
        #[serde(flatten)]
        part: Part,
    }
    let list = Partitions::of_table(Table::Samples, format!("parts#{ecg}"));
    let part = |row: Row| {
        let (number, pending) = match row.sk.split_once('#') {
            Some((number, _)) => (number.to_owned(), true),
            None => (row.sk, false),
        };
        Some((number.parse().ok()?, pending, row.part))
    };
    store.all(&list, None, part).await
}

/// What the parts of a complete recording hold, the first being what it was registered with: some
/// 130 KB for each lead at the very most.
pub fn layout(header: &Header, parts: &[Part]) -> Vec<Packed> {
    let uploads = parts.iter().flat_map(|part| hex::decode(&part.upload).unwrap_or_default());
    let mut rows = vec![Packed { key: uploads_key(header.id), packed: uploads.collect() }];
    for lead in 0..header.leads.len() {
        let count = |part: &Part| part.counts.get(lead).copied().unwrap_or_default();
        let counts: Vec<i32> = parts.iter().map(|part| count(part).cast_signed()).collect();
        rows.push(Packed { key: layout_key(header.id, lead), packed: codec::encode(&counts) });
    }
    rows
}

/// What was there lacks: most likely the recording was deleted since its header was read.
pub const MISSING: Problem = Problem::NOT_FOUND;

pub fn are_missing(problem: &Problem) -> bool {
    problem.status() == MISSING.status()
}

impl Layout {
    pub async fn read(store: &Store, header: &Header, lead: usize) -> Result<Self, Problem> {
        let ecg = header.id;
        let first = header.leads.get(lead).map_or(0, |lead| lead.number_of_samples);
        if header.segments.unwrap_or(0) == 0 {
            return Ok(Self { ecg, lead, parts: vec![(header.upload.clone(), first)] });
        }
        let keys = [uploads_key(ecg), layout_key(ecg, lead)];
        let rows: Vec<Packed> = store.get_many(Table::Samples, &keys).await?;
        let packed = |sk: &str| {
            let row = rows.iter().find(|row| row.key.sk == sk);
            row.map(|row| row.packed.as_slice()).ok_or(MISSING)
        };
        let uploads = packed("uploads")?.chunks(8).map(hex::encode);
        let counts = codec::decode(packed(&format!("{lead:02}"))?);
        let counts = counts.ok_or_else(|| Problem::bug("a stored layout can't be read"))?;
        let counts = counts.into_iter().map(|count| u64::from(count.cast_unsigned()));
        Ok(Self { ecg, lead, parts: uploads.zip(counts).collect() })
    }

    /// The keys of the chunks that hold samples from `start` up to `end`, each with the number of
    /// its first sample.
    fn chunks(&self, start: u64, end: u64) -> Vec<(u64, ItemKey)> {
        let (mut keys, mut at) = (Vec::new(), 0);
        for (upload, count) in &self.parts {
            let until = at + count;
            if until > start && at < end {
                let first = start.saturating_sub(at) / CHUNK as u64;
                let last = (end.min(until) - at).div_ceil(CHUNK as u64);
                for chunk in first..last {
                    let key = chunk_key(self.ecg, upload, self.lead, chunk);
                    keys.push((at + chunk * CHUNK as u64, key));
                }
            }
            at = until;
        }
        keys
    }

    /// Hands samples from `start` up to `end` on, piece by piece, in their order.
    pub async fn for_each(
        &self,
        store: &Store,
        start: u64,
        end: u64,
        mut take: impl FnMut(&[i32]),
    ) -> Result<(), Problem> {
        let chunks = self.chunks(start, end);
        for chunks in chunks.chunks(FETCHED) {
            let keys: Vec<ItemKey> = chunks.iter().map(|(_, key)| key.clone()).collect();
            let rows: Vec<Chunk> = store.get_many(Table::Samples, &keys).await?;
            for (first, key) in chunks {
                let row = rows.iter().find(|row| row.key == *key).ok_or(MISSING)?;
                let samples = codec::decode(&row.samples)
                    .ok_or_else(|| Problem::bug("stored samples can't be read"))?;
                let from = usize::try_from(start.saturating_sub(*first)).unwrap_or(usize::MAX);
                let to = usize::try_from(end.saturating_sub(*first)).unwrap_or(usize::MAX);
                let to = to.min(samples.len());
                take(samples.get(from..to).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Samples from `start` up to `end`.
    pub async fn samples(&self, store: &Store, start: u64, end: u64) -> Result<Vec<i32>, Problem> {
        let mut samples = Vec::new();
        self.for_each(store, start, end, |piece| samples.extend_from_slice(piece)).await?;
        Ok(samples)
    }
}

/// The keys of all that was stored of a recording beside its header and its insights.
pub struct Stored {
    /// The chunks of each part, and the row that tells of them.
    pub parts: Vec<(Vec<ItemKey>, Option<ItemKey>)>,
    pub lists: Vec<ItemKey>,
}

pub async fn all_keys(store: &Store, header: &Header) -> Result<Stored, Problem> {
    let id = header.id;
    let mut lists = vec![uploads_key(id), counter_key(id)];
    lists.extend((0..header.leads.len()).map(|lead| layout_key(id, lead)));
    let (mut stored, mut is_first_known) = (Vec::new(), false);
    for (number, pending, part) in parts(store, id).await? {
        let row =
            if pending { pending_key(id, number, &part.upload) } else { part_key(id, number) };
        stored.push((part.chunk_keys(id).collect(), Some(row)));
        is_first_known |= part.upload == header.upload;
    }
    // Part 0 is known by the header, until segments were added to its counts.
    if !is_first_known {
        let count = |lead: &Lead| u32::try_from(lead.number_of_samples).unwrap_or(u32::MAX);
        let counts = header.leads.iter().map(count).collect();
        let first = Part { upload: header.upload.clone(), counts, digest: String::new() };
        stored.push((first.chunk_keys(id).collect(), None));
    }
    Ok(Stored { parts: stored, lists })
}
