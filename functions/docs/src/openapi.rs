//! What the description says of itself.

use serde_json::json;
use shared::openapi::schema::{in_path, one_of};
use shared::openapi::{Answer, Content, Description, Header, Operation, Who};

use crate::file::OF_PAGE;

pub fn description() -> Description {
    let file = one_of(&OF_PAGE.each_ref().map(|file| file.name));
    let kinds = OF_PAGE.iter().map(|file| {
        let kind = file.kind.split(';').next().unwrap_or(file.kind);
        (kind, Content::Is(json!({"type": "string"})))
    });
    let document = json!({"type": "object", "required": ["openapi", "info", "paths"]});
    let kept = &["ETag", "Vary"];
    let one = |path, says, answer: Answer| Operation {
        headers: &[Header::IfNoneMatch],
        answers: vec![answer, Answer::not_modified().with(kept)],
        ..Operation::new("GET", path, says, Who::Anyone)
    };
    let found = Answer::new(200, "This document.", Content::Is(document)).with(kept);
    let page = Answer::file("text/html").with(&["ETag", "Vary", "Content-Security-Policy"]);
    let part = Answer { content: kinds.collect(), ..Answer::file("") }.with(kept);
    let operations = vec![
        one("/openapi.json", "Reads this document.", found),
        one("/docs", "Shows a page to read and try the API.", page),
        Operation {
            parameters: vec![in_path("file", &file)],
            ..one("/docs/{file}", "Reads a file of that page.", part)
        },
    ];
    Description {
        name: "docs",
        says: "This document, and a page of it.",
        operations,
        schemas: vec![],
    }
}
