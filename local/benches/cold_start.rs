//! What a function costs to start and to call: each release binary under a stand-in of Lambda's
//! Runtime API, over an embedded DynamoDB, beside an empty function of the same profile.
//!
//! `cargo build --release -p coupons`, one function after the other, and for the empty one
//! `cargo build --release -p system --features empty`; then
//! `cargo bench -p local --bench cold_start [-- NAME..]`. Linux: CPU time is the scheduler's.
#![allow(clippy::cast_precision_loss, reason = "figures far below 2^52")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path as Named, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use local::FUNCTIONS;
use shared::auth::Scope;
use shared::store::Table;
use shared::testing::{ADMIN_TOKEN, TestApp};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Each binary with the event that it is called with; none where it would call others.
const CALLED_WITH: [(&str, Option<&str>); 13] = [
    ("empty", Some("system-ping")),
    ("system", Some("system-ping")),
    ("coupons", Some("coupons-list")),
    ("encounters", Some("encounters-list")),
    ("ecgs", Some("ecgs-list")),
    ("outages", Some("outages-runs-list")),
    ("users", Some("users-me")),
    ("audit", Some("audit-list")),
    ("reference", Some("reference-holidays")),
    ("payoffs", Some("payoffs-list")),
    ("audit-seal", Some("audit-seal-sweep")),
    ("ecg-insights", Some("ecg-insights-sweep")),
    ("outage-sync", None),
];
const STARTS: usize = 9;
const WARM_CALLS: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(20);

/// Lambda's side of one function: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
struct Runtime {
    /// `127.0.0.1:PORT`
    address: String,
    asked: mpsc::UnboundedReceiver<()>,
    events: mpsc::UnboundedSender<String>,
    answered: mpsc::UnboundedReceiver<(String, String)>,
}

struct Side {
    asked: mpsc::UnboundedSender<()>,
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    answered: mpsc::UnboundedSender<(String, String)>,
}

impl Runtime {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (asking, asked) = mpsc::unbounded_channel();
        let (events, to_come) = mpsc::unbounded_channel();
        let (answering, answered) = mpsc::unbounded_channel();
        let side = Side { asked: asking, events: Mutex::new(to_come), answered: answering };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{outcome}", post(outcome))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::new(side));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, asked, events, answered })
    }

    /// Waits until the function asks for its next event.
    async fn ready(&mut self) -> Result<()> {
        tokio::time::timeout(PATIENCE, self.asked.recv()).await?.ok_or("it never asked")?;
        Ok(())
    }

    /// Calls the function, and waits until it asks for more.
    async fn call(&mut self, event: &str) -> Result<()> {
        self.events.send(event.to_owned())?;
        let answered = tokio::time::timeout(PATIENCE, self.answered.recv()).await?;
        let (outcome, body) = answered.ok_or("no answer")?;
        let fine = outcome == "response" && !body.contains("\"statusCode\":5");
        self.ready().await?;
        if fine { Ok(()) } else { Err(format!("{outcome}: {body}").into()) }
    }
}

async fn next(State(side): State<Arc<Side>>) -> Response {
    let _ = side.asked.send(());
    let Some(event) = side.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = (now + Duration::from_secs(29)).as_millis().to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", deadline.as_str()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:0:function:f"),
        ("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"),
        ("content-type", "application/json"),
    ];
    (headers, event).into_response()
}

async fn outcome(
    State(side): State<Arc<Side>>,
    Named((_, outcome)): Named<(String, String)>,
    body: String,
) -> StatusCode {
    let _ = side.answered.send((outcome, body));
    StatusCode::ACCEPTED
}

/// A function's process. Dropping it ends it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn spawn(binary: &Path, variables: &[(String, String)], runtime: &Runtime) -> Result<Self> {
        let mut command = Command::new(binary);
        command.env_clear().envs(variables.iter().cloned());
        for (name, value) in [
            ("AWS_LAMBDA_RUNTIME_API", runtime.address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
        ] {
            command.env(name, value);
        }
        Ok(Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    /// CPU time of all threads, in ms.
    fn cpu_ms(&self) -> Result<f64> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id()))?;
        let mut total = 0;
        for task in tasks {
            // A thread may end meanwhile.
            let told = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            total += told.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(total as f64 / 1e6)
    }

    fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 =
            line.and_then(|line| line.trim().split(' ').next()).ok_or("no VmRSS")?.parse()?;
        Ok(kib / 1024.0)
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

