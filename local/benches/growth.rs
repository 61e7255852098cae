//! What a request costs with more and more stored: it should stay the same.
//! `cargo bench -p local --bench growth [-- 1000 100000 1000000]`

mod common;

use std::collections::BTreeMap;
use std::time::Instant;

use common::{Result, Stored, arguments, bulk, median};
use http::Method;
use shared::store::Table;
use shared::testing::TestApp;

const TIMES: usize = 15;
/// Where many lie: what their partition keys begin with.
const GROWING: [(Table, &str); 5] = [
    (Table::Coupons, "coupon#"),
    (Table::Encounters, "encounter#"),
    (Table::Payoffs, "payoff#"),
    (Table::Ecgs, "ecg#"),
    (Table::Audit, "coupons#"),
];

#[tokio::main]
async fn main() -> Result<()> {
    let mut sizes: Vec<usize> = arguments().iter().filter_map(|size| size.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 100_000];
    }
    let stored = Stored::start(&[TestApp::WITHOUT_FAULTS]).await?;
    let ada = stored.app.with_key(&stored.key).header("content-type", "application/json");
    let mut rows: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for size in &sizes {
        let began = Instant::now();
        for (table, prefix) in GROWING {
            bulk::fill(&stored.app, table, prefix, *size).await?;
        }
        eprintln!("{size} of each stored after {:.0?}", began.elapsed());
        for (number, call) in stored.calls.iter().enumerate() {
            let (mut times, mut cost) = (Vec::new(), String::new());
            for time in 0..TIMES {
                let method: Method = call.method().parse()?;
                let body = call.body(size + time);
                let began = Instant::now();
                let reply = ada.send(method, &call.path, body).await;
                times.push(began.elapsed().as_secs_f64() * 1e3);
                if !reply.status.is_success() {
                    return Err(format!("{}: {}", call.path, reply.json()).into());
                }
                let timing = reply.header("server-timing");
                timing.split('"').nth(1).unwrap_or_default().clone_into(&mut cost);
            }
            let figures = rows.entry(number).or_default();
            figures.push(cost);
            figures.push(format!("{:.2}", median(times)));
        }
    }
    print!("| route |");
    for size in &sizes {
        print!(" {size}: cost | ms |");
    }
    println!("\n| --- |{}", " --- | --- |".repeat(sizes.len()));
    for (number, call) in stored.calls.iter().enumerate() {
        let figures = rows.get(&number).map(|figures| figures.join(" | ")).unwrap_or_default();
        println!("| `{}` | {figures} |", call.route);
    }
    Ok(())
}
