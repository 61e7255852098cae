//! The data directory: the database's file, and the secrets that were made because none were set.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

pub struct DataDir(PathBuf);

/// Secrets of this machine alone, each 256 random bits in hex.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    pub cursor_secret: String,
    pub audit_secret: String,
}

impl DataDir {
    pub fn open(path: &Path) -> io::Result<Self> {
        if !path.exists() {
            fs::create_dir_all(path)?;
            private(path, 0o700)?;
        }
        Ok(Self(path.to_owned()))
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("dynamodb.sqlite")
    }

    /// Nothing has been stored here yet.
    pub fn is_empty(&self) -> bool {
        !self.database().exists()
    }

    /// Takes the directory for this process until the file is dropped; None where another has it.
    /// The system gives it back however that one ends.
    pub fn occupy(&self) -> io::Result<Option<File>> {
        let file = File::options().create(true).append(true).open(self.0.join("lock"))?;
        match file.try_lock() {
            Ok(()) => {
                // What it says is of a process that is gone.
                let _ = fs::remove_file(self.note_file());
                Ok(Some(file))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Notes where the DynamoDB of the process that has the directory is.
    pub fn note(&self, url: &str) -> io::Result<()> {
        let made = self.0.join(format!("dynamodb.url.{}", std::process::id()));
        fs::write(&made, url)?;
        fs::rename(made, self.note_file())
    }

    /// What was noted, where something answers there.
    pub fn noted(&self) -> Option<String> {
        let url = fs::read_to_string(self.note_file()).ok()?;
        std::net::TcpStream::connect(url.strip_prefix("http://")?).ok()?;
        Some(url)
    }

    fn note_file(&self) -> PathBuf {
        self.0.join("dynamodb.url")
    }

    /// The secrets kept here, made at the first start. They are there whole or not at all, whoever
    /// starts beside.
    pub fn secrets(&self) -> io::Result<Secrets> {
        let file = self.0.join("secrets.json");
        if !file.exists() {
            let made = self.0.join(format!("secrets.json.{}", std::process::id()));
            fs::write(&made, serde_json::to_vec(&Secrets::random()?)?)?;
            private(&made, 0o600)?;
            // Linked, not renamed: the first of two starts wins.
            let linked = fs::hard_link(&made, &file);
            fs::remove_file(&made)?;
            linked.or_else(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
            })?;
        }
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    }
}

impl Secrets {
    pub fn random() -> io::Result<Self> {
        let secret = || {
            let mut bytes = [0; 32];
            let filled = SystemRandom::new().fill(&mut bytes);
            filled.map(|()| hex::encode(bytes)).map_err(|_| io::Error::other("no random bytes"))
        };
        Ok(Self { cursor_secret: secret()?, audit_secret: secret()? })
    }
}

#[cfg(unix)]
fn private(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn private(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
