//! Locations, and who is seen at them by whom.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use serde_json::json;

use common::{DEFAULT_LOCATION, app, location, names, registered};

#[tokio::test]
async fn the_users_of_a_location_are_listed_to_those_who_share_it() {
    let app = app().await;
    let (north, south) = (location(&app, "North").await, location(&app, "South").await);
    for (name, locations) in
        [("ann", vec![&*north]), ("ben", vec![&north, &south]), ("cy", vec![&south])]
    {
        registered(&app, name, &locations, &[]).await;
    }
    let reader = registered(&app, "reader", &[&north], &["users:read"]).await;
    let reader = app.with_key(reader["token"].as_str().unwrap_or_default());
    let at = |location: &str| format!("/users?location_id={location}");
    assert_eq!(names(&reader.get(&at(&north)).await), ["reader", "ben", "ann"]);
    assert_eq!(reader.get(&at(&south)).await.problem(), "403 forbidden");
    assert_eq!(names(&app.admin().get(&at(&south)).await), ["cy", "ben"]);
    assert_eq!(names(&app.admin().get("/users?username=BEN").await), ["ben"]);
    assert_eq!(names(&app.admin().get("/users?username=nobody").await), Vec::<String>::new());
    assert_eq!(reader.get("/users?username=ben").await.problem(), "403 forbidden");
    assert_eq!(reader.get("/users").await.wrong(), ["location_id required"]);
    assert_eq!(app.admin().get("/users").await.wrong(), ["location_id required"]);
    // Who left is listed no more.
    let ben = app.admin().get("/users?username=ben").await.json()["items"][0].clone();
    let path = format!("/users/{}", ben["id"].as_str().unwrap_or_default());
    assert_eq!(reader.get(&path).await.json(), ben);
    app.admin().patch(&path, &json!({"location_ids": [south]})).await;
    assert_eq!(names(&reader.get(&at(&north)).await), ["reader", "ann"]);
    assert_eq!(reader.get(&path).await.problem(), "404 not_found");
    let page = app.admin().get(&format!("{}&limit=1", at(&south))).await;
    assert_eq!(
        (names(&page), page.json()["next_cursor"].is_string()),
        (vec!["cy".to_owned()], true)
    );
    let ada = app.user("ada", &[]).await;
    assert_eq!(ada.get(&at(DEFAULT_LOCATION)).await.problem(), "403 forbidden");
    assert!(
        app.audit("users").await.iter().filter(|line| *line == "reader read users []").count() == 6
    );
}

#[tokio::test]
async fn a_user_may_have_a_hundred_locations() {
    let app = app().await;
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(location(&app, &format!("{number}")).await);
    }
    let many: Vec<_> = ids.iter().map(String::as_str).collect();
    let user = registered(&app, "everywhere", &many, &["users:read"]).await;
    assert_eq!(user["location_ids"].as_array().map(Vec::len), Some(100));
    for id in [&ids[0], &ids[99]] {
        assert_eq!(
            names(&app.admin().get(&format!("/users?location_id={id}")).await),
            ["everywhere"]
        );
    }
    let caller = app.with_key(user["token"].as_str().unwrap_or_default());
    let page = caller.get("/locations?limit=60").await;
    let rest = caller.get(&page.next_path().unwrap_or_default()).await;
    assert_eq!((names(&page).len(), names(&rest).len()), (60, 40));
    assert_eq!(names(&page)[0], "99");
}

#[tokio::test]
async fn locations_are_seen_by_those_who_may_use_them() {
    let app = app().await;
    let (north, south) = (location(&app, "North").await, location(&app, "South").await);
    assert_eq!(names(&app.admin().get("/locations").await), ["South", "North", "default"]);
    let first = app.admin().get("/locations?limit=2").await;
    let next = format!(
        "/locations?limit=2&cursor={}",
        first.json()["next_cursor"].as_str().unwrap_or_default()
    );
    assert_eq!(
        (names(&first), names(&app.admin().get(&next).await)),
        (vec!["South".into(), "North".into()], vec!["default".into()])
    );
    let ann = registered(&app, "ann", &[&north], &[]).await;
    let ann = app.with_key(ann["token"].as_str().unwrap_or_default());
    assert_eq!(names(&ann.get("/locations").await), ["North"]);
    assert_eq!(ann.get(&format!("/locations/{north}")).await.json()["name"], "North");
    assert_eq!(ann.get(&format!("/locations/{south}")).await.problem(), "404 not_found");
    let default = app.admin().get(&format!("/locations/{DEFAULT_LOCATION}")).await.json();
    assert_eq!(default, json!({"id": DEFAULT_LOCATION, "name": "default"}));
    assert_eq!(ann.post("/locations", &json!({"name": "x"})).await.problem(), "403 forbidden");
    assert_eq!(app.admin().post("/locations", &json!({})).await.wrong(), ["/name required"]);
    assert_eq!(app.anon().get("/locations").await.problem(), "401 unauthenticated");
    assert_eq!(
        app.audit("locations").await.iter().filter(|line| *line == "ann read locations []").count(),
        2
    );
}
