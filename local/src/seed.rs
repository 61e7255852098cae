//! Something to look at on a first visit: a user with every scope, a few coupons and encounters, an
//! ECG.

use axum::Router;
use axum::body::Body;
use ecgs::analysis::synthetic::Model;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::auth::Scope;
use tower::ServiceExt;

/// Makes the user and loads the coupons through the API itself. Gives the lines to print.
pub async fn demo(router: &Router, admin_token: &str) -> Result<String, String> {
    let (name, key) = user(router, admin_token).await?;
    let coupons = json!({"items": serde_json::from_str::<Value>(COUPONS).map_err(|error| error.to_string())?});
    let mut loaded = vec![("/coupons/import", coupons)];
    loaded.extend(encounters().map(|encounter| ("/encounters", encounter)));
    loaded.push(("/ecgs", ecg()));
    for (path, body) in loaded {
        let (status, answer) = post(router, path, ("x-api-key", &key), &body).await?;
        if !status.is_success() {
            return Err(format!("the demo's {path}: {status}: {answer}"));
        }
    }
    Ok(format!("user {name} has every scope; x-api-key: {key}"))
}

/// Three visits of two patients.
fn encounters() -> impl Iterator<Item = Value> {
    let visits = [
        (
            "demo-patient-1",
            "2026-01-12",
            "initial_assessment",
            json!({"pain": 6, "note": "Left knee."}),
        ),
        (
            "demo-patient-1",
            "2026-02-09",
            "treatment_session",
            json!({"exercises": ["squat", "step"]}),
        ),
        ("demo-patient-2", "2026-02-10", "follow_up", json!({"pain": 1, "discharged": true})),
    ];
    visits.into_iter().map(|(patient, date, kind, data)| {
        json!({
            "patient_id": patient, "provider_id": "demo-provider", "encounter_date": date,
            "encounter_type": kind, "clinical_data": data,
        })
    })
}

/// Twelve leads of ten seconds, made by a model.
fn ecg() -> Value {
    let model = Model { ectopic_every: 7, ..Model::default() };
    let lead = |(name, signal): (&str, Vec<i32>)| json!({"name": name, "signal": signal});
    let leads: Vec<Value> = model.twelve_leads().into_iter().map(lead).collect();
    json!({
        "leads": leads, "sampling_rate_hz": model.rate_hz, "adc_gain": model.adc_gain,
        "recorded_at": "2026-02-10T09:30:00Z",
    })
}

/// A user named `demo`, or with a number behind it where that is taken, and its key.
async fn user(router: &Router, admin_token: &str) -> Result<(String, String), String> {
    for number in 1..1_000 {
        let name = if number == 1 { "demo".to_owned() } else { format!("demo-{number}") };
        let user = json!({"username": name, "scopes": Scope::NAMES});
        match post(router, "/users", ("x-admin-token", admin_token), &user).await? {
            (StatusCode::CREATED, answer) => {
                let token = answer.get("token").and_then(Value::as_str).unwrap_or_default();
                return Ok((name, token.to_owned()));
            }
            (StatusCode::CONFLICT, _) => {}
            (status, answer) => return Err(format!("the demo's user: {status}: {answer}")),
        }
    }
    Err("a thousand demo users are enough".to_owned())
}

async fn post(
    router: &Router,
    path: &str,
    (header, credential): (&str, &str),
    body: &Value,
) -> Result<(StatusCode, Value), String> {
    let request = Request::post(path)
        .header(header, credential)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .map_err(|error| error.to_string())?;
    let Ok(response) = router.clone().oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok((parts.status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// One of each kind: percent, amount, limited, scheduled, expired, the wrong way round.
const COUPONS: &str = include_str!("demo-coupons.json");
