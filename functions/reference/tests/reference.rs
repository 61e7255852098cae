//! Countries, holidays and industries, as callers see them.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use serde_json::{Value, json};
use shared::testing::Reply;

use common::{app, column, every_page};

async fn found(path: &str, name: &str) -> Vec<String> {
    let (_app, ada) = app().await;
    column(&every_page(&ada, path).await, name)
}

#[tokio::test]
async fn a_country_is_found_by_any_code_and_says_where_it_comes_from() {
    let (_app, ada) = app().await;
    for code in ["CI", "ci", "CIV", "cIv", "384"] {
        let country = ada.get(&format!("/countries/{code}")).await.json();
        assert_eq!(
            country,
            json!({
                "alpha2": "CI", "alpha3": "CIV", "numeric": "384", "name": "Côte d'Ivoire",
                "dataset": country["dataset"],
            })
        );
        assert!(
            country["dataset"]["version"].is_string() && country["dataset"]["source"].is_string()
        );
    }
    for code in ["XX", "38", "0384", "UK", "C", "Ivoire", "c.v"] {
        assert_eq!(
            ada.get(&format!("/countries/{code}")).await.problem(),
            "404 not_found",
            "{code}"
        );
    }
}

#[tokio::test]
async fn countries_are_searched_without_regard_to_case_and_accents() {
    for q in ["cote", "C%C3%94TE", "ivoire", "cote+ivoire", "d%27ivoire", "civ", "384"] {
        assert_eq!(found(&format!("/countries?q={q}"), "alpha2").await, ["CI"], "{q}");
    }
    assert_eq!(found("/countries?q=korea", "alpha2").await, ["KP", "KR"]);
    assert_eq!(found("/countries?q=aland", "alpha2").await, ["AX"]);
    assert_eq!(found("/countries?q=TURKIYE", "alpha2").await, ["TR"]);
    for q in ["nowhere", "omania", "-", "%20"] {
        assert!(found(&format!("/countries?q={q}"), "alpha2").await.is_empty(), "{q}");
    }
}

#[tokio::test]
async fn all_countries_come_once_in_the_order_of_their_codes() {
    let codes = found("/countries?limit=100", "alpha2").await;
    assert_eq!(codes.len(), 249);
    assert!(codes.is_sorted());
    let (_app, ada) = app().await;
    let page = ada.get("/countries").await;
    assert_eq!(page.json()["items"].as_array().map(Vec::len), Some(20));
    assert!(page.header("link").ends_with("; rel=\"next\""));
}

#[tokio::test]
async fn holidays_of_a_year_are_those_whose_day_or_day_off_is_in_it() {
    let (_app, ada) = app().await;
    let list = ada.get("/holidays?country=US&year=2021").await.json();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    assert_eq!((items.len(), &list["next_cursor"]), (12, &Value::Null));
    assert_eq!(
        (&items[4], &items[11]),
        (
            &json!({"date": "2021-06-19", "observed_date": "2021-06-18", "name": "Juneteenth National Independence Day"}),
            &json!({"date": "2022-01-01", "observed_date": "2021-12-31", "name": "New Year's Day"}),
        )
    );
    let next = ada.get("/holidays?country=usa&year=2022").await.json();
    assert_eq!(next["items"][0], items[11]);
    for (year, count) in [(1971, 10), (1985, 9), (1986, 10), (2020, 10), (2021, 12), (2199, 11)] {
        let list = every_page(&ada, &format!("/holidays?country=840&year={year}&limit=7")).await;
        assert_eq!(list.len(), count, "{year}");
    }
}

#[tokio::test]
async fn an_industry_has_its_level_and_its_parent() {
    let (_app, ada) = app().await;
    let industry = ada.get("/naics-codes/722513").await.json();
    assert_eq!(
        industry,
        json!({
            "code": "722513", "title": "Limited-Service Restaurants", "level": 6, "parent": "72251",
            "dataset": {"version": "2022", "source": industry["dataset"]["source"]},
        })
    );
    for code in ["31-33", "31", "32", "33"] {
        let sector = ada.get(&format!("/naics-codes/{code}")).await.json();
        assert_eq!(
            (&sector["code"], &sector["title"], &sector["level"], &sector["parent"]),
            (&json!("31-33"), &json!("Manufacturing"), &json!(2), &Value::Null)
        );
    }
    assert_eq!(ada.get("/naics-codes/311").await.json()["parent"], "31-33");
    for code in ["34", "7", "72251399", "722514-", "abc", "31-32"] {
        assert_eq!(
            ada.get(&format!("/naics-codes/{code}")).await.problem(),
            "404 not_found",
            "{code}"
        );
    }
}

#[tokio::test]
async fn industries_are_listed_by_prefix_level_and_words() {
    assert_eq!(found("/naics-codes?level=2", "code").await.len(), 20);
    assert_eq!(found("/naics-codes?limit=100", "code").await.len(), 2_125);
    assert_eq!(found("/naics-codes?prefix=32&level=2", "code").await, ["31-33"]);
    assert_eq!(found("/naics-codes?prefix=3&level=2", "code").await, ["31-33"]);
    assert_eq!(found("/naics-codes?prefix=31-33", "code").await, ["31-33"]);
    assert_eq!(
        found("/naics-codes?prefix=72251", "code").await,
        ["72251", "722511", "722513", "722514", "722515"]
    );
    assert_eq!(found("/naics-codes?q=SOFTWARE+publ&level=6", "code").await, ["513210"]);
    assert_eq!(found("/naics-codes?q=5132", "code").await, ["5132", "51321", "513210"]);
    assert!(found("/naics-codes?prefix=99", "code").await.is_empty());
    // A search of several pages gives what one of one page gives.
    let whole = found("/naics-codes?q=manufacturing+other&limit=100", "code").await;
    assert_eq!(found("/naics-codes?q=manufacturing+other&limit=7", "code").await, whole);
    assert!((30..100).contains(&whole.len()), "{}", whole.len());
}

