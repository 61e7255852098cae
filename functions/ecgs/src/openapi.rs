//! What ECGs say of themselves.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::openapi::schema::{
    answer, body, boolean, by_default, example, id, in_path, in_query, integer, list, number,
    one_of, paging, pattern, says, timestamp,
};
use shared::openapi::{Answer, Body, Content, Description, Header, Operation, Who};

use crate::analysis::insights::ALGORITHM_VERSION;
use crate::recording::{COMPLETION, LEAD, MEMBERS, MOST_LEADS, SEGMENT, SEGMENT_LEAD, Shown};
use crate::report::Report;
use crate::routes::MOST_SHOWN;
use crate::segments::Received;
use crate::views::{Excerpt, Standing};

const READ: Who = Who::Any(&[Scope::EcgsRead]);
const WRITE: Who = Who::Any(&[Scope::EcgsWrite]);

fn name() -> Value {
    pattern("^[A-Za-z0-9+_-]{1,16}$")
}

fn samples() -> Value {
    json!({"type": "array", "items": integer(i32::MIN.into(), i32::MAX.into())})
}

fn status() -> Value {
    one_of(&["receiving", "in_progress", "done", "failed"])
}

/// The leads of a recording or of a segment of it.
fn leads(members: shared::fields::Members, least: usize) -> Value {
    let mut signal = samples();
    signal["minItems"] = json!(least);
    let count =
        says(integer(0, i64::MAX), "The number of the signal's samples, where it is given.");
    let known = [("name", name()), ("number_of_samples", count), ("signal", signal)];
    let known: Vec<_> =
        known.into_iter().filter(|(name, _)| members.writable.contains(name)).collect();
    let lead = body(members, &["name", "signal"], &known);
    says(list(&lead, 1, MOST_LEADS), "Each name once.")
}

