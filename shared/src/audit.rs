//! The audit entry: who did what to which item, when and from where. It names fields and never
//! holds their values.

use std::borrow::Cow;

use ring::hmac;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::Caller;
use crate::config::RotatingSecret;
use crate::store::{shard, shards};
use crate::values::{Date, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Create,
    Read,
    Update,
    Delete,
}

impl Access {
    pub const NAMES: [&'static str; 4] = ["create", "read", "update", "delete"];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    /// No scope, another's, or another location's.
    Denied,
    NotFound,
    /// Another location's, read in an emergency.
    Emergency,
}

/// What is audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemType {
    Encounters,
    Coupons,
    Redemptions,
    Ecgs,
    Users,
    Keys,
    Locations,
    Payoffs,
    Franchises,
    Outages,
    /// Reads of the audit, which can't be asked for.
    Audits,
}

impl ItemType {
    /// Those that can be asked for.
    pub const ALL: [Self; 10] = [
        Self::Encounters,
        Self::Coupons,
        Self::Redemptions,
        Self::Ecgs,
        Self::Users,
        Self::Keys,
        Self::Locations,
        Self::Payoffs,
        Self::Franchises,
        Self::Outages,
    ];

    /// The plural that its path begins with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encounters => "encounters",
            Self::Coupons => "coupons",
            Self::Redemptions => "redemptions",
            Self::Ecgs => "ecgs",
            Self::Users => "users",
            Self::Keys => "keys",
            Self::Locations => "locations",
            Self::Payoffs => "payoffs",
            Self::Franchises => "franchises",
            Self::Outages => "outages",
            Self::Audits => "audits",
        }
    }

    /// One that can be asked for.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.name() == name)
    }

    /// Whether its entries belong to a location.
    pub fn is_of_location(self) -> bool {
        matches!(self, Self::Encounters | Self::Payoffs)
    }
}

/// What was touched.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    pub item_type: ItemType,
    pub item_id: Uuid,
}

/// One access. Stored under its item, ordered by its id (UUIDv7).
#[derive(Clone, Serialize, Deserialize)]
pub struct Entry {
    pub id: Uuid,
    pub timestamp_epoch_ms: i64,
    pub username: String,
    /// None for the administrator and for workers.
    pub user_id: Option<Uuid>,
    pub service: Option<String>,
    pub location_id: Option<Uuid>,
    /// The name of an `ItemType`, or whatever a forged row has.
    pub item_type: Cow<'static, str>,
    /// None where a list was asked for and refused.
    pub item_id: Option<Uuid>,
    pub access_type: Access,
    pub outcome: Outcome,
    /// The names of the fields that were given or changed.
    pub changed: Vec<Cow<'static, str>>,
    pub request_id: String,
    pub source_ip: Option<String>,
    /// Why a record was read in an emergency, in the reader's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whom it concerns; what is stored of it is a tag alone, made when the entry is signed.
    #[serde(skip)]
    pub patient_id: Option<String>,
}

/// An entry as it lies in the table.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredEntry {
    pub pk: String,
    pub sk: String,
    /// Where lists of its type find it.
    pub listed_in: String,
    /// Where the sweep for unsealed entries finds it.
    pub day: String,
    /// Where a search for a patient finds it: `patient_tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    #[serde(flatten)]
    pub entry: Entry,
    /// HMAC-SHA256 by `AUDIT_SECRET` over all of the above as JSON, in hex: a row that was put by
    /// someone without the secret is known by it.
    pub hmac: String,
}

