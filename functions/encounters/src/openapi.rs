//! What encounters say of themselves.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::fields::Members;
use shared::openapi::schema::{
    answer, body, cursor, date, example, id, in_path, in_query, integer, one_of, paging, patch,
    pattern, says, text,
};
use shared::openapi::{Answer, Body, Content, Description, Header, Operation, Who};

use crate::encounter::{Encounter, MEMBERS, NEW_MEMBERS, RETRACTION_MEMBERS};
use crate::list::PARAMETERS;

const READ: Who = Who::Any(&[Scope::EncountersRead]);
const WRITE: Who = Who::Any(&[Scope::EncountersWrite]);
const FHIR: &str = "application/fhir+json";

fn terms() -> Vec<(&'static str, Value)> {
    let types = ["initial_assessment", "follow_up", "treatment_session"];
    let data =
        says(json!({}), "JSON of any shape, up to 256 KiB and 64 levels, kept as it was written.");
    vec![
        ("patient_id", text(128)),
        ("provider_id", text(128)),
        ("encounter_date", date()),
        ("encounter_type", one_of(&types)),
        ("clinical_data", data),
    ]
}

fn filters() -> Vec<(&'static str, Value)> {
    let mut filters = vec![
        ("start_date", says(date(), "The first day.")),
        ("end_date", says(date(), "The last day, not before the first.")),
    ];
    filters.extend(
        terms()
            .into_iter()
            .filter(|(name, _)| PARAMETERS.contains(name))
            .filter(|(name, _)| *name != "encounter_date"),
    );
    filters
}

fn schemas() -> Vec<(&'static str, Value)> {
    let visit = json!({
        "patient_id": "p-1001",
        "provider_id": "dr-7",
        "encounter_date": "2026-03-02",
        "encounter_type": "follow_up",
        "clinical_data": {"phq9": 7, "plan": "Again in two weeks."},
    });
    let mut record = visit.clone();
    for (name, value) in [
        ("encounter_id", json!("01a20257-4f12-7000-8abb-10196065276f")),
        ("location_id", json!("00000000-0000-7000-8000-000000000000")),
        ("status", json!("final")),
        ("version", json!(1)),
        ("retraction", json!(null)),
        (
            "metadata",
            json!({"created_at": "2026-03-02T09:30:00.000Z", "updated_at": "2026-03-02T09:30:00.000Z",
                   "created_by": "ada", "updated_by": "ada"}),
        ),
    ] {
        record[name] = value;
    }
    let key = says(pattern("^[!-~]{1,255}$"), "Means what `Idempotency-Key` means.");
    let mut new = terms();
    new.push(("idempotence_key", key));
    let mut amended = terms();
    for (name, schema) in &mut amended {
        if *name == "clinical_data" {
            // A null takes a member away, and this one is needed.
            schema["type"] = json!(["object", "array", "string", "number", "boolean"]);
        }
    }
    let patch = patch(MEMBERS, MEMBERS.writable, &amended);
    let needed: Vec<_> = terms().iter().map(|(name, _)| *name).collect();
    let mut search = filters();
    search.push(("limit", integer(1, 100)));
    search.push(("cursor", cursor()));
    let outcome = json!({
        "type": "object",
        "properties": {
            "resourceType": {"const": "OperationOutcome"},
            "issue": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        },
        "required": ["resourceType", "issue"],
    });
    let resource = |kind: &str| json!({"type": "object", "properties": {"resourceType": {"const": kind}}, "required": ["resourceType"]});
    let fhir = json!({
        "resourceType": "Encounter",
        "id": "01a20257-4f12-7000-8abb-10196065276f",
        "meta": {"versionId": "1", "lastUpdated": "2026-03-02T09:30:00.000Z"},
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "type": [{"coding": [{"system": "urn:quartet:encounter-type", "code": "follow_up"}], "text": "follow up"}],
        "subject": {"type": "Patient", "identifier": {"value": "p-1001"}},
        "participant": [{"individual": {"type": "Practitioner", "identifier": {"value": "dr-7"}}}],
        "period": {"start": "2026-03-02", "end": "2026-03-02"},
    });
    let searchset = json!({"resourceType": "Bundle", "type": "searchset",
        "entry": [{"fullUrl": "urn:uuid:01a20257-4f12-7000-8abb-10196065276f", "resource": fhir, "search": {"mode": "match"}}]});
    vec![
        ("NewEncounter", example(body(NEW_MEMBERS, &needed, &new), visit)),
        ("EncounterPatch", example(patch, json!({"encounter_type": "treatment_session"}))),
        ("Encounter", example(answer::<Encounter>(&terms()), record)),
        (
            "EncounterSearch",
            example(
                body(Members { writable: PARAMETERS, read_only: &[] }, &[], &search),
                json!({"patient_id": "p-1001", "limit": 20}),
            ),
        ),
        (
            "Retraction",
            example(
                body(RETRACTION_MEMBERS, &["reason"], &[("reason", text(1_000))]),
                json!({"reason": "Entered for another patient."}),
            ),
        ),
        ("FhirEncounter", example(resource("Encounter"), fhir)),
        ("FhirBundle", example(resource("Bundle"), searchset)),
        (
            "OperationOutcome",
            example(
                outcome,
                json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found",
                       "details": {"coding": [{"code": "not_found"}], "text": "There is nothing here."}}]}),
            ),
        ),
    ]
}

