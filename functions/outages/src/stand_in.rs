//! A stand-in of the upstream, over real HTTP on a loopback port: it checks the key, serves eight
//! batteries of `norwich-pear-tree` and some fifty outages, keeps what is posted, and fails as it
//! is told to.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt::Write;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::incoming::devices;

const SITE: &str = "norwich-pear-tree";
const SITE_INFO: &str = include_str!("stand-in/site-info.json");
const OUTAGES: &str = include_str!("stand-in/outages.json");
const MOST_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How one answer goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Another status, with headers such as `Retry-After`.
    Status(u16, Vec<(&'static str, String)>),
    /// Another body, with 200.
    Body(Bytes),
    /// The first byte comes late.
    Slow(Duration),
    /// Half of the body comes, then the connection ends.
    Cut,
    /// The connection ends before a request is read, and nothing is kept of it.
    Reset,
    /// What was sent is accepted, and nobody hears of it.
    Lost,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET /outages`
    pub line: String,
    pub body: Bytes,
}

#[derive(Clone)]
pub struct StandIn {
    address: SocketAddr,
    key: Arc<str>,
    state: Arc<Mutex<State>>,
}

struct State {
    sites: BTreeMap<String, Bytes>,
    outages: Bytes,
    /// Each for the next request whose line begins so and that none before it took.
    faults: VecDeque<(&'static str, Fault)>,
    requests: Vec<Request>,
    /// What was accepted, by site, in the order in which it came.
    posted: Vec<(String, Bytes)>,
}

impl StandIn {
    /// Serves until the process ends.
    pub async fn start(key: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let state = State {
            sites: BTreeMap::from([(SITE.to_owned(), Bytes::from_static(SITE_INFO.as_bytes()))]),
            outages: Bytes::from_static(OUTAGES.as_bytes()),
            faults: VecDeque::new(),
            requests: Vec::new(),
            posted: Vec::new(),
        };
        let address = listener.local_addr()?;
        let stand_in = Self { address, key: key.into(), state: Arc::new(Mutex::new(state)) };
        let serving = stand_in.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        Ok(stand_in)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Fails the next request whose line begins so.
    pub fn next(&self, line: &'static str, fault: Fault) {
        self.state().faults.push_back((line, fault));
    }

    /// Faults that no request has met.
    pub fn unmet(&self) -> usize {
        self.state().faults.len()
    }

    pub fn set_site(&self, site: &str, info: &Value) {
        self.state().sites.insert(site.to_owned(), info.to_string().into());
    }

    pub fn set_outages(&self, outages: &Value) {
        self.state().outages = outages.to_string().into();
    }

    /// The requests since the last time.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }

    /// What was accepted, by site.
    pub fn posted(&self) -> Vec<(String, Bytes)> {
        self.state().posted.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request, one answer.
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let mut words = line.split(' ');
        let line = match (words.next(), words.next()) {
            (Some(method), Some(path)) => format!("{method} {path}"),
            _ => return Ok(()),
        };
        let fault = self.fault(&line);
        if matches!(fault, Some(Fault::Reset)) {
            // What was sent and is not read makes the end of the connection a reset.
            return Ok(());
        }
        let (key, length) = headers(&mut stream).await?;
        let mut body = vec![0; length.min(MOST_BODY_BYTES)];
        stream.read_exact(&mut body).await?;
        let body = Bytes::from(body);
        self.state().requests.push(Request { line: line.clone(), body: body.clone() });
        let (status, headers, answer) = match &fault {
            Some(Fault::Status(status, headers)) => (*status, headers.clone(), Bytes::new()),
            Some(Fault::Body(answer)) => (200, Vec::new(), answer.clone()),
            _ if key.as_deref() != Some(&*self.key) => (403, Vec::new(), Bytes::new()),
            _ => {
                let (status, answer) = self.answer(&line, body);
                (status, Vec::new(), answer)
            }
        };
        match fault {
            Some(Fault::Lost) => return Ok(()),
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        let mut head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
        for (name, value) in [
            ("content-type", "application/json".to_owned()),
            ("content-length", answer.len().to_string()),
        ]
        .into_iter()
        .chain(headers)
        {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await?;
        let half = if matches!(fault, Some(Fault::Cut)) { answer.len() / 2 } else { answer.len() };
        stream.write_all(answer.get(..half).unwrap_or_default()).await?;
        stream.flush().await?;
        stream.shutdown().await
    }

    fn fault(&self, line: &str) -> Option<Fault> {
        let mut state = self.state();
        let at = state.faults.iter().position(|(begins, _)| line.starts_with(begins))?;
        state.faults.remove(at).map(|(_, fault)| fault)
    }

    fn answer(&self, line: &str, body: Bytes) -> (u16, Bytes) {
        let mut state = self.state();
        if line == "GET /outages" {
            return (200, state.outages.clone());
        }
        if let Some(info) = line.strip_prefix("GET /site-info/").and_then(|of| state.sites.get(of))
        {
            return (200, info.clone());
        }
        let Some(site) = line.strip_prefix("POST /site-outages/") else {
            return (404, Bytes::new());
        };
        let Some(info) = state.sites.get(site) else {
            return (404, Bytes::new());
        };
        if !is_payload(&body, info) {
            return (400, Bytes::new());
        }
        state.posted.push((site.to_owned(), body));
        (200, Bytes::from(json!({}).to_string()))
    }
}

/// The value of `x-api-key` and the length of the body.
async fn headers(stream: &mut BufReader<TcpStream>) -> io::Result<(Option<String>, usize)> {
    let (mut key, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok((key, length));
        };
        match name.to_ascii_lowercase().as_str() {
            "x-api-key" => key = Some(value.trim().to_owned()),
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            _ => {}
        }
    }
}

/// Whether this is a list of outages of the site's devices, by their names.
fn is_payload(body: &[u8], info: &[u8]) -> bool {
    let devices = devices(info).unwrap_or_default();
    let known: HashSet<_> =
        devices.iter().map(|device| (device.id.as_str(), device.name.as_str())).collect();
    let text = |outage: &Value, member: &str| {
        outage.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_known = |outage: &Value| {
        let (id, name) = (text(outage, "id"), text(outage, "name"));
        known.contains(&(id.as_str(), name.as_str()))
            && !text(outage, "begin").is_empty()
            && !text(outage, "end").is_empty()
    };
    let list: Result<Vec<Value>, _> = serde_json::from_slice(body);
    list.is_ok_and(|list| list.iter().all(is_known))
}
