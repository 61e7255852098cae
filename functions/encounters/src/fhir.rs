//! Encounters as HL7 FHIR R4 has them. <https://hl7.org/fhir/R4/encounter.html>

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use shared::http::Form;
use shared::problem::Problem;

use crate::encounter::{Encounter, Status};

const TYPE: &str = "application/fhir+json";
/// The one read that has a body.
pub const SEARCH: &str = "/encounters/search";

/// Problems as `OperationOutcome`, for who reads in this form.
pub const OUTCOME: Form = Form {
    is_wanted: |request: &Request| {
        let reads = [Method::GET, Method::HEAD].contains(request.method());
        let searches = request.uri().path() == SEARCH;
        (reads || searches) && is_wanted(request.headers())
    },
    content_type: TYPE,
    write: outcome,
};

/// Whether `Accept` asks for FHIR, and for JSON no more than for it.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges = ranges.flat_map(|line| line.split(','));
    let (mut fhir, mut json) = (0.0, 0.0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let quality = quality.map_or(Ok(1.0), str::parse);
        let quality: f32 = quality.unwrap_or(0.0);
        if kind.eq_ignore_ascii_case(TYPE) {
            fhir = quality.max(fhir);
        } else if kind.eq_ignore_ascii_case("application/json") {
            json = quality.max(json);
        }
    }
    fhir > 0.0 && fhir >= json
}

pub fn encounter(encounter: &Encounter) -> Value {
    let Encounter { record, terms } = encounter;
    // The patient and the provider are known here by what their own systems call them.
    let known_as = |kind: &str, id: &str| json!({"type": kind, "identifier": {"value": id}});
    let kind = terms.encounter_type.name();
    json!({
        "resourceType": "Encounter",
        "id": record.encounter_id,
        "meta": {
            "versionId": record.version.to_string(),
            "lastUpdated": record.metadata.updated_at,
        },
        "status": match record.status {
            Status::Final => "finished",
            Status::EnteredInError => "entered-in-error",
        },
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "AMB",
            "display": "ambulatory",
        },
        "type": [{
            "coding": [{"system": "urn:quartet:encounter-type", "code": kind}],
            "text": kind.replace('_', " "),
        }],
        "subject": known_as("Patient", &terms.patient_id),
        "participant": [{"individual": known_as("Practitioner", &terms.provider_id)}],
        "period": {"start": terms.encounter_date, "end": terms.encounter_date},
    })
}

/// A page of a list. <https://hl7.org/fhir/R4/bundle.html>
pub fn bundle(encounters: &[Encounter], this: Option<&str>, next: Option<&str>) -> Value {
    let link = |relation: &str, url: Option<&str>| {
        url.map(|url| json!({"relation": relation, "url": url}))
    };
    let links: Vec<_> = [link("self", this), link("next", next)].into_iter().flatten().collect();
    let entry = |of: &Encounter| {
        json!({
            "fullUrl": format!("urn:uuid:{}", of.record.encounter_id),
            "resource": encounter(of),
            "search": {"mode": "match"},
        })
    };
    let mut bundle = json!({"resourceType": "Bundle", "type": "searchset"});
    // An empty array is no FHIR.
    for (name, list) in [("link", links), ("entry", encounters.iter().map(entry).collect())] {
        if let (false, Some(bundle)) = (list.is_empty(), bundle.as_object_mut()) {
            bundle.insert(name.to_owned(), Value::Array(list));
        }
    }
    bundle
}

/// `version` gives a weak tag: the resource is the record's, in another form.
pub fn answer(
    resource: &impl Serialize,
    version: Option<u64>,
    is_known: bool,
) -> Result<Response, Problem> {
    let body =
        serde_json::to_vec(resource).map_err(|_| Problem::bug("a resource can't be written"))?;
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, TYPE)], body).into_response()
    };
    let tag = version.and_then(|v| HeaderValue::try_from(format!("W/\"{v}\"")).ok());
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    Ok(response)
}

/// <https://hl7.org/fhir/R4/operationoutcome.html>
fn outcome(problem: &Problem) -> Vec<u8> {
    // <https://hl7.org/fhir/R4/valueset-issue-type.html>
    let code = match problem.status().as_u16() {
        400 => "invalid",
        401 => "login",
        403 => "forbidden",
        404 => "not-found",
        405 => "not-supported",
        429 => "throttled",
        503 => "transient",
        _ => "exception",
    };
    let errors = problem.errors();
    let issue = |text: &str, parameter: Option<&str>| {
        let details = json!({"coding": [{"code": problem.code()}], "text": text});
        let mut issue = json!({"severity": "error", "code": code, "details": details});
        if let (Some(parameter), Some(issue)) = (parameter, issue.as_object_mut()) {
            issue.insert("location".to_owned(), json!([format!("http.{parameter}")]));
        }
        issue
    };
    let mut issues: Vec<_> = errors
        .iter()
        .map(|error| issue(&error.detail(), error.parameter().filter(|name| !name.is_empty())))
        .collect();
    if issues.is_empty() {
        issues.push(issue(problem.detail(), None));
    }
    let outcome = json!({"resourceType": "OperationOutcome", "issue": issues});
    serde_json::to_vec(&outcome).unwrap_or_default()
}
