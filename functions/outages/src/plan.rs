//! A payload as it is kept: compressed, in chunks that fit into items.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use shared::problem::Problem;
use shared::store::{ItemKey, Store, Table};
use uuid::Uuid;

use crate::outage::MOST_PAYLOAD_BYTES;

/// An item has up to 400 KB.
const CHUNK_BYTES: usize = 350_000;

/// What is known of a payload that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The run that made it.
    pub run_id: Uuid,
    pub sha256: String,
    /// Its outages.
    pub outages: u64,
    pub chunks: usize,
    /// Chunks that are there.
    pub stored: usize,
}

/// A payload that is about to be posted.
pub struct Plan {
    pub kept: Kept,
    pub payload: Bytes,
    chunks: Vec<Bytes>,
}

/// One chunk as it lies in the table.
#[derive(Serialize, Deserialize)]
pub struct Chunk {
    #[serde(flatten)]
    pub key: ItemKey,
    pub bytes: Bytes,
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

impl Plan {
    pub fn new(run_id: Uuid, payload: Vec<u8>, outages: u64) -> Result<Self, Problem> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let compressed = encoder.write_all(&payload).and_then(|()| encoder.finish());
        let compressed = compressed.map_err(|_| Problem::bug("a payload can't be packed"))?;
        let compressed = Bytes::from(compressed);
        let chunks: Vec<_> =
            compressed.chunks(CHUNK_BYTES).map(|chunk| compressed.slice_ref(chunk)).collect();
        let sha256 = sha256(&payload);
        let kept = Kept { run_id, sha256, outages, chunks: chunks.len(), stored: 0 };
        Ok(Self { kept, payload: payload.into(), chunks })
    }

    /// The chunks from one on, as they are to be stored.
    pub fn rows(&self, site: &str, from: usize) -> impl Iterator<Item = Chunk> {
        let rows = self.chunks.iter().enumerate().skip(from);
        rows.map(move |(number, bytes)| Chunk {
            key: key(self.kept.run_id, site, number),
            bytes: bytes.clone(),
        })
    }
}

impl Kept {
    pub fn keys(&self, site: &str) -> Vec<ItemKey> {
        (0..self.chunks).map(|number| key(self.run_id, site, number)).collect()
    }

    /// The payload itself; None where not all of it is there any more.
    pub async fn read(&self, store: &Store, site: &str) -> Result<Option<Vec<u8>>, Problem> {
        let mut chunks: Vec<Chunk> = store.get_many(Table::Plans, &self.keys(site)).await?;
        chunks.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let compressed: Vec<u8> =
            chunks.iter().flat_map(|chunk| chunk.bytes.iter()).copied().collect();
        let mut payload = Vec::new();
        let mut decoder = ZlibDecoder::new(&*compressed).take(MOST_PAYLOAD_BYTES as u64 + 1);
        let read = decoder.read_to_end(&mut payload);
        Ok((read.is_ok() && sha256(&payload) == self.sha256).then_some(payload))
    }
}

fn key(run: Uuid, site: &str, number: usize) -> ItemKey {
    ItemKey::new(format!("plan#{run}#{site}"), format!("{number:04}"))
}
