//! Lists of entries: of one item, of one patient, or of a type, oldest first.

use std::collections::{BTreeMap, HashMap};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::audit::{self, Access, ItemType};
use shared::auth::Caller;
use shared::fields::Wrong;
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Looked, Order, Page, Partitions, Store, Table};
use shared::values::{text, uuid, whole};
use uuid::Uuid;

use crate::chain::{Seal, seal_key};

pub const PARAMETERS: &[&str] =
    &["start_ms", "end_ms", "username", "item_id", "access_type", "limit", "cursor"];
/// Of encounters alone.
pub const PARAMETERS_OF_PATIENTS: &[&str] =
    &["start_ms", "end_ms", "username", "item_id", "patient_id", "access_type", "limit", "cursor"];
pub const NUMBERS: &[&str] = &["start_ms", "end_ms", "limit"];

/// What is shown of an entry. A row that was put by somebody else may lack any of it, and is shown
/// all the same.
pub const SHOWN: [&str; 13] = [
    "id",
    "timestamp_epoch_ms",
    "username",
    "user_id",
    "service",
    "location_id",
    "item_type",
    "item_id",
    "access_type",
    "outcome",
    "changed",
    "request_id",
    "source_ip",
];

/// A stored entry, whatever is in it.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Row(BTreeMap<String, Attribute>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Attribute {
    Json(Value),
    Other(IgnoredAny),
}

impl Row {
    fn get(&self, name: &str) -> Option<&Value> {
        match self.0.get(name)? {
            Attribute::Json(value) => Some(value),
            Attribute::Other(_) => None,
        }
    }

    /// Whether it was entered at a location.
    pub fn is_at(&self, location: Option<&str>) -> bool {
        location.is_some_and(|location| self.text("location_id") == location)
    }

    fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// An entry as it is answered: what is stored of it, and its place in the chain once it is sealed.
#[derive(Serialize)]
pub struct Shown {
    #[serde(flatten)]
    entry: BTreeMap<&'static str, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

/// Which entries are asked for.
pub struct Question {
    item_type: ItemType,
    start_ms: Option<u64>,
    end_ms: Option<u64>,
    username: Option<String>,
    pub item_id: Option<Uuid>,
    patient_id: Option<String>,
    access: Option<&'static str>,
}

/// Milliseconds that an id (UUIDv7, RFC 9562) can hold.
fn ms(text: &str) -> Result<u64, Wrong> {
    whole(0..=0xffff_ffff_ffff_u64, "This must be a whole number of milliseconds since 1970.")(text)
}

fn access(name: &str) -> Result<&'static str, Wrong> {
    let known = Access::NAMES.into_iter().find(|known| *known == name);
    known.ok_or(Wrong::not_one_of(&Access::NAMES))
}

/// The beginning of every id of a millisecond.
fn ids_of(ms: u64) -> String {
    let digits = format!("{ms:012x}");
    let (high, low) = digits.split_at_checked(8).unwrap_or_default();
    format!("{high}-{low}")
}

impl Question {
    pub fn read(item_type: ItemType, params: &mut Params) -> Self {
        let patient = item_type == ItemType::Encounters;
        let question = Self {
            item_type,
            start_ms: params.optional("start_ms", ms),
            end_ms: params.optional("end_ms", ms),
            username: params.optional("username", text::<64>),
            item_id: params.optional("item_id", uuid),
            patient_id: patient.then(|| params.optional("patient_id", text::<128>)).flatten(),
            access: params.optional("access_type", access),
        };
        if let (Some(start), Some(end)) = (question.start_ms, question.end_ms)
            && start > end
        {
            params.wrong("end_ms", Wrong::invalid("This must not be before start_ms."));
        }
        question
    }

    /// The location whose entries alone may be seen.
    fn location(&self, caller: &Caller) -> Option<Uuid> {
        caller.location_id().filter(|_| self.item_type.is_of_location())
    }

    fn partitions(&self, store: &Store, caller: &Caller) -> Partitions {
        let location = self.location(caller);
        let (index, attribute, values) = match self {
            Self { item_id: Some(id), .. } => {
                (None, "pk", vec![audit::of_item(self.item_type, *id)])
            }
            Self { patient_id: Some(id), .. } => (
                Some("patient"),
                "patient",
                audit::patient_tags(location, id, store.audit_secret()),
            ),
            _ => (Some("list"), "listed_in", audit::lists(self.item_type, location)),
        };
        Partitions {
            table: Table::Audit,
            index,
            attribute,
            values,
            sort: "sk",
            order: Order::Ascending,
            until: Some(self.end_ms.map_or_else(|| "~".to_owned(), |ms| ids_of(ms) + "~")),
        }
    }

    fn fits(&self, row: &Row, location: Option<Uuid>, tags: &[String]) -> bool {
        let is = |name: &str, wanted: &str| row.text(name) == wanted;
        // A row that was put among an item's entries, and says nothing of where, is shown as well.
        let nowhere = self.item_id.is_some() && row.get("location_id").is_none();
        location.is_none_or(|location| nowhere || is("location_id", &location.to_string()))
            && self
                .username
                .as_ref()
                .is_none_or(|name| row.text("username").eq_ignore_ascii_case(name))
            && self.access.is_none_or(|access| is("access_type", access))
            && (self.patient_id.is_none() || tags.iter().any(|tag| is("patient", tag)))
    }

    pub async fn answered(
        &self,
        store: &Store,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Page<Shown>, Problem> {
        let partitions = self.partitions(store, caller);
        let location = self.location(caller);
        let tags = match &self.patient_id {
            Some(id) => audit::patient_tags(location, id, store.audit_secret()),
            None => Vec::new(),
        };
        // Before the first id of the millisecond.
        let after = paging.after.clone().or_else(|| self.start_ms.map(ids_of));
        let selective = self.username.is_some() || self.access.is_some();
        let mut looked = Looked::default();
        let keep = |row: Row| self.fits(&row, location, &tags).then_some(row);
        let page = store.search(&partitions, after, paging.limit, selective, &mut looked, keep);
        let page = page.await?;
        let key = |row: &Row| seal_key(row.text("pk"), row.text("sk"));
        let keys: Vec<_> = page.items.iter().map(key).collect();
        let seals: Vec<Seal> = store.get_many(Table::Seals, &keys).await?;
        let mut seals: HashMap<_, _> =
            seals.into_iter().map(|seal| (seal.key.clone(), seal)).collect();
        let shown = |row: &Row| Shown::of(row, seals.remove(&key(row)));
        Ok(Page { items: page.items.iter().map(shown).collect(), next: page.next })
    }
}

impl Shown {
    fn of(row: &Row, seal: Option<Seal>) -> Self {
        let value = |name| (name, row.get(name).cloned().unwrap_or(Value::Null));
        let mut entry: BTreeMap<_, _> = SHOWN.into_iter().map(value).collect();
        if let Some(reason) = row.get("reason") {
            entry.insert("reason", json!(reason));
        }
        let (sequence, hashes) = match seal {
            Some(seal) => (Some(seal.sequence), Some((seal.previous_hash, seal.hash))),
            None => (None, None),
        };
        let (previous_hash, hash) = hashes.unzip();
        Self { entry, sequence, previous_hash, hash }
    }
}
