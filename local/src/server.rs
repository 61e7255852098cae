//! Storage, tables, seed, then the API until a signal ends it.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use local::FUNCTIONS;
use outages::settings::Settings;
use outages::stand_in::StandIn;
use shared::app::App;
use shared::config::{self, is_endpoint, is_loopback};
use shared::embedded::{Embedded, Template, gateway};
use shared::log;
use shared::store::Table;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::data::{DataDir, Secrets};
use crate::options::{Seed, Serving, Storage, SyncOutages};
use crate::{seed, sync, upstream, verification, workers};

const ADMIN_TOKEN: &str = "local-admin-token";
/// How long requests in flight may take to end once a signal has come.
const GRACE: Duration = Duration::from_secs(30);

/// Where everything is stored for this run. Dropping it stops the embedded DynamoDB.
struct Stored {
    url: String,
    embedded: Option<Arc<Embedded>>,
    secrets: Secrets,
    is_new: bool,
    /// Where outages come from and go to, where no other is set.
    upstream: Option<StandIn>,
    /// Says that the data directory is this process's.
    _occupied: Option<File>,
}

/// Who opens the storage.
#[derive(Clone, Copy, PartialEq)]
enum Opener {
    Server,
    /// It runs beside a server, where there is one on the same data.
    Command,
}

impl Stored {
    fn open(storage: &Storage, opener: Opener) -> Result<Self, String> {
        let wrong = |error: std::io::Error| format!("{}: {error}", storage.data_dir.display());
        let port = match opener {
            Opener::Server => storage.dynamodb_port,
            Opener::Command => 0,
        };
        if storage.in_memory {
            let secrets = Secrets::random().map_err(wrong)?;
            return match &storage.dynamodb_url {
                Some(url) => Ok(Self::at(url.clone(), secrets)),
                None => Self::embed(None, port, secrets, false),
            };
        }
        let data = DataDir::open(&storage.data_dir).map_err(wrong)?;
        let secrets = data.secrets().map_err(wrong)?;
        if let Some(url) = &storage.dynamodb_url {
            return Ok(Self::at(url.clone(), secrets));
        }
        let occupied = data.occupy().map_err(wrong)?;
        if opener == Opener::Command
            && occupied.is_none()
            && let Some(url) = data.noted()
        {
            return Ok(Self::at(url, secrets));
        }
        let stored = Self::embed(Some(&data), port, secrets, data.is_empty())?;
        if opener == Opener::Server && occupied.is_some() {
            data.note(&stored.url).map_err(wrong)?;
        }
        Ok(Self { _occupied: occupied, ..stored })
    }

    /// In a DynamoDB that runs already.
    fn at(url: String, secrets: Secrets) -> Self {
        Self { url, embedded: None, secrets, is_new: false, upstream: None, _occupied: None }
    }

    fn embed(
        data: Option<&DataDir>,
        port: u16,
        secrets: Secrets,
        is_new: bool,
    ) -> Result<Self, String> {
        let file = data.map(DataDir::database);
        let embedded = Embedded::start(file.as_deref(), port);
        let embedded =
            embedded.map_err(|error| format!("embedded DynamoDB on port {port}: {error}"))?;
        let url = embedded.url();
        Ok(Self { embedded: Some(Arc::new(embedded)), is_new, ..Self::at(url, secrets) })
    }

    /// The environment's variables, with what is made here where they say nothing.
    fn variable(&self, template: &Template, name: &'static str) -> Option<String> {
        if name == "AWS_ENDPOINT_URL_DYNAMODB" {
            // What isn't one is refused all the same, as every bad setting is.
            let given = config::variable(name).filter(|url| !url.is_empty() && !is_endpoint(url));
            return given.or_else(|| Some(self.url.clone()));
        }
        if let Some(set) = self.upstream.as_ref().and_then(|of| upstream::variable(of, name)) {
            return Some(set);
        }
        let set = config::variable(name).filter(|value| !value.is_empty());
        set.or_else(|| match name {
            "ADMIN_TOKEN" => Some(ADMIN_TOKEN.to_owned()),
            "CURSOR_SECRET" => Some(self.secrets.cursor_secret.clone()),
            "AUDIT_SECRET" => Some(self.secrets.audit_secret.clone()),
            name => template.variable(name),
        })
    }

