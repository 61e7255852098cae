//! The process itself: what it prints, what it refuses, how it ends, what it has after a kill.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::collections::HashMap;
use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{Local, Result, command};
use serde_json::{Value, json};

fn refused(arguments: &[&str], variable: Option<(&str, &str)>) -> Result<String> {
    let Output { status, stderr, .. } =
        command(arguments).args(["--dynamodb-port", "0"]).envs(variable).output()?;
    assert!(!status.success(), "{arguments:?} {variable:?}");
    Ok(String::from_utf8(stderr)?)
}

#[test]
fn a_setting_that_is_no_text_is_refused_by_its_name() -> Result<()> {
    for name in ["ADMIN_TOKEN", "RATE_LIMIT_PER_MINUTE", "SERVICE_KEYS", "CORS_ORIGINS"] {
        let bytes: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&[0xff; 40]);
        let variable = [(name, bytes)];
        let Output { status, stderr, .. } =
            command(&["--in-memory", "--dynamodb-port", "0"]).envs(variable).output()?;
        let line = String::from_utf8(stderr)?;
        assert!(!status.success() && line.contains(name), "{name}: {line}");
    }
    Ok(())
}

fn coupon(title: &str) -> Value {
    json!({
        "couponcode": "C", "title": title, "merchant": "M",
        "published_at": "2020-01-01T00:00:00Z", "expire_at": "2030-01-01T00:00:00Z",
    })
}

#[tokio::test]
async fn an_empty_data_directory_is_seeded_once_and_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("data").to_string_lossy().into_owned();
    let first = Local::start(&["--data-dir", &data_dir])?;
    let key = first.key.clone().ok_or("no key was printed")?;
    let coupons: Value = reqwest::get(format!("{}/coupons", first.url)).await?.json().await?;
    assert!(coupons["items"].as_array().is_some_and(|items| items.len() > 5));
    first.signal("-TERM")?;
    drop(first);
    let second = Local::start(&["--data-dir", &data_dir])?;
    assert_eq!(second.key, None);
    let me = reqwest::Client::new()
        .get(format!("{}/users/me", second.url))
        .header("x-api-key", key)
        .send()
        .await?;
    assert_eq!(me.json::<Value>().await?["username"], "demo");
    assert_eq!(
        reqwest::get(format!("{}/coupons", second.url)).await?.json::<Value>().await?,
        coupons
    );
    Ok(())
}

#[tokio::test]
async fn in_memory_begins_with_nothing_and_another_process_can_use_its_dynamodb() -> Result<()> {
    let first = Local::start(&["--in-memory"])?;
    assert_eq!(first.key, None);
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().to_string_lossy().into_owned();
    let arguments = ["--dynamodb-url", &first.dynamodb, "--seed", "demo", "--data-dir", &data_dir];
    let second = Local::listening(command(&arguments).stderr(Stdio::null()))?;
    let key = second.key.clone().ok_or("no key was printed")?;
    let me = reqwest::Client::new()
        .get(format!("{}/users/me", first.url))
        .header("x-api-key", key)
        .send()
        .await?;
    assert_eq!(me.status(), 200);
    let coupons: Value = reqwest::get(format!("{}/coupons", first.url)).await?.json().await?;
    assert!(coupons["items"].as_array().is_some_and(|items| !items.is_empty()));
    Ok(())
}

#[tokio::test]
async fn a_request_is_one_json_line_with_its_caller_and_no_secret() -> Result<()> {
    let services = json!({"prepay": "the-prepay-service-key-of-32-bytes!"}).to_string();
    let mut command = command(&["--in-memory", "--dynamodb-port", "0", "--seed", "demo"]);
    let mut local = Local::listening(command.env("SERVICE_KEYS", services).stderr(Stdio::piped()))?;
    let (url, key) = (local.url.clone(), local.key.clone().ok_or("no key was printed")?);
    let me = format!("{url}/users/me?secret=nobodys-business");
    let client = reqwest::Client::new();
    client.get(&me).header("x-api-key", &key).header("x-request-id", "r-1").send().await?;
    let mut stderr = local.child.stderr.take().ok_or("no stderr")?;
    drop(local);
    let mut log = String::new();
    stderr.read_to_string(&mut log)?;
    let lines: Vec<Value> =
        log.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    let line =
        lines.iter().find(|line| line["request_id"] == "r-1").ok_or("no line of the request")?;
    assert_eq!(
        (&line["route"], &line["status"], &line["code"]),
        (&json!("/users/me"), &json!(400), &json!("validation_failed"))
    );
    assert_eq!((&line["username"], &line["service"]), (&json!("demo"), &json!("local")));
    assert_eq!(line.get("caller_service"), None);
    assert_eq!(line["location_id"], "00000000-0000-7000-8000-000000000000");
    assert!(
        line["scopes"]
            .as_str()
            .is_some_and(|scopes| scopes.starts_with("coupons:write coupons:redeem"))
    );
    assert!(line["user_id"].as_str().is_some_and(|id| id.len() == 36));
    assert!(
        lines.iter().any(|line| line["level"] == "WARN" && line["services"] == 1),
        "services are trusted, and that is said"
    );
    for secret in [&key[30..], "nobodys-business", "the-prepay-service-key", "local-admin-token"] {
        assert!(!log.contains(secret), "{secret}");
    }
    Ok(())
}