impl Entry {
    pub fn new(
        caller: &Caller,
        access: Access,
        subject: Subject,
        changed: &[&'static str],
    ) -> Self {
        Self::of(caller, access, subject.item_type, Some(subject.item_id), changed)
    }

    /// What concerns no single item: a list that was refused, or one of the audit's own.
    pub fn of_list(caller: &Caller, access: Access, item_type: ItemType) -> Self {
        Self::of(caller, access, item_type, None, &[])
    }

    fn of(
        caller: &Caller,
        access_type: Access,
        item_type: ItemType,
        item_id: Option<Uuid>,
        changed: &[&'static str],
    ) -> Self {
        let id = Uuid::now_v7();
        Self {
            id,
            timestamp_epoch_ms: ms_of(id).unwrap_or_else(|| Timestamp::now().ms()),
            username: caller.username().to_owned(),
            user_id: caller.user_id(),
            service: caller.service().map(str::to_owned),
            // Where the location that was named isn't the caller's, its first.
            location_id: caller.location_id().or(caller.location_ids().first().copied()),
            item_type: Cow::Borrowed(item_type.name()),
            item_id,
            access_type,
            outcome: Outcome::Success,
            changed: changed.iter().copied().map(Cow::Borrowed).collect(),
            request_id: caller.request_id().to_owned(),
            source_ip: caller.source_ip().map(|ip| ip.to_string()),
            reason: None,
            patient_id: None,
        }
    }

    /// Under the item's own location.
    #[must_use]
    pub fn at(self, location_id: Uuid) -> Self {
        Self { location_id: Some(location_id), ..self }
    }

    /// Found by the patient whom it concerns.
    #[must_use]
    pub fn of_patient(self, patient_id: &str) -> Self {
        Self { patient_id: Some(patient_id.to_owned()), ..self }
    }

    /// What became of it.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// The partition of an item's entries; those that concern no single item share one for each
    /// location.
    fn partition(&self) -> String {
        match (self.item_id, self.location_id) {
            (Some(id), _) => format!("{}#{id}", self.item_type),
            (None, Some(location)) => format!("{}#list#{location}", self.item_type),
            (None, None) => format!("{}#list", self.item_type),
        }
    }

    pub(crate) fn signed(self, secret: &RotatingSecret) -> Result<StoredEntry, serde_json::Error> {
        let patient = self.patient_id.as_deref();
        let patient = patient.map(|id| patient_tag(self.location_id, id, secret.first()));
        let stored = self.stored(patient);
        let tag = hmac::sign(&key(secret.first()), &serde_json::to_vec(&stored)?);
        Ok(StoredEntry { hmac: hex::encode(tag), ..stored })
    }

    /// As it lies in the table, not yet signed.
    fn stored(self, patient: Option<String>) -> StoredEntry {
        let day = Timestamp::from_ms(self.timestamp_epoch_ms).map(Timestamp::day);
        StoredEntry {
            pk: self.partition(),
            sk: self.id.to_string(),
            listed_in: listed_in(&self.item_type, self.location_id, shard(self.id)),
            day: day.map(|day| in_day(day, shard(self.id))).unwrap_or_default(),
            patient,
            entry: self,
            hmac: String::new(),
        }
    }
}

impl StoredEntry {
    /// Whether somebody with the secret, in any of its versions, wrote this entry as it stands,
    /// where it stands.
    pub fn is_genuine(&self, secret: &RotatingSecret) -> bool {
        let expected = self.entry.clone().stored(self.patient.clone());
        let placed = self.pk == expected.pk
            && self.sk == expected.sk
            && self.listed_in == expected.listed_in
            && self.day == expected.day;
        let (Ok(tag), Ok(bytes)) = (hex::decode(&self.hmac), serde_json::to_vec(&expected)) else {
            return false;
        };
        placed && secret.all().any(|secret| hmac::verify(&key(secret), &bytes, &tag).is_ok())
    }
}

fn listed_in(item_type: &str, location: Option<Uuid>, shard: u8) -> String {
    let is_of_location = ItemType::parse(item_type).is_some_and(ItemType::is_of_location);
    match location.filter(|_| is_of_location) {
        Some(location) => format!("{item_type}#{location}#{shard}"),
        None => format!("{item_type}#{shard}"),
    }
}

/// The partitions of a list of entries, of one location where they belong to one.
pub fn lists(item_type: ItemType, location: Option<Uuid>) -> Vec<String> {
    shards(|shard| listed_in(item_type.name(), location, shard))
}

fn in_day(day: Date, shard: u8) -> String {
    format!("{day}#{shard}")
}

/// The partitions of the entries of one day (UTC).
pub fn days(day: Date) -> Vec<String> {
    shards(|shard| in_day(day, shard))
}

/// The partition of the entries of one item.
pub fn of_item(item_type: ItemType, item_id: Uuid) -> String {
    format!("{}#{item_id}", item_type.name())
}

/// What stands for a patient of a location, one for each version of the secret, so that a patient's
/// id can be searched for and not read.
pub fn patient_tags(
    location: Option<Uuid>,
    patient_id: &str,
    secret: &RotatingSecret,
) -> Vec<String> {
    secret.all().map(|secret| patient_tag(location, patient_id, secret)).collect()
}

fn patient_tag(location: Option<Uuid>, patient_id: &str, secret: &[u8]) -> String {
    let location = location.map(|id| id.to_string()).unwrap_or_default();
    let message = format!("patient {location} {patient_id}");
    hex::encode(hmac::sign(&key(secret), message.as_bytes()))
}

fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

/// The time in an entry's id, so that entries are in the order of both.
fn ms_of(id: Uuid) -> Option<i64> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    i64::try_from(seconds * 1_000 + u64::from(nanos / 1_000_000)).ok()
}
