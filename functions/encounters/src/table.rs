//! Where encounters lie: `encounter#ID` holds a head of at most 1 KB, by which it is known who may
//! see the record, and every version of it as it was, packed. The head alone is in the indexes, all
//! of them within a location and sorted by the day of the visit: `location`, `patient`, `provider`,
//! `type`.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::Entry;
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Otherwise, Store, Table};
use shared::values::{Date, Timestamp};
use uuid::Uuid;

use crate::encounter::{Encounter, EncounterType};

/// What is known of a record without its content.
#[derive(Clone, Serialize, Deserialize)]
pub struct Head {
    pub encounter_id: Uuid,
    pub location_id: Uuid,
    pub patient_id: String,
    pub provider_id: String,
    pub encounter_date: Date,
    pub encounter_type: EncounterType,
    /// When its day was changed last, if ever: since then it has its place in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<Timestamp>,
    pub version: u64,
    /// The size of the current version as JSON, in bytes.
    pub bytes: usize,
}

/// A head with the attributes that its indexes need.
#[derive(Serialize)]
struct HeadRow<'a> {
    by_date: String,
    location: Uuid,
    location_patient: String,
    location_provider: String,
    location_type: String,
    #[serde(flatten)]
    head: &'a Head,
}

/// One version: the whole record as JSON, packed.
#[derive(Serialize, Deserialize)]
struct Version {
    encounter_id: Uuid,
    #[serde(with = "serde_bytes")]
    packed: Vec<u8>,
}

fn head_key(id: Uuid) -> ItemKey {
    ItemKey::new(format!("encounter#{id}"), "head")
}

fn version_key(id: Uuid, version: u64) -> ItemKey {
    // As many digits as any version has, so that they are in its order.
    ItemKey::new(format!("encounter#{id}"), format!("v#{version:020}"))
}

pub fn in_location(location: Uuid) -> String {
    location.to_string()
}

/// A partition of what a location has in common with `of`.
pub fn in_location_of(location: Uuid, of: &str) -> String {
    format!("{location}#{of}")
}

impl Head {
    /// Where it stands in each of its indexes.
    pub fn sort_key(&self) -> String {
        format!("{}#{}", self.encounter_date, self.encounter_id)
    }
}

impl<'a> HeadRow<'a> {
    fn of(head: &'a Head) -> Self {
        Self {
            by_date: head.sort_key(),
            location: head.location_id,
            location_patient: in_location_of(head.location_id, &head.patient_id),
            location_provider: in_location_of(head.location_id, &head.provider_id),
            location_type: in_location_of(head.location_id, head.encounter_type.name()),
            head,
        }
    }
}

/// What a record says of its head; its size and when it was moved are added where it is stored.
pub fn head_of(encounter: &Encounter) -> Head {
    Head {
        encounter_id: encounter.record.encounter_id,
        location_id: encounter.record.location_id,
        patient_id: encounter.terms.patient_id.clone(),
        provider_id: encounter.terms.provider_id.clone(),
        encounter_date: encounter.terms.encounter_date,
        encounter_type: encounter.terms.encounter_type,
        moved_at: None,
        version: encounter.record.version,
        bytes: 0,
    }
}

/// A version as it is stored, beside the head that says of it what can be known without it.
fn packed(encounter: &Encounter) -> Result<(Version, Head), Problem> {
    let json = serde_json::to_vec(&(&encounter.record, &encounter.terms))
        .map_err(|_| Problem::bug("an encounter can't be written"))?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(&json).and_then(|()| encoder.finish());
    let packed = packed.map_err(|_| Problem::bug("an encounter can't be packed"))?;
    let version = Version { encounter_id: encounter.record.encounter_id, packed };
    Ok((version, Head { bytes: json.len(), ..head_of(encounter) }))
}

impl Version {
    fn unpacked(&self) -> Result<Encounter, Problem> {
        let mut json = Vec::new();
        let read = DeflateDecoder::new(self.packed.as_slice()).read_to_end(&mut json);
        let unpacked = read.ok().and_then(|_| serde_json::from_slice(&json).ok());
        let (record, terms) =
            unpacked.ok_or_else(|| Problem::bug("a stored encounter can't be read"))?;
        Ok(Encounter { record, terms })
    }
}

pub async fn head(store: &Store, id: Uuid) -> Result<Option<Head>, Problem> {
    store.get(Table::Encounters, &head_key(id)).await
}

/// One version of a record that is there.
pub async fn version(store: &Store, id: Uuid, version: u64) -> Result<Encounter, Problem> {
    let row: Option<Version> = store.get(Table::Encounters, &version_key(id, version)).await?;
    row.ok_or(Problem::NOT_FOUND)?.unpacked()
}

/// A record as it is now, which is there.
pub async fn current(store: &Store, id: Uuid) -> Result<(Head, Encounter), Problem> {
    let head = head(store, id).await?.ok_or(Problem::NOT_FOUND)?;
    let encounter = version(store, id, head.version).await?;
    Ok((head, encounter))
}

/// The records of these heads, each as its head says, in their order.
pub async fn of_heads(store: &Store, heads: &[Head]) -> Result<Vec<Encounter>, Problem> {
    let keys: Vec<_> =
        heads.iter().map(|head| version_key(head.encounter_id, head.version)).collect();
    let rows: Vec<Version> = store.get_many(Table::Encounters, &keys).await?;
    let of = |head: &Head| {
        let row = rows.iter().find(|row| row.encounter_id == head.encounter_id);
        // One transaction wrote both.
        row.ok_or_else(|| Problem::bug("a head without its version"))?.unpacked()
    };
    heads.iter().map(of).collect()
}

pub fn create(encounter: &Encounter, entry: Entry, answer: Answer) -> Result<Change, Problem> {
    let (version, head) = packed(encounter)?;
    let id = head.encounter_id;
    Change::entered(entry, answer)
        .insert(Table::Encounters, &head_key(id), &HeadRow::of(&head), Otherwise::DecideAnew)?
        .insert(Table::Encounters, &version_key(id, head.version), &version, Otherwise::DecideAnew)
}

/// Puts the next version beside those before it.
pub fn amend(
    old: &Head,
    encounter: &Encounter,
    entry: Entry,
    answer: Answer,
) -> Result<Change, Problem> {
    let (version, mut head) = packed(encounter)?;
    let id = head.encounter_id;
    let stays = head.encounter_date == old.encounter_date;
    head.moved_at = if stays { old.moved_at } else { Some(encounter.record.metadata.updated_at) };
    Change::entered(entry, answer)
        .replace(Table::Encounters, &head_key(id), &HeadRow::of(&head), old.version)?
        .insert(Table::Encounters, &version_key(id, head.version), &version, Otherwise::DecideAnew)
}
