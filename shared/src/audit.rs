//! The audit entry: who did what to which item, when and from where. It names fields and never
//! holds their values.

use std::borrow::Cow;

use ring::hmac;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::Caller;
use crate::config::Secrets;
use crate::values::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Create,
    Read,
    Update,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
}

/// What was touched: the plural that its path begins with, and its id.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    pub item_type: &'static str,
    pub item_id: Uuid,
}

/// One access. Stored under its item, ordered by its id (UUIDv7).
#[derive(Clone, Serialize, Deserialize)]
pub struct Entry {
    pub id: Uuid,
    pub timestamp_epoch_ms: i64,
    pub username: String,
    /// None for the administrator.
    pub user_id: Option<Uuid>,
    pub service: Option<String>,
    pub location_id: Option<Uuid>,
    pub item_type: Cow<'static, str>,
    pub item_id: Uuid,
    pub access_type: Access,
    pub outcome: Outcome,
    /// The names of the fields that were given or changed.
    pub changed: Vec<Cow<'static, str>>,
    pub request_id: String,
    pub source_ip: Option<String>,
}

/// An entry as it lies in the table.
#[derive(Serialize, Deserialize)]
pub struct StoredEntry {
    pub pk: String,
    pub sk: String,
    #[serde(flatten)]
    pub entry: Entry,
    /// HMAC-SHA256 by `AUDIT_SECRET` over the entry as JSON, in hex: a row that was put by
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
        Self {
            id: Uuid::now_v7(),
            timestamp_epoch_ms: Timestamp::now().ms(),
            username: caller.username().to_owned(),
            user_id: caller.user_id(),
            service: caller.service().map(str::to_owned),
            location_id: caller.location_id(),
            item_type: Cow::Borrowed(subject.item_type),
            item_id: subject.item_id,
            access_type: access,
            outcome: Outcome::Success,
            changed: changed.iter().copied().map(Cow::Borrowed).collect(),
            request_id: caller.request_id().to_owned(),
            source_ip: caller.source_ip().map(|ip| ip.to_string()),
        }
    }

    pub(crate) fn signed(self, secret: &Secrets) -> Result<StoredEntry, serde_json::Error> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.first());
        let tag = hmac::sign(&key, &serde_json::to_vec(&self)?);
        Ok(StoredEntry {
            pk: format!("{}#{}", self.item_type, self.item_id),
            sk: self.id.to_string(),
            entry: self,
            hmac: hex::encode(tag),
        })
    }
}

impl StoredEntry {
    /// Whether somebody with the secret, in any of its versions, wrote this entry as it stands.
    pub fn is_genuine(&self, secret: &Secrets) -> bool {
        let (Ok(tag), Ok(bytes)) = (hex::decode(&self.hmac), serde_json::to_vec(&self.entry))
        else {
            return false;
        };
        secret.all().any(|secret| {
            hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), &bytes, &tag).is_ok()
        })
    }
}