    /// A process over it. On this machine the tables that aren't there are made.
    async fn app(&self, template: &Template) -> Result<App, String> {
        let app = App::start(&Table::ALL, |name| self.variable(template, name)).await;
        let app = app.map_err(|bad| bad.to_string())?;
        if is_loopback(&self.url) {
            template.create_tables(app.dynamodb()).await?;
        }
        Ok(app)
    }
}

/// Whether every entry of the audit is as it was sealed.
pub async fn verify_audit(storage: &Storage) -> Result<bool, String> {
    let template = Template::of_the_project()?;
    // A folder that was mistyped must not pass for one without a fault.
    if !storage.in_memory && storage.dynamodb_url.is_none() && !storage.data_dir.is_dir() {
        return Err(format!("{}: there is no such folder", storage.data_dir.display()));
    }
    let stored = Stored::open(storage, Opener::Command)?;
    verification::run(&stored.app(&template).await?).await
}

/// Whether every site is posted, unchanged or tried dry.
pub async fn sync_outages(command: SyncOutages) -> Result<bool, String> {
    let template = Template::of_the_project()?;
    let mut stored = Stored::open(&command.storage, Opener::Command)?;
    stored.upstream = upstream::choose().await?;
    let app = stored.app(&template).await?;
    log::start("local", &app.settings().basics);
    let settings = Settings::from_variables(|name| stored.variable(&template, name));
    let settings = settings.map_err(|bad| bad.to_string())?;
    sync::run(app.store(), settings, command).await
}

pub async fn run(options: Serving) -> Result<(), String> {
    let template = Template::of_the_project()?;
    let own_token = config::variable("ADMIN_TOKEN").unwrap_or_default();
    let guessable =
        own_token.is_empty() || own_token.split(',').any(|token| token.trim() == ADMIN_TOKEN);
    if guessable && !options.host.is_loopback() {
        return Err(format!(
            "ADMIN_TOKEN: one of your own is needed where --host is {}",
            options.host
        ));
    }
    let mut stored = Stored::open(&options.storage, Opener::Server)?;
    stored.upstream = upstream::choose().await?;
    let app = stored.app(&template).await?;
    log::start("local", &app.settings().basics);
    app.announce();
    let variable = |name| stored.variable(&template, name);
    let admin_token = variable("ADMIN_TOKEN").unwrap_or_default();
    let workers = if is_loopback(&stored.url) {
        workers::start(&template, &stored.url, stored.embedded.as_ref(), variable).await?
    } else {
        JoinSet::new()
    };
    let router = gateway(template, FUNCTIONS, &app);
    if options.seed == Some(Seed::Demo) || (options.seed.is_none() && stored.is_new) {
        let first = admin_token.split(',').next().unwrap_or_default().trim();
        println!("{}", seed::demo(&router, first).await?);
    }
    let address = SocketAddr::new(options.host, options.port);
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    // Before the lines that say that it serves: who reads them may end it at once.
    let signalled = signal().map_err(|error| error.to_string())?;
    println!("dynamodb on {}", stored.url);
    println!("listening on http://{address}");
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let stop = async {
        signalled.await;
        let _ = stopping.send(());
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(stop);
    let overdue = async {
        let _ = stopped.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = served => ended.map_err(|error| error.to_string())?,
        () = overdue => eprintln!("requests still in flight after {} s were cut", GRACE.as_secs()),
    }
    drop(workers);
    drop(stored);
    Ok(())
}

/// Ctrl-C, or SIGTERM, from now on.
#[cfg(unix)]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
