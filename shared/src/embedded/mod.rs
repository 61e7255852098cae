//! Quartet on one machine: a DynamoDB in this process, the tables and routes of template.yaml.

mod gateway;
mod streams;
mod template;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use dynoxide::Database;
use dynoxide::server::serve_with_shutdown;
use tempfile::TempDir;
use tokio::sync::oneshot;

pub use self::gateway::gateway;
pub use self::streams::Stream;
pub use self::template::{Mapping, Template};

/// A DynamoDB on a loopback port, served by a thread and a runtime of its own: its one lock makes
/// writers wait, which must not hold up the API's.
pub struct Embedded {
    address: SocketAddr,
    file: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Where nothing is kept: in memory it could not be opened a second time.
    _folder: Option<TempDir>,
}

impl Embedded {
    /// `file`: where it is stored, else where it is gone with the process. `port` 0 takes a free
    /// one.
    pub fn start(file: Option<&Path>, port: u16) -> io::Result<Self> {
        let folder = file.is_none().then(forgotten).transpose()?;
        let file = match (file, &folder) {
            (Some(file), _) => file.to_owned(),
            (None, folder) => folder.as_ref().map(|f| f.path().join("db")).unwrap_or_default(),
        };
        let database = Database::new(&file.to_string_lossy());
        let database = database.map_err(|error| io::Error::other(error.to_string()))?;
        streams::index(&file).map_err(io::Error::other)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    let stopped = async { drop(stopped.await) };
                    let _ = serve_with_shutdown(listener, database, stopped).await;
                }
            });
        })?;
        Ok(Self { address, file, stop: Some(stop), thread: Some(thread), _folder: folder })
    }

    /// Forgets the records of a table's stream that every worker has passed.
    pub fn trim(&self, table: &str, passed: &str) -> io::Result<()> {
        streams::trim(&self.file, table, passed).map_err(io::Error::other)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A folder for this process alone, in memory where the system has such a place.
fn forgotten() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

/// Stops once the requests in flight are answered.
impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
