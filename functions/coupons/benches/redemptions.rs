//! Redemptions a second by 1, 16 and 64 clients, on one coupon and on 64, beside plain conditional
//! updates of one counter on the same store. `cargo bench -p coupons --bench redemptions`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::auth::Scope;
use shared::testing::{Client, TestApp};

const LASTS: Duration = Duration::from_secs(3);

/// Does `work` with as many clients as asked, for a while; done a second.
async fn rate<F>(clients: usize, work: impl Fn(usize) -> F + Send + Sync + 'static) -> f64
where
    F: Future<Output = bool> + Send + 'static,
{
    let (work, done) = (Arc::new(work), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let running: Vec<_> = (0..clients)
        .map(|_| {
            let (work, done) = (Arc::clone(&work), Arc::clone(&done));
            tokio::spawn(async move {
                while began.elapsed() < LASTS {
                    let number = rand::random_range(0..usize::MAX);
                    if work(number).await {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for client in running {
        let _ = client.await;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let done = done.load(Ordering::Relaxed) as f64;
    done / began.elapsed().as_secs_f64()
}

async fn coupons(count: usize, ada: &Client) -> Vec<String> {
    let mut paths = Vec::new();
    for number in 0..count {
        let coupon = json!({
            "couponcode": "BENCH", "title": format!("{number}"), "merchant": "M", "max_redemptions": 1_000_000_000,
            "published_at": "2020-01-01T00:00:00Z", "expire_at": "2090-01-01T00:00:00Z",
        });
        paths.push(ada.post("/coupons", &coupon).await.header("location").to_owned());
    }
    paths
}

#[tokio::main]
async fn main() {
    println!("{:>8} {:>12} {:>12} {:>16}", "clients", "one coupon", "64 coupons", "plain updates");
    for clients in [1, 16, 64] {
        let app = TestApp::start_with(&[coupons::FUNCTION], &[TestApp::WITHOUT_FAULTS]).await;
        let ada = app.user("ada", &[Scope::CouponsWrite, Scope::CouponsRedeem]).await;
        let mut rates = Vec::new();
        for count in [1, 64] {
            let (paths, ada) = (Arc::new(coupons(count, &ada).await), ada.clone());
            rates.push(
                rate(clients, move |number| {
                    let (ada, path) = (ada.clone(), paths.get(number % paths.len()).cloned().unwrap_or_default());
                    let order = json!({"customer_id": format!("{number}"), "order_id": format!("{number}"), "order_amount": "10.00", "currency": "USD"});
                    async move { ada.post(&format!("{path}/redemptions"), &order).await.status == 201 }
                })
                .await,
            );
        }
        let dynamodb = app.dynamodb().clone();
        rates.push(
            rate(clients, move |_| {
                let update = dynamodb
                    .update_item()
                    .table_name("quartet-coupons")
                    .key("pk", AttributeValue::S("bench".to_owned()))
                    .key("sk", AttributeValue::S("bench".to_owned()))
                    .update_expression("ADD live :one")
                    .condition_expression("attribute_not_exists(live) OR live < :most")
                    .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                    .expression_attribute_values(
                        ":most",
                        AttributeValue::N("1000000000".to_owned()),
                    );
                async move { update.send().await.is_ok() }
            })
            .await,
        );
        let shown: Vec<_> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        if let [one, many, plain] = shown.as_slice() {
            println!("{clients:>8} {one:>12} {many:>12} {plain:>16}");
        }
    }
}