#[tokio::test]
async fn what_a_caller_has_already_isn_t_sent_again() {
    let (_app, ada) = app().await;
    for path in [
        "/countries",
        "/countries/us",
        "/countries?q=united&limit=2",
        "/holidays?country=US&year=2026",
        "/naics-codes?prefix=31",
        "/naics-codes/31-33",
        "/franchises",
    ] {
        let first = ada.get(path).await;
        let etag = first.header("etag").to_owned();
        assert!(first.header("cache-control").starts_with("private, max-age="), "{path}");
        for tag in [etag.clone(), format!("\"x\", {etag}"), "*".to_owned()] {
            let again = ada.header("if-none-match", &tag).get(path).await;
            let shown = |reply: &Reply| {
                (reply.header("etag").to_owned(), reply.header("cache-control").to_owned())
            };
            if tag == "*" {
                assert_eq!(again.status, 304, "{path}");
                continue;
            }
            assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0), "{path} {tag}");
            assert_eq!(shown(&again), shown(&first), "{path}");
        }
        assert_eq!(ada.header("if-none-match", "\"x\"").get(path).await.status, 200, "{path}");
        assert_eq!(
            ada.header("if-none-match", "x").get(path).await.wrong(),
            ["If-None-Match invalid_value"],
            "{path}"
        );
        let dataset = first.json()["dataset"].clone();
        assert!(dataset["version"].is_string() && dataset["source"].is_string(), "{path}");
    }
    let tag = async |path: &str| ada.get(path).await.header("etag").to_owned();
    assert_ne!(tag("/countries/us").await, tag("/countries/gb").await);
    assert_ne!(tag("/countries?limit=2").await, tag("/countries?limit=3").await);
}

#[tokio::test]
async fn a_wrong_question_is_named() {
    let (_app, ada) = app().await;
    let long = "x".repeat(101);
    let longer = "x".repeat(10_000);
    for (path, wrong) in [
        (format!("/countries?q={long}"), "q too_long"),
        (format!("/countries?q={longer}"), "q too_long"),
        (format!("/naics-codes?q={longer}"), "q too_long"),
        (format!("/franchises?q={longer}"), "q too_long"),
        ("/countries?q=".into(), "q too_short"),
        ("/countries?q=%00".into(), "q invalid_value"),
        ("/countries?q=%ff".into(), "q invalid_value"),
        ("/countries?q=a&q=b".into(), "q repeated_parameter"),
        ("/countries?code=a".into(), " unknown_parameter"),
        ("/countries/us?x=1".into(), " unknown_parameter"),
        ("/countries?limit=101".into(), "limit out_of_range"),
        ("/naics-codes?prefix=".into(), "prefix too_short"),
        ("/naics-codes?prefix=1234567".into(), "prefix too_long"),
        ("/naics-codes?prefix=x".into(), "prefix invalid_value"),
        ("/naics-codes?level=1".into(), "level out_of_range"),
        ("/naics-codes?level=7".into(), "level out_of_range"),
        ("/naics-codes?level=2.5".into(), "level invalid_value"),
        ("/holidays?country=US&year=1970".into(), "year out_of_range"),
        ("/holidays?country=US&year=2200".into(), "year out_of_range"),
        ("/holidays?country=US&year=99999999999".into(), "year out_of_range"),
        ("/holidays?country=US&year=-1".into(), "year invalid_value"),
        ("/holidays?country=US&year=20x6".into(), "year invalid_value"),
        ("/holidays?country=US&year=".into(), "year invalid_value"),
        ("/holidays?country=GB&year=2026".into(), "country invalid_value"),
        ("/holidays?country=XX&year=2026".into(), "country invalid_value"),
        ("/holidays?year=2026".into(), "country required"),
        ("/holidays?country=US".into(), "year required"),
    ] {
        assert_eq!(ada.get(&path).await.wrong(), [wrong], "{}", &path[..path.len().min(60)]);
    }
    assert_eq!(ada.get("/holidays").await.wrong(), ["country required", "year required"]);
    assert_eq!(
        ada.get("/naics-codes?level=9&prefix=x&q=").await.wrong(),
        ["level out_of_range", "prefix invalid_value", "q too_short"]
    );
    // As long as it may be, in characters.
    assert_eq!(ada.get(&format!("/countries?q={}", "%C3%A9".repeat(100))).await.status, 200);
    for path in
        ["/countries?cursor=x", "/holidays?country=US&year=2026&cursor=", "/naics-codes?cursor=%ff"]
    {
        assert_eq!(ada.get(path).await.problem(), "400 invalid_cursor", "{path}");
    }
}

#[tokio::test]
async fn any_credential_will_do_and_none_will_not() {
    let (app, _) = app().await;
    for path in [
        "/countries",
        "/countries/us",
        "/holidays?country=US&year=2026",
        "/naics-codes",
        "/naics-codes/11",
    ] {
        assert_eq!(app.anon().get(path).await.problem(), "401 unauthenticated", "{path}");
        assert_eq!(app.admin().get(path).await.status, 200, "{path}");
        assert!(app.admin().get(path).await.header("server-timing").contains("0 calls"), "{path}");
    }
    assert!(app.entries().await.is_empty());
}
