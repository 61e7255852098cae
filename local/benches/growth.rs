//! What a request costs with more and more stored: it should stay the same.
//! `cargo bench -p local --bench growth [-- 1000 100000 1000000] [KIND..]`

mod common;

use std::time::Instant;

use common::{Call, Result, Stored, arguments, bulk, median};
use http::Method;
use shared::store::Table;
use shared::testing::{Client, TestApp};

const TIMES: usize = 15;
/// Whose calls are measured, and where its items lie: what their partition keys begin with.
const GROWING: [(&str, Table, &str); 5] = [
    ("coupons", Table::Coupons, "coupon#"),
    ("encounters", Table::Encounters, "encounter#"),
    ("payoffs", Table::Payoffs, "payoff#"),
    ("ecgs", Table::Ecgs, "ecg#"),
    ("audit", Table::Audit, "coupons#"),
];

/// What a call costs, and the median of its time in ms.
async fn measured(ada: &Client, call: &Call, from: usize) -> Result<String> {
    let (mut times, mut cost) = (Vec::new(), String::new());
    for time in 0..TIMES {
        let method: Method = call.method().parse()?;
        let began = Instant::now();
        let reply = ada.send(method, &call.path, call.body(from + time)).await;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        if !reply.status.is_success() {
            return Err(format!("{}: {}", call.path, reply.json()).into());
        }
        reply.header("server-timing").split('"').nth(1).unwrap_or_default().clone_into(&mut cost);
    }
    Ok(format!("{cost} | {:.2}", median(times)))
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut sizes: Vec<usize> = arguments().iter().filter_map(|size| size.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 100_000];
    }
    print!("| route |");
    for size in &sizes {
        print!(" {size}: cost | ms |");
    }
    println!("\n| --- |{}", " --- | --- |".repeat(sizes.len()));
    let named = arguments();
    let is_named = |kind: &str| named.iter().any(|name| name == kind);
    let are_some = GROWING.iter().any(|(kind, ..)| is_named(kind));
    for (function, table, prefix) in
        GROWING.into_iter().filter(|(kind, ..)| !are_some || is_named(kind))
    {
        let stored = Stored::start(&[TestApp::WITHOUT_FAULTS]).await?;
        let ada = stored.app.with_key(&stored.key).header("content-type", "application/json");
        let calls = stored.calls.iter().filter(|call| call.function == function);
        let mut rows: Vec<_> = calls.map(|call| (call, Vec::new())).collect();
        for size in &sizes {
            bulk::fill(&stored.app, table, prefix, *size).await?;
            for (call, figures) in &mut rows {
                figures.push(measured(&ada, call, *size).await?);
            }
        }
        for (call, figures) in rows {
            println!("| `{}` | {} |", call.route, figures.join(" | "));
        }
    }
    Ok(())
}
