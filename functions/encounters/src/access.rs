//! Who may see and change which record. A refusal is entered before it is answered.

use http::{HeaderMap, HeaderName};
use shared::audit::{Access, Entry, ItemType, Outcome, Subject};
use shared::auth::{Caller, Permission, Scope};
use shared::fields::{Errors, Wrong};
use shared::log;
use shared::problem::Problem;
use shared::store::Store;
use shared::values::text;
use uuid::Uuid;

use crate::table::{self, Head};

const REASON: HeaderName = HeaderName::from_static("x-emergency-reason");

/// A record that this caller may see, and the entry that has to be stored before it is.
pub struct Seen {
    pub head: Head,
    pub entry: Entry,
}

fn subject(id: Uuid) -> Subject {
    Subject { item_type: ItemType::Encounters, item_id: id }
}

/// The entry of a record that is there: under its location, and found by its patient.
pub fn entry_of(caller: &Caller, access: Access, head: &Head, changed: &[&'static str]) -> Entry {
    Entry::new(caller, access, subject(head.encounter_id), changed)
        .at(head.location_id)
        .of_patient(&head.patient_id)
}

/// Refuses a caller without the scope of `P`, for what concerns no single record.
pub async fn to_all<P: Permission>(
    store: &Store,
    caller: &Caller,
    access: Access,
) -> Result<Uuid, Problem> {
    let location = caller.must_have::<P>().and_then(|()| location_of(caller));
    if location.is_err() {
        let entry = Entry::of_list(caller, access, ItemType::Encounters);
        store.enter(vec![entry.with_outcome(Outcome::Denied)]).await?;
    }
    location
}

/// The head of a record that the caller may see or change. One that isn't there and another
/// location's cost the same: a head and an entry.
pub async fn to_one<P: Permission>(
    store: &Store,
    caller: &Caller,
    access: Access,
    id: Uuid,
    emergency: Option<String>,
) -> Result<Seen, Problem> {
    let head = table::head(store, id).await?;
    let entry = |outcome| {
        let entry = match &head {
            Some(head) => entry_of(caller, access, head, &[]),
            None => Entry::new(caller, access, subject(id), &[]),
        };
        entry.with_outcome(outcome)
    };
    let may_in_emergency = caller.scopes().contains(Scope::EncountersEmergency);
    let in_emergency = emergency.filter(|_| may_in_emergency && caller.location_id().is_some());
    let allowed = caller.must_have::<P>();
    let own = |head: &Head| caller.location_id() == Some(head.location_id);
    let (outcome, problem) = match (allowed, head.clone(), in_emergency) {
        (Ok(()), Some(head), _) if own(&head) => {
            return Ok(Seen { entry: entry(Outcome::Success), head });
        }
        (_, Some(head), Some(reason)) => {
            log::emergency();
            let entry = Entry { reason: Some(reason), ..entry(Outcome::Emergency) };
            return Ok(Seen { head, entry });
        }
        (Err(problem), _, None) => (Outcome::Denied, problem),
        (_, None, _) => (Outcome::NotFound, Problem::NOT_FOUND),
        (_, Some(_), _) => (Outcome::Denied, Problem::NOT_FOUND),
    };
    store.enter(vec![entry(outcome)]).await?;
    Err(problem)
}

fn location_of(caller: &Caller) -> Result<Uuid, Problem> {
    caller.location_id().ok_or(Problem::forbidden("This needs a user of a location."))
}

/// Why another location's record is needed now, where the caller says so: 1 to 200 characters.
pub fn emergency(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let wrong = |wrong: Wrong| Problem::from(Errors::of_header("x-emergency-reason", wrong));
    let mut given = headers.get_all(REASON).iter();
    let Some(reason) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(wrong(Wrong::invalid("Send this header once.")));
    }
    let reason = std::str::from_utf8(reason.as_bytes());
    let reason = reason.map_err(|_| wrong(Wrong::invalid("This must be UTF-8.")))?;
    text::<200>(reason.trim()).map(Some).map_err(wrong)
}
