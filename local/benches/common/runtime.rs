//! A stand-in of Lambda's Runtime API, and the functions' processes under it.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path as Named, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use super::Result;

const PATIENCE: Duration = Duration::from_mins(1);

/// Lambda's side of one function: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
pub struct Runtime {
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
    pub async fn start() -> Result<Self> {
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
    pub async fn ready(&mut self) -> Result<()> {
        tokio::time::timeout(PATIENCE, self.asked.recv()).await?.ok_or("it never asked")?;
        Ok(())
    }

    /// Calls the function, and waits until it asks for more.
    pub async fn call(&mut self, event: &str) -> Result<()> {
        self.events.send(event.to_owned())?;
        let answered = tokio::time::timeout(PATIENCE, self.answered.recv()).await?;
        let (outcome, body) = answered.ok_or("no answer")?;
        let is_status = body.contains("\"statusCode\":");
        let is_success = !is_status || body.contains("\"statusCode\":2");
        let fine = outcome == "response" && is_success;
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
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// `command` is the function's binary, or what runs it.
    pub fn spawn(
        mut command: Command,
        variables: &[(String, String)],
        runtime: &Runtime,
    ) -> Result<Self> {
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
    pub fn cpu_ms(&self) -> Result<f64> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id()))?;
        let mut total = Duration::ZERO;
        for task in tasks {
            // A thread may end meanwhile.
            let told = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            let spent = told.split(' ').next().and_then(|ns| ns.parse().ok());
            total += Duration::from_nanos(spent.unwrap_or(0));
        }
        Ok(total.as_secs_f64() * 1e3)
    }

    pub fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 =
            line.and_then(|line| line.trim().split(' ').next()).ok_or("no VmRSS")?.parse()?;
        Ok(kib / 1024.0)
    }
}
