//! What payoffs say of themselves.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::openapi::schema::{
    answer, body, date, decimal, example, id, in_path, in_query, list, one_of, paging, pattern,
    percentage, says, text,
};
use shared::openapi::{Answer, Body, Description, Header, Operation, Who};

use crate::payoff::{FEE, MEMBERS, MOST_FEES, Payoff};

fn known_day() -> Value {
    let mut day = says(date(), "From 1971 to 2199, whose holidays are known.");
    day["pattern"] =
        json!("^(197[1-9]|19[89][0-9]|2[01][0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$");
    day
}

pub fn description() -> Description {
    let amount = || decimal(15, 2);
    let above_zero = pattern(r"^([1-9][0-9]{0,14}(\.[0-9]{1,2})?|0\.([1-9][0-9]?|0[1-9]))$");
    let fee = body(FEE, &["name", "amount"], &[("name", text(256)), ("amount", amount())]);
    let terms = || {
        vec![
            ("loan_number", text(128)),
            (
                "payoff_date",
                says(known_day(), "Not before `interest_paid_through`; from 1971 to 2199."),
            ),
            ("principal_balance", says(above_zero.clone(), "Above 0.")),
            ("annual_rate_percent", says(percentage(6), "0 to 100.")),
            ("interest_paid_through", known_day()),
            ("day_count", one_of(&["actual/365", "actual/360", "30/360"])),
        ]
    };
    let mut asked = terms();
    asked.push(("fees", list(&fee, 0, MOST_FEES)));
    let needed: Vec<_> = terms().into_iter().map(|(name, _)| name).collect();
    let example_of = json!({
        "loan_number": "L-20417", "payoff_date": "2026-03-14", "principal_balance": "182450.75",
        "annual_rate_percent": "6.375", "interest_paid_through": "2026-03-01", "day_count": "actual/365",
        "fees": [{"name": "Recording", "amount": "35.00"}],
    });
    let mut payoff = example_of.clone();
    for (name, value) in [
        ("id", json!("01a20257-4f12-7000-8abb-10196065276f")),
        ("location_id", json!("00000000-0000-7000-8000-000000000000")),
        ("good_through", json!("2026-03-16")),
        ("accrued_days", json!(15)),
        ("per_diem", json!("31.87")),
        ("accrued_interest", json!("477.99")),
        ("fees_total", json!("35.00")),
        ("total_due", json!("182963.74")),
        ("created_at", json!("2026-03-02T09:30:00.000Z")),
    ] {
        payoff[name] = value;
    }
    let mut known = terms();
    let cents = pattern(r"^[0-9]+\.[0-9]{2}$");
    known.extend([
        ("good_through", says(date(), "The payoff date, or the next day that is a business day.")),
        ("per_diem", cents.clone()),
        ("accrued_interest", cents.clone()),
        ("fees_total", cents.clone()),
        ("total_due", cents),
        ("fees/amount", amount()),
    ]);
    let operations = vec![
        Operation {
            more: "Interest up to the next business day, each figure rounded once, half to even.",
            headers: &[Header::IdempotencyKey],
            body: Body::of("NewPayoff"),
            answers: vec![Answer::created("Payoff")],
            ..Operation::new(
                "POST",
                "/payoffs",
                "Computes what a loan costs to pay off on a day.",
                Who::Any(&[Scope::PayoffsWrite]),
            )
        },
        Operation {
            parameters: [vec![in_query("loan_number", &text(128))], paging(20).into()].concat(),
            answers: vec![Answer::page("Payoff")],
            ..Operation::new(
                "GET",
                "/payoffs",
                "Lists the location's payoffs, newest first.",
                Who::Any(&[Scope::PayoffsRead]),
            )
        },
        Operation {
            parameters: vec![in_path("id", &id())],
            answers: vec![Answer::ok("Payoff")],
            ..Operation::new(
                "GET",
                "/payoffs/{id}",
                "Reads a payoff.",
                Who::Any(&[Scope::PayoffsRead]),
            )
        },
    ];
    Description {
        name: "payoffs",
        says: "What a loan costs to pay off on a day, exact to the cent.",
        operations,
        schemas: vec![
            ("NewPayoff", example(body(MEMBERS, &needed, &asked), example_of)),
            ("Payoff", example(answer::<Payoff>(&known), payoff)),
        ],
    }
}