struct Figures {
    start_ms: f64,
    start_cpu_ms: f64,
    first: Option<(f64, f64)>,
    warm: Option<(f64, f64)>,
    resident_mib: f64,
}

async fn measure(
    binary: &Path,
    event: Option<&str>,
    variables: &[(String, String)],
) -> Result<Figures> {
    let (mut starts, mut cpu, mut first_ms, mut first_cpu) = (vec![], vec![], vec![], vec![]);
    let mut last = None;
    for _ in 0..STARTS {
        let mut runtime = Runtime::start().await?;
        let began = Instant::now();
        let process = Process::spawn(binary, variables, &runtime)?;
        runtime.ready().await?;
        starts.push(began.elapsed().as_secs_f64() * 1e3);
        let at_start = process.cpu_ms()?;
        cpu.push(at_start);
        if let Some(event) = event {
            let began = Instant::now();
            runtime.call(event).await?;
            first_ms.push(began.elapsed().as_secs_f64() * 1e3);
            first_cpu.push(process.cpu_ms()? - at_start);
        }
        last = Some((runtime, process));
    }
    let (mut runtime, process) = last.ok_or("no start")?;
    let mut warm = None;
    if let Some(event) = event {
        let (began, before) = (Instant::now(), process.cpu_ms()?);
        for _ in 0..WARM_CALLS {
            runtime.call(event).await?;
        }
        let each = |ms: f64| ms / f64::from(WARM_CALLS);
        warm = Some((each(began.elapsed().as_secs_f64() * 1e3), each(process.cpu_ms()? - before)));
    }
    Ok(Figures {
        start_ms: median(starts),
        start_cpu_ms: median(cpu),
        first: event.map(|_| (median(first_ms), median(first_cpu))),
        warm,
        resident_mib: process.resident_mib()?,
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let app = TestApp::start(FUNCTIONS).await;
    let key = app.user_key("ada", &Scope::ALL).await;
    let secret = "a-secret-of-thirty-two-characters".to_owned();
    let mut variables = vec![
        ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), app.faults.url()),
        ("ADMIN_TOKEN".to_owned(), ADMIN_TOKEN.to_owned()),
        ("CURSOR_SECRET".to_owned(), secret.clone()),
        ("AUDIT_SECRET".to_owned(), secret),
        ("RATE_LIMIT_PER_MINUTE".to_owned(), "1000000".to_owned()),
    ];
    variables.extend(Table::ALL.map(|table| (table.variable().to_owned(), app.table(table))));
    println!("median of {STARTS} starts; warm: the mean of {WARM_CALLS} calls, CPU with the SDK's");
    println!(
        "| function | MB | start ms | CPU ms | first call ms | CPU ms | warm ms | CPU ms | MiB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, event) in CALLED_WITH {
        let binary = target.join("release").join(name);
        if !binary.exists() || (!wanted.is_empty() && !wanted.iter().any(|of| of == name)) {
            continue;
        }
        let event =
            event.map(|event| std::fs::read_to_string(root.join(format!("events/{event}.json"))));
        let event = event.transpose()?.map(|event| {
            let event = event.replace("\"KEY\"", &format!("\"{key}\""));
            event.replace("local-admin-token", ADMIN_TOKEN)
        });
        let figures = measure(&binary, event.as_deref(), &variables).await?;
        let two = |pair: Option<(f64, f64)>| {
            pair.map_or(" | ".to_owned(), |(wall, cpu)| format!("{wall:.1} | {cpu:.2}"))
        };
        println!(
            "| {name} | {:.1} | {:.1} | {:.2} | {} | {} | {:.1} |",
            std::fs::metadata(&binary)?.len() as f64 / 1e6,
            figures.start_ms,
            figures.start_cpu_ms,
            two(figures.first),
            two(figures.warm),
            figures.resident_mib,
        );
    }
    Ok(())
}
