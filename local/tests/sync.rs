//! `sync-outages`, alone and beside a running server, and the stand-in of the upstream.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{Local, Result, command};
use outages::stand_in::{Fault, StandIn};
use serde_json::{Value, json};

fn sync(data_dir: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(["sync-outages", "--data-dir", data_dir]).args(arguments);
    command.env_remove("ADMIN_TOKEN");
    command
}

/// How it ended, and what it said.
async fn run(mut command: Command) -> Result<(bool, String, String)> {
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output()).await??;
    Ok((status.success(), String::from_utf8(stdout)?, String::from_utf8(stderr)?))
}

#[tokio::test]
async fn alone_it_uses_a_stand_in_and_says_what_became_of_each_site() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().to_string_lossy().into_owned();
    let (done, dry, stderr) = run(sync(&data_dir, &["--dry-run"])).await?;
    assert!(done, "{stderr}");
    assert!(dry.starts_with("no KRAKEN_API_URL is set: a stand-in of it is on http://127.0.0.1:"));
    assert!(dry.contains("norwich-pear-tree: 35 more and 0 less than what was accepted last"));
    assert_eq!(dry.lines().filter(|line| line.starts_with("+ 2022-")).count(), 35);
    let counts = "(52 fetched, 35 kept, 0 posted, 0 attempts)";
    assert!(dry.contains(&format!("norwich-pear-tree dry_run {counts}")), "{dry}");
    let (done, posted, _) = run(sync(&data_dir, &[])).await?;
    assert!(done && posted.contains("norwich-pear-tree posted (52 fetched, 35 kept, 35 posted"));
    let (done, again, _) = run(sync(&data_dir, &[])).await?;
    assert!(done && again.contains("norwich-pear-tree unchanged"), "{again}");
    let since = ["--dry-run", "--since", "2022-01-01T00:00:00.001Z"];
    let (done, dry, _) = run(sync(&data_dir, &since)).await?;
    assert!(done && dry.contains("0 more and 1 less"), "{dry}");
    assert_eq!(
        dry.lines().filter(|line| line.starts_with("- 2022-01-01T00:00:00.000Z")).count(),
        1
    );
    let (done, failed, _) =
        run(sync(&data_dir, &["--site", "nowhere", "--site", "norwich-pear-tree", "--force"]))
            .await?;
    assert!(!done);
    assert!(failed.contains("nowhere failed: GET /site-info/{site}: answered 404"), "{failed}");
    assert!(failed.contains("norwich-pear-tree posted"), "{failed}");
    Ok(())
}

