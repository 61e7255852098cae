//! Quartet on one machine: a DynamoDB in this process, the tables and routes of template.yaml.

mod gateway;
mod template;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::thread::JoinHandle;

use dynoxide::Database;
use dynoxide::server::serve_with_shutdown;
use tokio::sync::oneshot;

pub use self::gateway::gateway;
pub use self::template::Template;

/// A DynamoDB on a loopback port, served by a thread and a runtime of its own: its one lock makes
/// writers wait, which must not hold up the API's.
pub struct Embedded {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// `file`: where it is stored, else in memory. `port` 0 takes a free one.
    pub fn start(file: Option<&Path>, port: u16) -> io::Result<Self> {
        let database = match file {
            Some(file) => Database::new(&file.to_string_lossy()),
            None => Database::memory(),
        };
        let database = database.map_err(|error| io::Error::other(error.to_string()))?;
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
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
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