fn scale() -> Vec<(&'static str, Value)> {
    vec![
        ("sampling_rate_hz", number(1.0, 100_000.0)),
        (
            "adc_gain",
            says(json!({"type": "number", "minimum": 1e-130, "maximum": 1e100}), "Steps per mV."),
        ),
        (
            "adc_zero",
            by_default(says(integer(i32::MIN.into(), i32::MAX.into()), "The sample of 0 mV."), 0),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of the schemas")]
fn schemas() -> Vec<(&'static str, Value)> {
    let key = says(pattern("^[!-~]{1,255}$"), "Means what `Idempotency-Key` means.");
    let complete =
        says(by_default(boolean(), true), "False: segments follow, and the signals may be empty.");
    let mut new = scale();
    new.extend([
        ("leads", leads(LEAD, 0)),
        ("recorded_at", timestamp()),
        ("complete", complete),
        ("idempotence_key", key),
    ]);
    let mut recording = body(MEMBERS, &["leads"], &new);
    recording["anyOf"] = json!([
        {"properties": {"complete": {"const": false}}, "required": ["complete"]},
        {"properties": {"leads": {"items": {"properties": {"signal": {"minItems": 1}}}}}},
    ]);
    let sequence = integer(1, 10_000);
    let segment = body(
        SEGMENT,
        &["sequence", "leads"],
        &[("sequence", sequence.clone()), ("leads", leads(SEGMENT_LEAD, 1))],
    );
    let completion = body(COMPLETION, &["segments"], &[("segments", integer(0, 10_000))]);
    let mut known = scale();
    known.retain(|(name, _)| *name != "adc_zero");
    known.extend([
        ("status", status()),
        ("leads/name", name()),
        ("leads/signal", says(samples(), "Where `include` asks for it.")),
    ]);
    let fraction = || number(0.0, 1.0);
    let flags = ["bradycardia", "tachycardia", "pause", "irregular"];
    let (first, of) = ("01a20257-4f12-7000-8abb-10196065276f", "leads");
    let shown = json!({
        "id": first, "date": "2026-03-02T09:30:00.000Z", "status": "in_progress",
        "leads": [{"name": "II", "number_of_samples": 3_600}], "recorded_at": "2026-03-02T09:30:00.000Z",
        "sampling_rate_hz": 360.0, "adc_gain": 200.0, "adc_zero": 1_024, "created_at": "2026-03-02T09:31:00.000Z",
    });
    let report = json!({
        "ecg_id": first, "status": "done", "algorithm_version": ALGORITHM_VERSION, "computed_at": "2026-03-02T09:31:01.000Z",
        "leads": [{"name": "II", "number_of_samples": 3_600, "number_of_zero_crossings": 41, "number_of_zero_touches": 3,
                   "minimum": 850, "maximum": 1_300, "mean": 1_020.5, "rms": 1_024.1,
                   "quality": {"usable": true, "score": 0.97, "flat_fraction": 0.0, "clipped_fraction": 0.0}}],
        "rhythm": {"lead": "II", "beats": 12, "beat_samples": [77, 370, 662],
                   "heart_rate_bpm": {"mean": 73.8, "minimum": 72.1, "maximum": 75.5},
                   "hrv": {"sdnn_ms": 18.2, "rmssd_ms": 21.4, "pnn50": 0.0}, "flags": []},
        "not_computable": [], "disclaimer": "Nothing here is a diagnosis.",
    });
    vec![
        (
            "NewEcg",
            example(
                recording,
                json!({of: [{"name": "II", "signal": [1_000, 1_012, 1_240, 1_100, 990]}],
                       "recorded_at": "2026-03-02T09:30:00Z", "sampling_rate_hz": 360, "adc_gain": 200, "adc_zero": 1_024}),
            ),
        ),
        ("Ecg", example(answer::<Shown>(&known), shown)),
        (
            "NewSegment",
            example(
                segment,
                json!({"sequence": 1, of: [{"name": "II", "signal": [1_002, 998, 1_005]}]}),
            ),
        ),
        (
            "Segment",
            example(
                answer::<Received>(&[("sequence", sequence), ("leads/name", name())]),
                json!({"ecg_id": first, "sequence": 1, of: [{"name": "II", "number_of_samples": 3}]}),
            ),
        ),
        ("Completion", example(completion, json!({"segments": 1}))),
        (
            "Signal",
            example(
                answer::<Excerpt>(&[("lead", name()), ("signal", samples())]),
                json!({"ecg_id": first, "lead": "II", "number_of_samples": 3_600, "start_sample": 0,
                       "sample_count": 3, "signal": [1_000, 1_012, 1_240]}),
            ),
        ),
        (
            "Insights",
            example(
                answer::<Report>(&[
                    ("status", json!({"const": "done"})),
                    ("leads/name", name()),
                    ("leads/quality/score", fraction()),
                    ("leads/quality/flat_fraction", fraction()),
                    ("leads/quality/clipped_fraction", fraction()),
                    ("rhythm/flags", json!({"type": "array", "items": one_of(&flags)})),
                ]),
                report,
            ),
        ),
        (
            "Standing",
            example(
                answer::<Standing>(&[("status", one_of(&["receiving", "in_progress", "failed"]))]),
                json!({"ecg_id": first, "status": "in_progress"}),
            ),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of the operations")]
pub fn description() -> Description {
    use Header::IdempotencyKey;
    let of = || in_path("id", &id());
    let lead = || in_query("lead", &says(name(), "One of the recording's leads."));
    let most = i64::try_from(MOST_SHOWN).unwrap_or(i64::MAX);
    let seconds = |description: &str, usual: &str| {
        let seconds = pattern(r"^[0-9]{1,3}(\.[0-9]{1,3})?$");
        by_default(says(seconds, description), usual)
    };
    let insights = json!({"oneOf": [{"$ref": "#/components/schemas/Insights"}, {"$ref": "#/components/schemas/Standing"}]});
    let operations = vec![
        Operation {
            parameters: paging(20).into(),
            answers: vec![Answer::page("Ecg")],
            ..Operation::new("GET", "/ecgs", "Lists one's recordings, the newest first.", READ)
        },
        Operation {
            headers: &[IdempotencyKey],
            body: Body::of("NewEcg"),
            answers: vec![Answer::created("Ecg")],
            ..Operation::new(
                "POST",
                "/ecgs",
                "Registers a recording, which is analysed at once.",
                WRITE,
            )
        },
        Operation {
            parameters: vec![
                of(),
                in_query(
                    "include",
                    &says(one_of(&["signal"]), "Samples too, up to 400,000 of all leads."),
                ),
            ],
            answers: vec![Answer::ok("Ecg")],
            ..Operation::new("GET", "/ecgs/{id}", "Reads a recording.", READ)
        },
        Operation {
            parameters: vec![of()],
            answers: vec![Answer::no_content()],
            ..Operation::new("DELETE", "/ecgs/{id}", "Deletes a recording.", WRITE)
        },
        Operation {
            more: "In any order; up to 100,000,000 samples a recording.",
            parameters: vec![of()],
            headers: &[IdempotencyKey],
            body: Body::of("NewSegment"),
            answers: vec![
                Answer::new(201, "It was added.", Content::One("Segment"))
                    .with(&["Idempotency-Replayed"]),
                Answer::new(200, "It came before.", Content::One("Segment"))
                    .with(&["Idempotency-Replayed"]),
            ],
            refusals: &[(409, "segment_differs"), (409, "recording_complete")],
            ..Operation::new("POST", "/ecgs/{id}/segments", "Adds a segment to a recording.", WRITE)
        },
        Operation {
            more: "Safe to repeat.",
            parameters: vec![of()],
            headers: &[IdempotencyKey],
            body: Body::of("Completion"),
            answers: vec![Answer::done("Ecg")],
            refusals: &[
                (409, "segments_missing"),
                (409, "segments_differ"),
                (409, "recording_complete"),
            ],
            ..Operation::new(
                "POST",
                "/ecgs/{id}/complete",
                "Says how many segments a recording has.",
                WRITE,
            )
        },
        Operation {
            parameters: vec![
                of(),
                lead(),
                in_query("start_sample", &by_default(integer(0, i64::MAX), 0)),
                in_query("sample_count", &by_default(integer(0, most), most)),
            ],
            answers: vec![Answer::ok("Signal")],
            ..Operation::new(
                "GET",
                "/ecgs/{id}/signal",
                "Reads samples of a lead, as they were sent.",
                READ,
            )
        },
        Operation {
            more: "Nothing in them is a diagnosis. What can't be computed is named.",
            parameters: vec![of()],
            answers: vec![
                Answer::new(
                    200,
                    "The insights, or why the analysis failed.",
                    Content::Is(insights),
                ),
                Answer::new(
                    202,
                    "It is being analysed, or still received.",
                    Content::One("Standing"),
                )
                .with(&["Retry-After"]),
            ],
            ..Operation::new(
                "GET",
                "/ecgs/{id}/insights",
                "Reads what was found in a recording.",
                READ,
            )
        },
        Operation {
            more: "25 mm/s, 10 mm/mV; a recording without a rate can't be drawn.",
            parameters: vec![
                of(),
                in_query("start_s", &seconds("Where the picture begins.", "0")),
                in_query("duration_s", &seconds("From 0.001 to 3,600 seconds.", "10")),
                lead(),
            ],
            answers: vec![Answer::file("image/svg+xml").with(&["Content-Security-Policy"])],
            ..Operation::new("GET", "/ecgs/{id}/plot.svg", "Draws a recording on ECG paper.", READ)
        },
    ];
    Description {
        name: "ecgs",
        says: "Recordings kept sample for sample, and analysed.",
        operations,
        schemas: schemas(),
    }
}