#[tokio::test]
async fn beside_a_running_server_it_writes_to_the_same_runs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().to_string_lossy().into_owned();
    let local = Local::start(&["--data-dir", &data_dir])?;
    let key = local.key.clone().ok_or("no key was printed")?;
    let (done, said, stderr) = run(sync(&data_dir, &[])).await?;
    assert!(done, "{said} {stderr}");
    let (http, runs) = (reqwest::Client::new(), format!("{}/outages/runs", local.url));
    let listed: Value = http.get(&runs).header("x-api-key", &key).send().await?.json().await?;
    assert_eq!(listed["items"][0]["trigger"], "command");
    assert!(said.contains(listed["items"][0]["id"].as_str().ok_or("no id")?));
    // What the server's own worker does knows of it.
    let asked = http.post(&runs).header("x-api-key", &key).json(&json!({})).send().await?;
    assert_eq!(asked.status(), 201);
    let second: Value = asked.json().await?;
    assert_eq!(second["sites"][0]["state"], "unchanged", "{second}");
    // A server that was killed leaves nothing in the way.
    local.signal("-KILL")?;
    drop(local);
    let (done, said, _) = run(sync(&data_dir, &[])).await?;
    assert!(done && said.contains("unchanged"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_dry_run_is_done_while_another_run_is_under_way() -> Result<()> {
    let upstream = StandIn::start("the-key").await?;
    upstream.next("POST", Fault::Slow(Duration::from_secs(3)));
    let mut command = command(&["--in-memory", "--dynamodb-port", "0", "--seed", "demo"]);
    command.env("KRAKEN_API_URL", upstream.url()).env("KRAKEN_API_KEY", "the-key");
    let local = Local::listening(command.stderr(Stdio::null()))?;
    let (http, runs) = (reqwest::Client::new(), format!("{}/outages/runs", local.url));
    let ask = http.post(&runs).header("x-api-key", local.key.clone().ok_or("no key")?);
    let ask = |body| ask.try_clone().map(|ask| ask.json(&body).send());
    let slow = tokio::spawn(ask(json!({})).ok_or("no request")?);
    while !upstream.requests().iter().any(|request| request.line.starts_with("POST")) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let dry = ask(json!({"dry_run": true})).ok_or("no request")?.await?;
    assert_eq!(dry.status(), 201);
    let (dry, slow): (Value, Value) = (dry.json().await?, slow.await??.json().await?);
    assert_eq!((&dry["state"], &slow["state"]), (&json!("succeeded"), &json!("succeeded")));
    assert!(dry["finished_at"].as_str() < slow["finished_at"].as_str());
    Ok(())
}

#[tokio::test]
async fn the_key_is_in_nothing_that_is_printed() -> Result<()> {
    let key = "the-key-that-nobody-may-see";
    let upstream = StandIn::start("another").await?;
    upstream.next("GET", Fault::Reset);
    let mut command = sync("unused", &[]);
    command.args(["--in-memory"]).env("KRAKEN_API_URL", upstream.url()).env("KRAKEN_API_KEY", key);
    command.env("LOG_LEVEL", "trace");
    let mut plain = Command::new(env!("CARGO_BIN_EXE_local"));
    plain.args(["sync-outages", "--in-memory"]).env_remove("ADMIN_TOKEN");
    plain
        .env("KRAKEN_API_URL", upstream.url())
        .env("KRAKEN_API_KEY", key)
        .env("LOG_LEVEL", "trace");
    let (done, stdout, stderr) = run(plain).await?;
    assert!(!done && stdout.contains("answered 403"), "{stdout}");
    assert!(!stdout.contains(key) && !stderr.contains(key));
    // Two places to store cannot both be meant.
    assert!(!run(command).await?.0);
    Ok(())
}

#[tokio::test]
async fn the_upstream_is_set_whole_or_not_at_all() -> Result<()> {
    for (name, value, named) in [
        ("KRAKEN_API_URL", "https://api.example", "KRAKEN_API_KEY"),
        ("KRAKEN_API_KEY", "a-key", "KRAKEN_API_URL"),
    ] {
        let mut serve = command(&["--in-memory", "--dynamodb-port", "0"]);
        serve.env(name, value);
        let (done, _, stderr) = run(serve).await?;
        assert!(!done && stderr.starts_with(named), "{stderr}");
    }
    for (name, value) in [
        ("KRAKEN_API_URL", "http://api.example"),
        ("OUTAGE_SITES", "a/b"),
        ("OUTAGES_SINCE", "yesterday"),
        ("OUTAGES_SINCE_RULE", "maybe"),
        ("OUTAGES_ATTEMPTS", "0"),
    ] {
        let mut serve = command(&["--in-memory", "--dynamodb-port", "0"]);
        serve.env(name, value);
        if name == "KRAKEN_API_URL" {
            serve.env("KRAKEN_API_KEY", "a-key");
        }
        let (done, _, stderr) = run(serve).await?;
        assert!(!done && stderr.starts_with(name), "{name}: {stderr}");
    }
    for arguments in [["--site", ".."], ["--since", "2022-01-01"]] {
        assert!(!run(sync("unused", &arguments)).await?.0, "{arguments:?}");
    }
    Ok(())
}
