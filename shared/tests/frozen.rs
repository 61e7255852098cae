//! A process that stood still for a while, as Lambda's do between calls: what it knew is too old,
//! though its own clock hardly moved.

use serde_json::json;
use shared::answer::Answer;
use shared::app::Function;
use shared::auth::Known;
use shared::http::Routes;
use shared::store::Table;
use shared::testing::{TestApp, step_clock};

const PROBE: Function = Function { name: "coupons", tables: &Table::ALL, routes };

fn routes() -> Routes {
    Routes::default().get("/coupons", async |_: Known| Answer::ok(&json!({})))
}

#[tokio::test]
async fn a_user_who_was_disabled_while_the_process_stood_still_is_refused() {
    let app = TestApp::start(&[PROBE]).await;
    let (key, id) = app.user_key_and_id("ada", &[]).await;
    let ada = app.with_key(&key);
    assert_eq!(ada.get("/coupons").await.status, 200);
    app.set(Table::Users, &format!("user#{id}"), "user", "disabled", true).await;
    step_clock(50_000);
    assert_eq!(ada.get("/coupons").await.status, 200, "it is known for less than a minute");
    step_clock(56_000);
    assert_eq!(ada.get("/coupons").await.problem(), "401 unauthenticated");
    // A clock that was set back says nothing of what it knows.
    app.set(Table::Users, &format!("user#{id}"), "user", "disabled", false).await;
    assert_eq!(ada.get("/coupons").await.status, 200);
    app.set(Table::Users, &format!("user#{id}"), "user", "disabled", true).await;
    step_clock(0);
    assert_eq!(ada.get("/coupons").await.problem(), "401 unauthenticated");
}
