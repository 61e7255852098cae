//! The API that outages come from and go to: as it is set, or a small stand-in of it.

use outages::stand_in::StandIn;
use shared::config;

const KEY: &str = "local-stand-in-key";

/// A stand-in where nothing is set, which is said; None where an upstream is set.
pub async fn choose() -> Result<Option<StandIn>, String> {
    let is_set = |name| config::variable(name).is_some_and(|value| !value.is_empty());
    match (is_set("KRAKEN_API_URL"), is_set("KRAKEN_API_KEY")) {
        (true, true) => Ok(None),
        (true, false) => Err("KRAKEN_API_KEY: needed where KRAKEN_API_URL is set".to_owned()),
        (false, true) => Err("KRAKEN_API_URL: needed where KRAKEN_API_KEY is set".to_owned()),
        (false, false) => {
            let stand_in = StandIn::start(KEY).await;
            let stand_in =
                stand_in.map_err(|error| format!("a stand-in of the upstream: {error}"))?;
            println!("no KRAKEN_API_URL is set: a stand-in of it is on {}", stand_in.url());
            Ok(Some(stand_in))
        }
    }
}

/// The settings by which it is reached.
pub fn variable(stand_in: &StandIn, name: &str) -> Option<String> {
    match name {
        "KRAKEN_API_URL" => Some(stand_in.url()),
        "KRAKEN_API_KEY" => Some(KEY.to_owned()),
        _ => None,
    }
}