#[test]
fn a_bad_setting_or_option_ends_the_start_with_a_line_that_names_it() -> Result<()> {
    for (name, value) in [
        ("ADMIN_TOKEN", "short"),
        ("CURSOR_SECRET", "x"),
        ("CORS_ORIGINS", "*"),
        ("LOG_LEVEL", "loud"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "nowhere"),
    ] {
        let stderr = refused(&["--in-memory"], Some((name, value)))?;
        assert!(stderr.starts_with(name), "{stderr}");
    }
    let stderr = refused(&["--in-memory", "--host", "0.0.0.0"], None)?;
    assert!(stderr.starts_with("ADMIN_TOKEN"), "{stderr}");
    let stderr =
        refused(&["--in-memory", "--host", "0.0.0.0"], Some(("ADMIN_TOKEN", "local-admin-token")))?;
    assert!(stderr.starts_with("ADMIN_TOKEN"), "{stderr}");
    for arguments in [["--in-memory", "--seed=all"], ["--in-memory", "--data-dir=x"]] {
        assert!(refused(&arguments, None)?.contains("error"), "{arguments:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_process_serves_what_lies_in_another_s_dynamodb() -> Result<()> {
    let first = Local::start(&["--in-memory", "--seed", "demo"])?;
    let second = Local::start(&["--in-memory", "--dynamodb-url", &first.dynamodb])?;
    assert_eq!(second.dynamodb, first.dynamodb);
    let key = first.key.clone().ok_or("no key was printed")?;
    let me =
        reqwest::Client::new().get(format!("{}/users/me", second.url)).header("x-api-key", key);
    assert_eq!(me.send().await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn a_refusal_reaches_a_caller_whose_body_nobody_reads() -> Result<()> {
    let local = Local::start(&["--in-memory"])?;
    for (path, key, status) in [
        ("/coupons", None, 401),
        ("/coupons", Some("qk_guess"), 401),
        ("/nowhere", None, 404),
        ("/health", None, 405),
    ] {
        let sent = reqwest::Client::new().post(format!("{}{path}", local.url));
        let sent =
            key.map_or(sent.try_clone().ok_or("a request")?, |k| sent.header("x-api-key", k));
        let answer = sent.header("content-type", "application/json").body("x".repeat(6_000_000));
        assert_eq!(answer.send().await?.status(), status, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_signal_lets_the_requests_in_flight_end() -> Result<()> {
    for signal in ["-TERM", "-INT"] {
        let mut local = Local::start(&["--in-memory", "--seed", "demo"])?;
        let key = local.key.clone().ok_or("no key")?;
        let items: Vec<_> = (0..1_000).map(|number| coupon(&number.to_string())).collect();
        let import = reqwest::Client::new()
            .post(format!("{}/coupons/import", local.url))
            .header("x-api-key", key);
        let import = tokio::spawn(import.json(&json!({"items": items})).send());
        tokio::time::sleep(Duration::from_millis(150)).await;
        local.signal(signal)?;
        let answer = import.await??;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json::<Value>().await?["imported"], 1_000);
        assert!(local.child.wait()?.success());
    }
    Ok(())
}

#[tokio::test]
async fn what_was_answered_before_a_kill_is_there_after_it_each_with_its_entry() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().to_string_lossy().into_owned();
    let mut key = None;
    let mut answered = Vec::new();
    for round in 0..3 {
        let local = Local::start(&["--data-dir", &data_dir])?;
        key = key.or_else(|| local.key.clone());
        let key = key.clone().ok_or("no key")?;
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (url, key) = (local.url.clone(), key.clone());
                tokio::spawn(async move {
                    let (http, mut ids) = (reqwest::Client::new(), Vec::new());
                    for number in 0.. {
                        let body = coupon(&format!("{round} {client} {number}"));
                        let sent = http
                            .post(format!("{url}/coupons"))
                            .header("x-api-key", &key)
                            .json(&body)
                            .send()
                            .await;
                        match sent {
                            Ok(created) if created.status() == 201 => {
                                ids.extend(
                                    created
                                        .json::<Value>()
                                        .await
                                        .ok()
                                        .and_then(|c| c["id"].as_str().map(str::to_owned)),
                                );
                            }
                            _ => break,
                        }
                    }
                    ids
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(400)).await;
        local.signal("-KILL")?;
        for client in clients {
            answered.extend(client.await?);
        }
        drop(local);
    }
    assert!(answered.len() > 20, "{}", answered.len());
    let local = Local::start(&["--data-dir", &data_dir])?;
    let coupons = local.items("quartet-coupons").await?;
    let coupons: Vec<_> = coupons.iter().filter_map(|item| item["id"]["S"].as_str()).collect();
    let mut entries = HashMap::<_, usize>::new();
    for entry in local.items("quartet-audit").await? {
        if entry["item_type"]["S"] == "coupons" {
            *entries
                .entry(entry["item_id"]["S"].as_str().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
    }
    for id in &answered {
        assert!(coupons.contains(&id.as_str()), "{id} was answered 201 and is gone");
    }
    assert_eq!(coupons.len(), entries.len());
    for id in coupons {
        assert_eq!(entries.get(id), Some(&1), "{id}");
    }
    Ok(())
}

/// As in a container: nothing of the source is near, and there is no shell to ask whether it serves.
#[test]
fn the_binary_alone_serves_from_an_empty_folder_and_says_whether_it_does() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut serve = command(&["--host", "0.0.0.0", "--data-dir", "data", "--dynamodb-port", "0"]);
    serve.current_dir(folder.path()).env("ADMIN_TOKEN", "an-admin-token-of-24-chr");
    let local = Local::listening(serve.stderr(Stdio::null()))?;
    let port = local.url.rsplit(':').next().ok_or("no port")?.to_owned();
    let health = |port: &str| {
        Command::new(env!("CARGO_BIN_EXE_local")).args(["health", "--port", port]).output()
    };
    let healthy = health(&port)?;
    assert!(healthy.status.success(), "{healthy:?}");
    drop(local);
    let gone = health(&port)?;
    assert!(!gone.status.success());
    assert!(String::from_utf8(gone.stderr)?.contains("no answer"));
    Ok(())
}