/// The same answer in HL7 FHIR R4.
fn or_fhir(answer: Answer, schema: &'static str) -> Answer {
    let mut answer = answer;
    answer.content.push((FHIR, Content::One(schema)));
    answer
}

pub fn description() -> Description {
    use Header::{EmergencyReason, IdempotencyKey, IfMatch, IfNoneMatch};
    let of = || in_path("id", &id());
    let version = in_query("version", &says(integer(1, i64::MAX), "An earlier version."));
    let asked = filters().into_iter().map(|(name, schema)| in_query(name, &schema));
    let operations = vec![
        Operation {
            more: "Of the caller's location, by the day of the visit, newest first, retracted ones too.",
            parameters: asked.chain(paging(20)).collect(),
            answers: vec![or_fhir(Answer::page("Encounter"), "FhirBundle").with(&["Link", "Vary"])],
            is_fhir: true,
            ..Operation::new("GET", "/encounters", "Lists encounters.", READ)
        },
        Operation {
            headers: &[IdempotencyKey],
            body: Body::of("NewEncounter"),
            answers: vec![Answer::created("Encounter").with(&[
                "Location",
                "ETag",
                "Idempotency-Replayed",
            ])],
            ..Operation::new("POST", "/encounters", "Records an encounter.", WRITE)
        },
        Operation {
            more: "The list's question as a body, so that no patient stands in a URL. A Bundle's next link \
                   has the cursor behind `#cursor=`.",
            body: Body::optional("EncounterSearch"),
            answers: vec![
                or_fhir(Answer::page_of_search("Encounter"), "FhirBundle").with(&["Vary"]),
            ],
            is_fhir: true,
            ..Operation::new("POST", "/encounters/search", "Searches encounters.", READ)
        },
        Operation {
            parameters: vec![of(), version],
            headers: &[IfNoneMatch, EmergencyReason],
            answers: vec![
                or_fhir(Answer::ok("Encounter"), "FhirEncounter").with(&["ETag", "Vary"]),
                Answer::not_modified(),
            ],
            is_fhir: true,
            ..Operation::new("GET", "/encounters/{id}", "Reads an encounter.", READ)
        },
        Operation {
            more: "RFC 7396. Every earlier version stays readable; `patient_id` can't be changed.",
            parameters: vec![of()],
            headers: &[IfMatch],
            body: Body::optional("EncounterPatch"),
            answers: vec![Answer::ok("Encounter").with(&["ETag"])],
            refusals: &[(409, "encounter_retracted")],
            ..Operation::new("PATCH", "/encounters/{id}", "Amends an encounter.", WRITE)
        },
        Operation {
            more: "Nothing is deleted. Safe to repeat.",
            parameters: vec![of()],
            headers: &[IdempotencyKey],
            body: Body::of("Retraction"),
            answers: vec![Answer::done("Encounter").with(&["ETag", "Idempotency-Replayed"])],
            ..Operation::new("POST", "/encounters/{id}/retraction", "Retracts an encounter.", WRITE)
        },
    ];
    Description {
        name: "encounters",
        says: "Records of visits: every version stays, every access is entered.",
        operations,
        schemas: schemas(),
    }
}
