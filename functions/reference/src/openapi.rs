//! What reference data says of itself.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::openapi::schema::{
    answer, body, example, import, imported, in_path, in_query, integer, needed_in_query, one_of,
    paging, pattern, says, text,
};
use shared::openapi::{Answer, Body, Content, Description, Header, Operation, Who};

use crate::country::Country;
use crate::dataset::Dataset;
use crate::franchise::{Franchise, MEMBERS};
use crate::holiday::Holiday;
use crate::industry::Industry;

const OF_DATASET: &[&str] = &["ETag", "Cache-Control"];
const PAGE: &[&str] = &["Link", "ETag", "Cache-Control"];

/// A row with what it is taken from. A page says that once for all its rows.
fn row(mut schema: Value, mut shown: Value, version: &str, source: &str) -> Value {
    schema["properties"]["dataset"] = json!({"$ref": "#/components/schemas/Dataset"});
    shown["dataset"] = json!({"version": version, "source": source});
    example(schema, shown)
}

fn franchise_id() -> Value {
    pattern("^[A-Za-z0-9-]{1,32}$")
}

fn schemas() -> Vec<(&'static str, Value)> {
    let code = || pattern(r"^[0-9]{2,6}$|^[0-9]{2}-[0-9]{2}$");
    let dataset = answer::<Dataset>(&[]);
    let country = answer::<Country>(&[
        ("alpha2", pattern("^[A-Z]{2}$")),
        ("alpha3", pattern("^[A-Z]{3}$")),
        ("numeric", pattern("^[0-9]{3}$")),
    ]);
    let industry =
        answer::<Industry>(&[("code", code()), ("level", integer(2, 6)), ("parent", code())]);
    let listing = [
        ("franchise_id", franchise_id()),
        ("name", says(text(256), "Up to 40 words.")),
        ("status", one_of(&["active", "inactive"])),
    ];
    let franchise = answer::<Franchise>(&[("franchise_id", franchise_id())]);
    let given = json!({"franchise_id": "F-1001", "name": "Corner Café", "status": "active"});
    let mut shown = given.clone();
    shown["id"] = json!("01a20257-4f12-7000-8abb-10196065276f");
    let iso = "ISO 3166-1, by iso-codes 4.20.1 in rust_iso3166 0.2.0";
    vec![
        ("Dataset", example(dataset, json!({"version": "2026-01-01", "source": iso}))),
        (
            "Country",
            row(
                country,
                json!({"alpha2": "US", "alpha3": "USA", "numeric": "840", "name": "United States of America"}),
                "2026-01-01",
                iso,
            ),
        ),
        (
            "Holiday",
            row(
                answer::<Holiday>(&[]),
                json!({"date": "2026-07-04", "observed_date": "2026-07-03", "name": "Independence Day"}),
                "Pub. L. 117-17 (2021-06-17)",
                "5 U.S.C. 6103; Executive Order 11582",
            ),
        ),
        (
            "Industry",
            row(
                industry,
                json!({"code": "722515", "title": "Snack and Nonalcoholic Beverage Bars", "level": 6, "parent": "72251"}),
                "2022",
                "U.S. Census Bureau, 2-6 digit 2022 NAICS Codes",
            ),
        ),
        ("Franchise", row(franchise, shown, "2026-03-02T09:30:00.000Z", "POST /franchises/import")),
        (
            "FranchiseRow",
            example(body(MEMBERS, &["franchise_id", "name", "status"], &listing), given.clone()),
        ),
        (
            "FranchiseImport",
            example(import("FranchiseRow"), json!({"items": [given], "dry_run": true})),
        ),
        ("FranchisesImported", imported()),
    ]
}

fn read(path: &'static str, says: &'static str, schema: &'static str, code: Value) -> Operation {
    Operation {
        parameters: vec![code],
        headers: &[Header::IfNoneMatch],
        answers: vec![
            Answer::new(200, "What was asked for.", Content::One(schema)).with(OF_DATASET),
            Answer::not_modified().with(OF_DATASET),
        ],
        ..Operation::new("GET", path, says, Who::Known)
    }
}

fn list(
    path: &'static str,
    says: &'static str,
    of: &'static str,
    filters: Vec<Value>,
) -> Operation {
    Operation {
        parameters: [filters, paging(20).into()].concat(),
        headers: &[Header::IfNoneMatch],
        answers: vec![
            Answer::new(200, "A page of the list.", Content::PageOfDataset(of)).with(PAGE),
            Answer::not_modified().with(OF_DATASET),
        ],
        ..Operation::new("GET", path, says, Who::Known)
    }
}

pub fn description() -> Description {
    let q = || {
        let words = "Words, each the beginning of one, in any case and without accents.";
        in_query("q", &says(text(100), words))
    };
    let prefix = says(pattern("^[0-9-]{1,6}$"), "The beginning of a code.");
    let operations = vec![
        list("/countries", "Lists countries by ISO 3166-1.", "Country", vec![q()]),
        read(
            "/countries/{code}",
            "Reads a country by a code of any of the three kinds.",
            "Country",
            in_path("code", &example(pattern("^([A-Za-z]{2,3}|[0-9]{3})$"), json!("US"))),
        ),
        list(
            "/holidays",
            "Lists the federal holidays of a year.",
            "Holiday",
            vec![
                needed_in_query("country", &pattern("^([Uu][Ss]|[Uu][Ss][Aa]|840)$")),
                needed_in_query("year", &example(integer(1971, 2199), json!(2026))),
            ],
        ),
        list(
            "/naics-codes",
            "Lists industries by NAICS 2022.",
            "Industry",
            vec![in_query("prefix", &prefix), q(), in_query("level", &integer(2, 6))],
        ),
        read(
            "/naics-codes/{code}",
            "Reads an industry; each number of a sector finds it.",
            "Industry",
            in_path("code", &example(pattern("^([0-9]{2,6}|[0-9]{2}-[0-9]{2})$"), json!("722515"))),
        ),
        list(
            "/franchises",
            "Lists franchises, newest first; with q, those of each word that is found.",
            "Franchise",
            vec![q()],
        ),
        Operation {
            more: "A bad row stops no other.",
            headers: &[Header::IdempotencyKey],
            body: Body::of("FranchiseImport"),
            answers: vec![Answer::done("FranchisesImported")],
            ..Operation::new(
                "POST",
                "/franchises/import",
                "Imports up to 1,000 franchises.",
                Who::Any(&[Scope::PayoffsWrite]),
            )
        },
        read(
            "/franchises/{franchise_id}",
            "Reads a franchise.",
            "Franchise",
            in_path("franchise_id", &example(franchise_id(), json!("F-1001"))),
        ),
    ];
    Description {
        name: "reference",
        says: "What others have settled: countries, holidays, industries, franchises.",
        operations,
        schemas: schemas(),
    }
}
