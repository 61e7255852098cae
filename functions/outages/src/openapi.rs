//! What outage runs say of themselves.

use serde_json::json;
use shared::auth::Scope;
use shared::openapi::schema::{
    answer, body, boolean, by_default, example, id, in_path, list, paging, pattern, says, timestamp,
};
use shared::openapi::{Answer, Body, Content, Description, Header, Operation, Who};
use shared::outages::MOST_SITES;

use crate::run::{Options, Run};

pub fn description() -> Description {
    let site = pattern("^[A-Za-z0-9._-]{0,63}[A-Za-z0-9_-]$");
    let options = body(
        Options::MEMBERS,
        &[],
        &[
            (
                "sites",
                says(list(&site, 1, MOST_SITES), "As in the settings, where they are absent."),
            ),
            ("since", says(timestamp(), "As in the settings, where it is absent.")),
            ("dry_run", by_default(boolean(), false)),
            ("force", says(by_default(boolean(), false), "Posts what would be unchanged or held.")),
        ],
    );
    let run = json!({
        "id": "01a20257-4f12-7000-8abb-10196065276f", "trigger": "request", "state": "succeeded", "dry_run": false,
        "started_at": "2026-03-02T09:30:00.000Z", "finished_at": "2026-03-02T09:30:01.412Z",
        "sites": [{"site_id": "norwich-pear-tree", "state": "posted", "fetched": 12, "kept": 8, "posted": 8, "attempts": 1,
                   "reason": null, "payload_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}],
    });
    let operations = vec![
        Operation {
            parameters: paging(20).into(),
            answers: vec![Answer::page("Run")],
            ..Operation::new(
                "GET",
                "/outages/runs",
                "Lists runs, newest first.",
                Who::Any(&[Scope::OutagesRead]),
            )
        },
        Operation {
            more: "Two equal ones at once make one run.",
            headers: &[Header::IdempotencyKey],
            body: Body::optional("RunOptions"),
            answers: vec![
                Answer { says: "It ran.", ..Answer::created("Run") },
                Answer::new(202, "It is running, or an equal one was.", Content::One("Run"))
                    .with(&["Location", "Idempotency-Replayed"]),
            ],
            ..Operation::new(
                "POST",
                "/outages/runs",
                "Posts the outages of sites.",
                Who::Any(&[Scope::OutagesRun]),
            )
        },
        Operation {
            parameters: vec![in_path("id", &id())],
            answers: vec![Answer::ok("Run")],
            ..Operation::new(
                "GET",
                "/outages/runs/{id}",
                "Reads a run.",
                Who::Any(&[Scope::OutagesRead]),
            )
        },
    ];
    Description {
        name: "outages",
        says: "Outages of sites, posted once or said why not.",
        operations,
        schemas: vec![
            (
                "RunOptions",
                example(options, json!({"sites": ["norwich-pear-tree"], "dry_run": true})),
            ),
            (
                "Run",
                example(
                    answer::<Run>(&[
                        ("sites/site_id", site),
                        (
                            "sites/payload_sha256",
                            says(pattern("^[0-9a-f]{64}$"), "Of the bytes posted."),
                        ),
                    ]),
                    run,
                ),
            ),
        ],
    }
}
