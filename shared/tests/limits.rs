//! Rate limits: exact over instances, fair to others, and no burden where the counter is away.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::time::Duration;

use serde_json::json;
use shared::answer::Answer;
use shared::app::Function;
use shared::auth::Anyone;
use shared::http::Routes;
use shared::store::Table;
use shared::testing::{Reply, TestApp};

const PROBE: Function = Function { name: "coupons", tables: &Table::ALL, routes };

fn routes() -> Routes {
    Routes::default().get("/coupons", async |_: Anyone| Answer::ok(&json!({})))
}

async fn app(limit: &str) -> TestApp {
    TestApp::start_with(&[PROBE], &[("RATE_LIMIT_PER_MINUTE", limit)]).await
}

/// Waits where the minute is about to end: what a test counts should be of one window.
async fn early_in_a_minute() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    let left = 60 - now.as_secs() % 60;
    if left < 15 {
        tokio::time::sleep(Duration::from_secs(left)).await;
    }
}

fn left(reply: &Reply) -> u32 {
    let standing = reply.header("ratelimit");
    let left = standing.split("r=").nth(1).and_then(|rest| rest.split(';').next());
    left.and_then(|left| left.parse().ok()).expect(standing)
}

#[tokio::test]
async fn a_caller_gets_its_requests_and_not_one_more() {
    early_in_a_minute().await;
    let app = app("20").await;
    let (ada, bob) = (app.user("ada", &[]).await, app.user("bob", &[]).await);
    for number in 1..=20 {
        let reply = ada.get("/coupons").await;
        assert_eq!((reply.status.as_u16(), left(&reply)), (200, 20 - number));
        assert_eq!(reply.header("ratelimit-policy"), "\"default\";q=20;w=60");
    }
    for _ in 0..3 {
        let refused = ada.get("/coupons").await;
        assert_eq!((refused.problem().as_str(), left(&refused)), ("429 rate_limited", 0));
        let wait: u32 = refused.header("retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&wait));
    }
    assert_eq!(bob.get("/coupons").await.status, 200, "others go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_several_instances_the_limit_is_never_passed_and_seldom_missed() {
    early_in_a_minute().await;
    let app = app("300").await;
    let key = app.user_key("ada", &[]).await;
    let instances =
        [app.another_instance().await, app.another_instance().await, app.another_instance().await];
    let mut sent = Vec::new();
    for instance in &instances {
        for _ in 0..8 {
            let caller = instance.with_key(&key);
            sent.push(tokio::spawn(async move {
                let mut allowed = 0;
                for _ in 0..40 {
                    allowed += usize::from(caller.get("/coupons").await.status == 200);
                }
                allowed
            }));
        }
    }
    let mut allowed = 0;
    for sent in sent {
        allowed += sent.await.expect("a client");
    }
    assert!((270..=300).contains(&allowed), "{allowed}");
}

#[tokio::test]
async fn what_many_instances_lease_for_a_few_requests_each_is_not_lost_to_the_others() {
    early_in_a_minute().await;
    let app = app("300").await;
    let key = app.user_key("ada", &[]).await;
    let mut allowed = 0;
    for _ in 0..30 {
        let caller = app.another_instance().await.with_key(&key);
        for _ in 0..2 {
            allowed += usize::from(caller.get("/coupons").await.status == 200);
        }
    }
    let ada = app.with_key(&key);
    while ada.get("/coupons").await.status == 200 {
        allowed += 1;
    }
    assert!((270..=300).contains(&allowed), "{allowed}");
}

#[tokio::test]
async fn a_user_may_have_a_limit_of_its_own() {
    early_in_a_minute().await;
    let app = app("5").await;
    let (key, id) = app.user_key_and_id("ada", &[]).await;
    app.set(Table::Users, &format!("user#{id}"), "user", "rate_limit_per_minute", 9).await;
    let ada = app.with_key(&key);
    for _ in 0..9 {
        assert_eq!(ada.get("/coupons").await.status, 200);
    }
    let refused = ada.get("/coupons").await;
    assert_eq!(
        (refused.problem().as_str(), refused.header("ratelimit-policy")),
        ("429 rate_limited", "\"default\";q=9;w=60")
    );
}

#[tokio::test]
async fn guesses_count_against_their_source_before_any_look_up() {
    early_in_a_minute().await;
    let app = app("10").await;
    for number in 0..4 {
        // Whatever a client says of where it comes from.
        let forwarded = app.anon().header("x-forwarded-for", &format!("203.0.113.{number}"));
        assert_eq!(forwarded.get("/coupons").await.status, 200);
        assert_eq!(app.with_key("qk_guess").get("/nowhere").await.status, 401);
    }
    assert_eq!(
        app.anon().header("x-admin-token", "guess-guess-guess").get("/coupons").await.status,
        401
    );
    assert_eq!(app.anon().header("authorization", "Bearer x").get("/coupons").await.status, 401);
    app.faults.calls();
    assert_eq!(app.with_key("qk_guess").get("/coupons").await.problem(), "429 rate_limited");
    assert_eq!(app.anon().get("/coupons").await.problem(), "429 rate_limited");
    assert_eq!(app.with_key("qk_guess").get("/coupons").await.problem(), "429 rate_limited");
    assert_eq!(app.faults.calls(), Vec::<String>::new(), "a spent source costs nothing");
    // What proves itself without a look-up is let in from anywhere.
    assert_eq!(app.admin().get("/coupons").await.status, 200);
    let wrong = app.anon().header("x-admin-token", "guess-guess-guess");
    assert_eq!(wrong.get("/coupons").await.problem(), "429 rate_limited");
}

#[tokio::test]
async fn a_known_caller_s_wrong_location_counts_against_it_and_not_its_source() {
    early_in_a_minute().await;
    let app = app("3").await;
    let ada = app.user("ada", &[]).await;
    let elsewhere = ada.header("x-location-id", "019b0000-0000-7000-8000-000000000001");
    for number in 1..=3 {
        let refused = elsewhere.get("/coupons").await;
        assert_eq!((refused.problem().as_str(), left(&refused)), ("403 forbidden", 3 - number));
    }
    assert_eq!(elsewhere.get("/coupons").await.problem(), "429 rate_limited");
    assert_eq!(ada.get("/coupons").await.problem(), "429 rate_limited");
    assert_eq!(left(&app.anon().get("/coupons").await), 2, "its source has paid nothing");
}

#[tokio::test]
async fn a_known_caller_costs_no_read_and_a_lease_now_and_then() {
    early_in_a_minute().await;
    let app = app("600").await;
    let ada = app.user("ada", &[]).await;
    ada.get("/coupons").await;
    app.faults.calls();
    for _ in 0..50 {
        assert_eq!(ada.get("/coupons").await.status, 200);
    }
    let calls = app.faults.calls();
    assert!(calls.iter().all(|call| call == "UpdateItem"), "{calls:?}");
    assert!((6..=8).contains(&calls.len()), "{calls:?}");
}

#[tokio::test]
async fn where_the_counter_is_away_requests_pass() {
    let app = app("600").await;
    let ada = app.user("ada", &[]).await;
    app.delete_table(Table::Limits).await;
    for _ in 0..3 {
        assert_eq!(ada.get("/coupons").await.status, 200);
        assert_eq!(app.anon().get("/coupons").await.status, 200);
    }
}
