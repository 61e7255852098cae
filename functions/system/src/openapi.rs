//! What this says of itself.

use serde_json::json;
use shared::openapi::schema::{answer, example, one_of};
use shared::openapi::{Answer, Content, Description, Operation, Who};

use crate::{Health, Status};

pub fn description() -> Description {
    let ready = json!({"status": "ok", "version": "0.1.0", "checks": {"dynamodb": "ok"}});
    let states = ["ok", "unavailable"];
    let health =
        answer::<Health>(&[("status", one_of(&states)), ("checks/dynamodb", one_of(&states))]);
    let status = answer::<Status>(&[("status", one_of(&["ok"]))]);
    let operations = vec![
        Operation {
            answers: vec![Answer::file("text/html").with(&["Content-Security-Policy"])],
            ..Operation::new("GET", "/", "Shows what is here.", Who::Anyone)
        },
        Operation {
            answers: vec![Answer::ok("Health")],
            ..Operation::new("GET", "/health", "Says that it runs.", Who::Anyone)
        },
        Operation {
            answers: vec![
                Answer::ok("Health"),
                Answer::new(503, "The storage is away.", Content::One("Health")),
            ],
            ..Operation::new(
                "GET",
                "/health/ready",
                "Says that the storage answers, too.",
                Who::Anyone,
            )
        },
        Operation {
            answers: vec![Answer::new(200, "It is there.", Content::Is(json!({"const": "pong"})))],
            ..Operation::new("GET", "/health/ping", "Answers.", Who::Anyone)
        },
        Operation {
            answers: vec![Answer::ok("Status")],
            ..Operation::new("GET", "/status", "Says that the credential is good.", Who::Known)
        },
    ];
    Description {
        name: "system",
        says: "Whether it runs.",
        operations,
        schemas: vec![
            ("Health", example(health, ready)),
            ("Status", example(status, json!({"status": "ok"}))),
        ],
    }
}
