//! What is recorded of a patient's visit. No type here can be printed: patient data reaches nobody
//! but by an answer.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::fields::{Members, Object, Wrong};
use shared::json::{Node, Value};
use shared::values::{Date, Timestamp, string, text, word};
use uuid::Uuid;

/// `clinical_data` as JSON without spaces, in bytes and in levels of arrays and objects.
const MOST_CLINICAL_BYTES: usize = 256 * 1024;
const MOST_CLINICAL_LEVELS: usize = 64;

const READ_ONLY: &[&str] =
    &["encounter_id", "location_id", "status", "version", "metadata", "retraction"];

/// What a POST may name.
pub const NEW_MEMBERS: Members = Members {
    writable: &[
        "patient_id",
        "provider_id",
        "encounter_date",
        "encounter_type",
        "clinical_data",
        "idempotence_key",
    ],
    read_only: READ_ONLY,
};

/// What a PATCH may name; `patient_id` only as it is.
pub const MEMBERS: Members = Members {
    writable: &["patient_id", "provider_id", "encounter_date", "encounter_type", "clinical_data"],
    read_only: READ_ONLY,
};

pub const RETRACTION_MEMBERS: Members = Members { writable: &["reason"], read_only: &[] };

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EncounterType {
    InitialAssessment,
    FollowUp,
    TreatmentSession,
}

impl EncounterType {
    pub fn name(self) -> &'static str {
        match self {
            Self::InitialAssessment => "initial_assessment",
            Self::FollowUp => "follow_up",
            Self::TreatmentSession => "treatment_session",
        }
    }

    pub fn parse(name: &str) -> Result<Self, Wrong> {
        word(name, &["initial_assessment", "follow_up", "treatment_session"])
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Final,
    EnteredInError,
}

/// Why a record does not count, and who says so. Nothing of it is deleted.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retraction {
    pub reason: String,
    pub at: Timestamp,
    pub by: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metadata {
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub created_by: String,
    pub updated_by: String,
}

/// What a caller says of a visit, trusted.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Terms {
    pub patient_id: String,
    pub provider_id: String,
    pub encounter_date: Date,
    pub encounter_type: EncounterType,
    /// JSON of any shape, every number as it was written.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub clinical_data: Box<RawValue>,
}

/// What is recorded of a visit beside what its caller said.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Record {
    pub encounter_id: Uuid,
    pub location_id: Uuid,
    pub status: Status,
    pub version: u64,
    pub metadata: Metadata,
    pub retraction: Option<Retraction>,
}

/// One version of a record. It is answered as one object; that it can't be read back from one is
/// `RawValue`'s doing.
#[derive(Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Encounter {
    #[serde(flatten)]
    pub record: Record,
    #[serde(flatten)]
    pub terms: Terms,
}

pub fn patient_id(given: &str) -> Result<String, Wrong> {
    text::<128>(given)
}

pub fn provider_id(given: &str) -> Result<String, Wrong> {
    text::<128>(given)
}

fn clinical_data(node: &Node) -> Result<Box<RawValue>, Wrong> {
    if node.depth() > MOST_CLINICAL_LEVELS {
        return Err(Wrong::new("too_deep", "This has more levels than are allowed here."));
    }
    let json = node.to_json();
    if json.len() > MOST_CLINICAL_BYTES {
        return Err(Wrong::TOO_LONG);
    }
    RawValue::from_string(json).map_err(|_| Wrong::invalid("This must be JSON."))
}

impl Terms {
    /// Of a new record; with the key that the body may hold beside `header`'s.
    pub fn read(object: &mut Object, header: Option<&str>) -> Option<(Self, Option<String>)> {
        let patient_id = object.required("patient_id", string(patient_id));
        let provider_id = object.required("provider_id", string(provider_id));
        let encounter_date = object.required("encounter_date", string(Date::parse));
        let encounter_type = object.required("encounter_type", string(EncounterType::parse));
        // A null is data here, and its absence isn't.
        let data = match object.given_as("clinical_data") {
            Some(node) => {
                clinical_data(node).map_err(|wrong| object.wrong("clinical_data", wrong)).ok()
            }
            None => object.required("clinical_data", clinical_data),
        };
        let key = object.idempotence_key(header);
        let terms = Self {
            patient_id: patient_id?,
            provider_id: provider_id?,
            encounter_date: encounter_date?,
            encounter_type: encounter_type?,
            clinical_data: data?,
        };
        Some((terms, key))
    }

    /// These with the changes that a patch (RFC 7396) names. A null would take away a member that
    /// is needed.
    pub fn patched(&self, patch: &mut Object) -> Self {
        let taken_away = |patch: &Object, name: &str| {
            patch.given_as(name).is_some_and(|node| node.value == Value::Null)
        };
        for name in MEMBERS.writable {
            if taken_away(patch, name) {
                patch.wrong(name, Wrong::REQUIRED);
            }
        }
        let patient = patch.optional("patient_id", string(patient_id));
        if patient.is_some_and(|id| id != self.patient_id) {
            patch.wrong("patient_id", Wrong::new("immutable", "This can't be changed."));
        }
        let provider_id = patch.optional("provider_id", string(provider_id));
        let encounter_date = patch.optional("encounter_date", string(Date::parse));
        let encounter_type = patch.optional("encounter_type", string(EncounterType::parse));
        let data = patch.optional("clinical_data", |change| {
            let current = Node::parse(self.clinical_data.get().as_bytes());
            let current = current.map_err(|_| Wrong::invalid("This can't be merged."))?;
            clinical_data(&current.patched_with(change.clone()))
        });
        Self {
            patient_id: self.patient_id.clone(),
            provider_id: provider_id.unwrap_or_else(|| self.provider_id.clone()),
            encounter_date: encounter_date.unwrap_or(self.encounter_date),
            encounter_type: encounter_type.unwrap_or(self.encounter_type),
            clinical_data: data.unwrap_or_else(|| self.clinical_data.clone()),
        }
    }

    /// The names of what differs.
    pub fn changed(&self, old: &Self) -> Vec<&'static str> {
        [
            ("provider_id", self.provider_id != old.provider_id),
            ("encounter_date", self.encounter_date != old.encounter_date),
            ("encounter_type", self.encounter_type != old.encounter_type),
            ("clinical_data", self.clinical_data.get() != old.clinical_data.get()),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

impl Encounter {
    pub fn new(id: Uuid, location: Uuid, terms: Terms, by: &str, now: Timestamp) -> Self {
        let by = by.to_owned();
        let metadata =
            Metadata { created_at: now, updated_at: now, created_by: by.clone(), updated_by: by };
        let record = Record {
            encounter_id: id,
            location_id: location,
            status: Status::Final,
            version: 1,
            metadata,
            retraction: None,
        };
        Self { record, terms }
    }

    pub fn is_retracted(&self) -> bool {
        self.record.status == Status::EnteredInError
    }

    pub fn amended(&self, terms: Terms, by: &str, now: Timestamp) -> Self {
        Self { record: self.record.next(by, now), terms }
    }

    pub fn retracted(&self, reason: String, by: &str, now: Timestamp) -> Self {
        let retraction = Retraction { reason, at: now, by: by.to_owned() };
        let record = Record {
            status: Status::EnteredInError,
            retraction: Some(retraction),
            ..self.record.next(by, now)
        };
        Self { record, terms: self.terms.clone() }
    }
}

impl Record {
    fn next(&self, by: &str, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.version += 1;
        next.metadata.updated_at = now;
        by.clone_into(&mut next.metadata.updated_by);
        next
    }
}
